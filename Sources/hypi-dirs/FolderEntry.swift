import HypiTool
import HypiWire

/// One folder as the registry sees it.
struct FolderEntry: Sendable {
    /// Its last path component.
    var name: String
    /// Where it is, absolute, on the registry's machine.
    var path: String
    /// Whether it is the top of a git working tree; `nil` if a version 1 registry did not say.
    var isGit: Bool?
    /// How many agents work right there; `nil` if a version 1 registry did not say.
    var agentCount: Int?
    /// Where it stands below the folder that was asked for.
    var relativePath: String

    /// The record: `{"path","name","git","agents"}`.
    var json: JSON {
        var object: JSONObject = ["path": .string(path), "name": .string(name)]
        object["git"] = isGit.map(JSON.bool)
        object["agents"] = agentCount.map { JSON.int($0) }
        return .object(object)
    }
}

/// Prints folders as they are found.
struct FolderPrinter: Sendable {
    enum Style {
        case records
        case names
        case paths
    }

    let style: Style
    let isGitOnly: Bool
    let isMissingOnly: Bool

    /// Prints those that were asked for.
    func print(_ entries: [FolderEntry]) throws(Failure) {
        var bytes: [UInt8] = []
        for entry in entries where isMeant(entry) {
            switch style {
            case .records: bytes += entry.json.record
            case .names: bytes += Array((entry.relativePath.withoutControlCharacters + "\n").utf8)
            case .paths: bytes += Array(entry.path.utf8) + [0]
            }
        }
        guard !bytes.isEmpty else { return }
        if style == .records { try StandardOutput.write(records: bytes) } else { try StandardOutput.write(bytes) }
    }

    private func isMeant(_ entry: FolderEntry) -> Bool {
        (!isGitOnly || entry.isGit == true) && (!isMissingOnly || entry.agentCount == 0)
    }
}
