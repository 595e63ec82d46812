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

/// The pipes between us and pi; every end is closed on exec, so that no other child inherits one.
struct Pipes: Sendable {
    var childInput: FileDescriptor
    var ourInput: FileDescriptor
    var ourOutput: FileDescriptor
    var childOutput: FileDescriptor
    var ourErrors: FileDescriptor
    var childErrors: FileDescriptor

    init() throws {
        (childInput, ourInput) = try Self.make()
        (ourOutput, childOutput) = try Self.make()
        (ourErrors, childErrors) = try Self.make()
    }

    private static func make() throws -> (read: FileDescriptor, write: FileDescriptor) {
        let ends = try FileDescriptor.pipe()
        for end in [ends.readEnd, ends.writeEnd] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
        return (ends.readEnd, ends.writeEnd)
    }
}
