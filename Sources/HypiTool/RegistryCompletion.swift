public import ArgumentParser
import HypiNet
import HypiWire
import NIOCore

/// Words for the shell to complete with, from the hypivisor that runs; none where it does not answer at once.
///
/// A person waits for these with a finger on the tab key: after ``limit`` there is nothing to offer.
public enum RegistryCompletion {
    /// How long a person is made to wait.
    static let limit = Duration.milliseconds(300)

    /// Agents: ids and names, and folders once a path has been begun.
    public static let targets = kind { link, prefix in
        let nodes = try await nodes(link)
        guard prefix.contains("/") || prefix.hasPrefix("~") else { return nodes.flatMap { [$0.id, $0.name ?? ""] } }
        let folder = WorkingFolder.current(.current())
        return nodes.flatMap { [$0.cwd, folder.abbreviated($0.cwd)] }
    }

    /// The agents' machines.
    public static let machines = kind { link, _ in try await nodes(link).map(\.machine) }

    /// The agents' names.
    public static let names = kind { link, _ in try await nodes(link).compactMap(\.name) }

    /// Folders of the hypivisor's machine, one level below what has been typed.
    public static let folders = kind { link, prefix in
        let parent = prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""
        let path = try WorkingFolder.current(.current()).absolute(parent.isEmpty ? "." : parent)
        let listing = try await link.withClient { try await $0.request("list_directories", ["path": .string(path)]) }
        return (listing["directories"]?.array ?? []).compactMap(\.string).map { parent + $0 + "/" }
    }

    private static func kind(
        _ words: @escaping @Sendable (RegistryLink, String) async throws -> [String]
    ) -> CompletionKind {
        .custom { line, _, prefix in
            // A shell shows nothing of what goes wrong here; the command itself will say it.
            guard DescriptorRoom.has(DescriptorRoom.forTool) else { return [] }
            let found = (try? await inTime { try await words(try link(line), prefix) }) ?? []
            let words = Set(found.filter { $0.hasPrefix(prefix) && isOffered($0) }).sorted()
            // In zsh what follows a colon describes a candidate.
            return CompletionShell.requesting == .zsh ? words.map { $0.replacing(":", with: #"\:"#) } : words
        }
    }

    /// Whether a peer's text may stand on a command line: no control characters, and not what reads as an option.
    private static func isOffered(_ word: String) -> Bool {
        !word.isEmpty && word.first != "-" && word == word.withoutControlCharacters
    }

    /// The registry that the command line so far means.
    private static func link(_ line: [String]) throws -> RegistryLink {
        var arguments = line.filter { $0 == "--insecure" }
        for (option, value) in zip(line, line.dropFirst())
        where ["--hypivisor", "--token-file", "--ca-file", "--tls-pin"].contains(option) {
            arguments += [option, value]
        }
        let endpoint = try EndpointOptions.parse(arguments)
        return try RegistryLink(endpoint, .current(), timeout: .milliseconds(250))
    }

    private static func nodes(_ link: RegistryLink) async throws -> [Node] {
        var feed = link.feed()
        while true {
            switch try await feed.next() {
            case .list(let nodes, _): return nodes
            case .lost(let closure): throw MessageStream.ConnectionLost(closure: closure)
            case .event, .resumed, .background: continue
            }
        }
    }

    private static func inTime(_ body: @escaping @Sendable () async throws -> [String]) async throws -> [String] {
        try await withThrowingTaskGroup(of: [String].self) { tasks in
            tasks.addTask(operation: body)
            tasks.addTask {
                // The limit itself: whoever pressed tab does not wait longer.
                try await Task.sleep(for: limit)
                return []
            }
            defer { tasks.cancelAll() }
            return try await tasks.next() ?? []
        }
    }
}
