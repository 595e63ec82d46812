import CPlatform
import HypiWire
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lists the folders in which an agent could be started.
///
/// The disk may be slow or gone: it is asked on threads of its own, ``Limits/directoryThreads`` of them, and delays
/// nobody else.
struct DirectoryBrowser: Sendable {
    /// One folder's subfolders.
    struct Listing: Sendable {
        /// One subfolder.
        struct Entry: Sendable {
            var name: String
            var path: String
            /// Whether it is the top of a git working tree.
            var isGit: Bool
            /// How many agents live right there.
            var agentCount: Int
        }

        /// The folder's real path.
        var current: String
        /// Its subfolders, sorted by the bytes of their names.
        var entries: [Entry]

        /// The result as it goes out; version 1 reads `current` and `directories`.
        var json: JSON {
            let entries = entries.map { entry in
                JSON.object([
                    "name": .string(entry.name), "path": .string(entry.path), "git": .bool(entry.isGit),
                    "agents": .int(entry.agentCount),
                ])
            }
            let names = self.entries.map { JSON.string($0.name) }
            return ["current": .string(current), "directories": .array(names), "entries": .array(entries)]
        }
    }

    private let roots: Roots
    private let roster: Roster
    private let machine: String
    private let threads: NIOThreadPool

    /// A browser of the roots.
    init(roots: Roots, roster: Roster, machine: String, threads: NIOThreadPool) {
        self.roots = roots
        self.roster = roster
        self.machine = machine
        self.threads = threads
    }

    /// Lists a folder.
    ///
    /// - Parameters:
    ///   - path: The folder; the first root if it is `nil`.
    ///   - eventLoop: Where the result is wanted.
    /// - Returns: The listing; fails with ``RegistryFault``.
    func list(_ path: String?, on eventLoop: any EventLoop) -> EventLoopFuture<Listing> {
        let (machine, threads, roots) = (machine, threads, roots)
        return roster.submit { $0.agentsByFolder(on: machine) }.hop(to: eventLoop).flatMap { agents in
            threads.runIfActive(eventLoop: eventLoop) { try Self.listing(of: path, in: roots, agents: agents) }
        }
    }

    /// Reads a folder; blocks on the disk.
    ///
    /// Hidden folders, links that leave the roots, and what cannot be read are left out: nobody could start an agent
    /// there, or wants to.
    static func listing(
        of path: String?, in roots: Roots, agents: [String: Int]
    ) throws(RegistryFault) -> Listing {
        let folder = try roots.open(path ?? roots.first)
        let current = folder.path
        let base = current == "/" ? "" : current
        do {
            let reader = try FolderReader(folder)
            var entries: [Listing.Entry] = []
            while let (name, isLink) = reader.nextFolder() {
                let path = "\(base)/\(name)"
                guard entries.count < Limits.directoryEntries else { break }
                guard !isLink || roots.holds(linkAt: path), reader.isReadable(name) else { continue }
                let count = agents[path] ?? 0
                entries.append(.init(name: name, path: path, isGit: reader.isThere("\(name)/.git"), agentCount: count))
            }
            entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            return Listing(current: current, entries: entries)
        } catch {
            throw error.registryFault("cannot read folder \(current)")
        }
    }
}

extension Roots {
    /// Whether a symbolic link leads to something inside the roots.
    fileprivate func holds(linkAt path: String) -> Bool {
        guard let real = try? Self.realPath(path) else { return false }
        return contains(real)
    }
}

/// Walks over the visible subfolders of one folder.
private final class FolderReader {
    private let stream: OpaquePointer

    init(_ folder: Folder) throws(SystemFault) {
        guard let stream = hypi_list_folder(folder.descriptor) else { throw SystemFault(errno) }
        self.stream = stream
    }

    deinit {
        closedir(stream)
    }

    /// The next folder, or link to one.
    ///
    /// Names that are not UTF-8 are passed over: JSON cannot say them.
    ///
    /// - Returns: `nil` at the end.
    func nextFolder() -> (name: String, isLink: Bool)? {
        while let entry = readdir(stream) {
            let type = Int(entry.pointee.d_type)
            guard type == Int(DT_DIR) || type == Int(DT_LNK) || type == Int(DT_UNKNOWN) else { continue }
            guard let name = String(validatingCString: hypi_entry_name(entry)), !name.hasPrefix("."), isFolder(name)
            else { continue }
            return (name, type != Int(DT_DIR))
        }
        return nil
    }

    func isReadable(_ name: String) -> Bool {
        faccessat(dirfd(stream), name, R_OK | X_OK, 0) == 0
    }

    func isThere(_ name: String) -> Bool {
        faccessat(dirfd(stream), name, F_OK, 0) == 0
    }

    private func isFolder(_ name: String) -> Bool {
        var status = stat()
        return fstatat(dirfd(stream), name, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
