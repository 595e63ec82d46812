import HypiNet
import HypiTool
import HypiWire

/// Walks over folders, level by level; several at once, in an order that is always the same.
struct FolderWalk: Sendable {
    /// Requests under way at once; more would only wait for the same disk.
    private static let requestLimit = 16

    /// A folder that is still to be listed.
    private struct Visit: Sendable {
        var path: String?
        var relativePath: String
    }

    private struct Listing: Sendable {
        var current: String
        var entries: [FolderEntry]
    }

    private let client: RegistryClient
    private let depth: Int

    /// A walk that goes `depth` levels down.
    init(_ client: RegistryClient, depth: Int) {
        self.client = client
        self.depth = depth
    }

    /// Walks.
    ///
    /// - Parameters:
    ///   - starts: Where to begin; `nil` is the registry's first root.
    ///   - found: Takes the subfolders of one folder.
    /// - Returns: The status: success, or that of the first folder that could not be listed.
    /// - Throws: What `found` throws, or why the connection ended.
    func run(from starts: [String?], _ found: @Sendable ([FolderEntry]) throws -> Void) async throws -> ExitStatus {
        var status = ExitStatus.success
        // Real paths: a symbolic link into what was seen already, or above it, is not followed again.
        var seen: Set<String> = []
        var level = starts.map { Visit(path: $0, relativePath: "") }
        for _ in 0..<depth {
            var next: [Visit] = []
            try await list(level) { visit, outcome in
                switch outcome {
                case .success(let listing):
                    guard seen.insert(listing.current).inserted else { return }
                    try found(listing.entries)
                    next += listing.entries.map { Visit(path: $0.path, relativePath: $0.relativePath) }
                case .failure(let fault):
                    let failure = Failure(fault)
                    Diagnostic.print("hypi-dirs", failure.line)
                    if status == .success { status = failure.status }
                }
            }
            level = next
        }
        return status
    }

    /// Lists folders, a few at a time, and hands them on in their order.
    private func list(
        _ visits: [Visit], _ done: (Visit, Result<Listing, RegistryFault>) throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (Int, Result<Listing, RegistryFault>).self) { tasks in
            var early: [Int: Result<Listing, RegistryFault>] = [:]
            var (started, handed) = (0, 0)
            while handed < visits.count {
                // What came early counts too, so that one slow folder does not make the others pile up behind it.
                while started < visits.count, started - handed < Self.requestLimit {
                    let (index, visit) = (started, visits[started])
                    tasks.addTask { (index, try await list(visit)) }
                    started += 1
                }
                guard let (index, outcome) = try await tasks.next() else { return }
                early[index] = outcome
                while let outcome = early.removeValue(forKey: handed) {
                    try done(visits[handed], outcome)
                    handed += 1
                }
            }
        }
    }

    private func list(_ visit: Visit) async throws -> Result<Listing, RegistryFault> {
        do {
            let params: JSONObject = visit.path.map { ["path": .string($0)] } ?? [:]
            return .success(try Self.read(try await client.request("list_directories", params), visit))
        } catch let fault as RegistryFault {
            return .failure(fault)
        }
    }

    private static func read(_ result: JSON, _ visit: Visit) throws(RegistryClient.ProtocolFault) -> Listing {
        guard let current = result["current"]?.string, let names = result["directories"]?.array else {
            throw RegistryClient.ProtocolFault(reason: "list_directories did not answer a listing")
        }
        let base = current == "/" ? "" : current
        // A version 1 registry has names only.
        let entries = result["entries"]?.array ?? names.map { ["name": $0] }
        return Listing(
            current: current,
            entries: entries.compactMap { entry in
                guard let name = entry["name"]?.string else { return nil }
                return FolderEntry(
                    name: name, path: entry["path"]?.string ?? "\(base)/\(name)", isGit: entry["git"]?.bool,
                    agentCount: entry["agents"]?.int,
                    relativePath: visit.relativePath.isEmpty ? name : "\(visit.relativePath)/\(name)")
            })
    }
}
