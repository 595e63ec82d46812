import HypiWire

/// What Tab offers: slash commands, ours and pi's, files of the agent's machine after `@`, and of this one after `/attach`.
///
/// Nothing here waits: folders that are not known yet are asked for, and completed when the answer is there.
struct Completion {
    /// Names of pi's slash commands, with the slash; `nil` until pi has told them.
    private(set) var commands: [String]?
    private var folders: [String: [String]] = [:]
    private var localFolders: [String: [String]] = [:]

    /// Takes pi's list of commands.
    mutating func setCommands(_ list: [JSON]) {
        commands = list.compactMap { $0["name"]?.string.map { $0.hasPrefix("/") ? $0 : "/" + $0 } }
    }

    /// Whether pi knows a slash command.
    func piKnows(_ line: String) -> Bool {
        commands?.contains(String(line.prefix { !$0.isWhitespace })) == true
    }

    /// Takes the answer to a question about a folder.
    mutating func setFiles(_ list: [JSON], folder: String) {
        folders[folder] = list.compactMap { file in
            file["path"]?.string.map { file["isDirectory"]?.bool == true ? $0 + "/" : $0 }
        }
    }

    /// Folders change: what was learnt counts for one completion.
    mutating func forgetFiles() {
        folders = [:]
        localFolders = [:]
    }

    /// Takes the names in a folder of this machine.
    mutating func setNames(_ names: [String], localFolder: String) {
        localFolders[localFolder] = names
    }

    /// The folder part of a path on this machine: `~/`, `/etc/`, or nothing.
    static func localFolder(of word: String) -> String {
        word.lastIndex(of: "/").map { String(word[...$0]) } ?? ""
    }

    /// Whether a file of this machine is meant.
    static func isLocal(_ line: String) -> Bool { line.hasPrefix("/attach ") }

    /// Completions of a word; `nil` if its folder has to be asked for first.
    func candidates(_ word: String, line: String) -> [String]? {
        if Self.isLocal(line) {
            let folder = Self.localFolder(of: word)
            guard let names = localFolders[folder] else { return nil }
            let stem = word.dropFirst(folder.count)
            let fitting = names.filter { $0.hasPrefix(stem) && (stem.hasPrefix(".") || !$0.hasPrefix(".")) }
            return fitting.map { folder + $0 }
        }
        if word.hasPrefix("@") {
            guard let files = folders[Self.folder(of: word)] else { return nil }
            let prefix = word.dropFirst()
            return files.filter { $0.hasPrefix(prefix) }.map { "@" + $0 }
        }
        guard word.hasPrefix("/"), line == word else { return [] }
        return Set(LocalCommand.names + (commands ?? [])).filter { $0.hasPrefix(word) }.sorted()
    }

    /// The folder part of a word such as `@src/ma`: `src/`.
    static func folder(of word: String) -> String {
        let path = word.dropFirst()
        return path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }
}
