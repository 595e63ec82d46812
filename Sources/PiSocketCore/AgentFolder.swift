import CPlatform

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The folder an agent works in: its path for people, and the open folder that pi is started in.
///
/// A path may lead elsewhere a moment later, out of the folders that a hypivisor allows; what is open may not.
public final class AgentFolder: Sendable {
    /// Why there is no such folder.
    public struct Fault: Error, Sendable, Equatable {
        /// The folder, as it was named.
        public var path: String
        /// What is wrong with it.
        public var reason: String
    }

    /// The real path.
    public let path: String
    private let descriptor: CInt

    /// Opens a folder.
    ///
    /// - Parameter given: The folder; `nil` is the working directory of this process, wherever its path leads by now.
    /// - Throws: ``Fault``, also for a path that is not UTF-8: repaired, it would be that of another folder.
    public init(_ given: String?) throws(Fault) {
        let name = given ?? "."
        guard let resolved = given.map({ realpath($0, nil) }) ?? getcwd(nil, 0) else {
            throw Fault(path: name, reason: String(cString: strerror(errno)).lowercased())
        }
        defer { free(resolved) }
        guard let path = String(validatingCString: resolved) else {
            throw Fault(path: name, reason: "its real path is not UTF-8")
        }
        self.path = path
        descriptor = given == nil ? hypi_open_folder_in(AT_FDCWD, ".") : hypi_open_folder(path)
        guard descriptor >= 0 else { throw Fault(path: name, reason: String(cString: strerror(errno)).lowercased()) }
    }

    deinit {
        close(descriptor)
    }

    /// Lends the folder to somebody who starts a process in it.
    ///
    /// One that was deleted is looked for again by its path, without following a link: it may have been made again.
    func withDescriptor<Value>(_ body: (CInt) throws(Errno) -> Value) throws(Errno) -> Value {
        guard hypi_folder_is_gone(descriptor) != 0 else { return try body(descriptor) }
        let again = hypi_open_folder(path)
        guard again >= 0 else { throw Errno(rawValue: errno) }
        defer { close(again) }
        return try body(again)
    }

    /// Why nothing can be started in it; `nil` if something can.
    var fault: Fault? {
        do throws(Errno) {
            try withDescriptor { (descriptor) throws(Errno) in
                guard faccessat(descriptor, ".", X_OK, 0) == 0 else { throw Errno(rawValue: errno) }
            }
            return nil
        } catch {
            return Fault(path: path, reason: String(cString: strerror(error.rawValue)).lowercased())
        }
    }
}
