public import HypiWire

/// A word on a command line that means one agent; one rule for every tool.
///
/// The exact id wins. Else the word may be the start of one id, a name, a folder's path (with a `/`, or `.`, `..`, `~`)
/// or a path's last component. All of these are looked at, and only a word that comes out at one agent is taken: the
/// order in which they were tried would be a guess, and a prompt sent to the wrong agent cannot be taken back.
public struct TargetWord: Sendable, Hashable {
    /// The word as it was typed.
    public let text: String

    /// A word.
    public init(_ text: String) {
        self.text = text
    }

    /// Why a word means no agent.
    public enum Fault: Error, Sendable, Equatable {
        /// No agent has anything to do with it.
        case unknown(String)
        /// More than one could be meant, in the order of the roster.
        case ambiguous(String, candidates: [Node])
    }

    /// The agent the word means.
    ///
    /// - Parameters:
    ///   - nodes: All agents; offline ones count.
    ///   - folder: Where the person stands, for relative paths.
    /// - Returns: The one node.
    /// - Throws: ``Fault``; ``Failure`` puts it into words, with status 1 or 64.
    public func resolve(in nodes: [Node], from folder: WorkingFolder) throws(Fault) -> Node {
        if let exact = nodes.first(where: { $0.id == text }) { return exact }
        guard !text.isEmpty else { throw .unknown(text) }
        let prefixed = nodes.filter { $0.id.hasPrefix(text) }
        let paths = paths(from: folder)
        let meant = nodes.filter { node in
            // A prefix that several ids share says nothing: in `app` and `apple`, `app` still means the folder.
            (prefixed.count == 1 && prefixed[0].id == node.id) || node.name == text || isFolder(of: node, paths)
        }
        switch meant.count {
        case 1: return meant[0]
        case 0 where prefixed.isEmpty: throw .unknown(text)
        case 0: throw .ambiguous(text, candidates: prefixed)
        default: throw .ambiguous(text, candidates: meant)
        }
    }

    private func isFolder(of node: Node, _ paths: [String]) -> Bool {
        var cwd = node.cwd[...]
        while cwd.count > 1, cwd.last == "/" { cwd.removeLast() }
        return paths.contains { $0 == cwd } || cwd.split(separator: "/").last.map { $0 == text } == true
    }

    /// The paths the word may stand for: as it was typed, and with this machine's symbolic links followed.
    private func paths(from folder: WorkingFolder) -> [String] {
        guard text.contains("/") || [".", "..", "~"].contains(text) else { return [] }
        // In a working folder that was deleted, a relative path is nobody's.
        return [try? folder.absolute(text), folder.existing(text)].compactMap { $0 }
    }
}

extension TargetWord.Fault {
    /// Candidates that a message names; beyond it the rest is counted.
    static let namedCandidates = 12

    /// The fault as a failure: 1 for an unknown word, 64 for an ambiguous one.
    var failure: Failure {
        switch self {
        case .unknown(let word):
            Failure(.failure, "no agent is called '\(word)'", hint: "'hypi-ls' lists them")
        case .ambiguous(let word, let candidates):
            Failure(
                .usage, "'\(word)' is ambiguous: \(Self.list(candidates))", hint: "use an id or more of one")
        }
    }

    private static func list(_ candidates: [Node]) -> String {
        let hasSeveralMachines = Set(candidates.map(\.machine)).count > 1
        let named = candidates.prefix(namedCandidates).map { node in
            "\(node.id) in \(hasSeveralMachines ? node.machine + ":" : "")\(node.cwd)"
        }
        let rest = candidates.count - named.count
        return named.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
