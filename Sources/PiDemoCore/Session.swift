import HypiWire

/// One conversation: the tree of its entries, the messages the model sees, and the file that keeps them.
///
/// Format: pi's `docs/session-format.md`, version 3. As with pi, nothing is written before the first assistant message
/// has ended; from then on each entry is appended by one write.
struct Session {
    let id: String
    /// The header record, the first line of the file.
    let header: JSON
    /// All entries, in the order in which they were appended.
    private(set) var entries: [JSON] = []
    /// The entry that the next one follows.
    private(set) var leafID: String?
    /// The messages that the model sees: those of the branch, or what a compaction left of them.
    private(set) var context: [JSON] = []
    private(set) var name: String?

    private var file: SessionFile?
    private var entryIDs: Set<String> = []

    /// A new session; `path` is `nil` for one that is never written.
    init(cwd: String, path: String?, parent: String? = nil, id: String = Identifier.uuid(), created: Timestamp = .now())
    {
        self.id = id
        var header: JSONObject = [
            "type": "session", "version": 3, "id": .string(id), "timestamp": .string(created.text), "cwd": .string(cwd),
        ]
        header["parentSession"] = parent.map(JSON.string)
        self.header = .object(header)
        file = path.map { SessionFile(path: $0) }
    }

    /// The session that a file holds; lines that are no entries, such as one torn by a crash, are skipped.
    init(loading path: String, content: SessionFile.Content, cwd: String) {
        let records = content.records
        let header = records.first { $0["type"]?.string == "session" }
        self.init(cwd: cwd, path: nil)
        if let header, let id = header["id"]?.string { self = Session(id: id, header: header) }
        for entry in records where entry["id"]?.string != nil && entry["type"]?.string != "session" {
            remember(entry)
        }
        file = SessionFile(path: path, continuing: content, holdsHeader: header != nil)
        rebuildContext()
    }

    private init(id: String, header: JSON) {
        self.id = id
        self.header = header
    }

    /// Where the session is or will be written; `nil` for one that never is.
    var path: String? {
        file?.path
    }

    /// The entries from the root to the leaf.
    var branch: [JSON] {
        branch(to: leafID)
    }

    /// Whether the instructions of pi 0.87 and later are in the conversation.
    var hasInstructions: Bool {
        branch.contains { $0["message"].map(Message.role) == "system" }
    }

    func branch(to leaf: String?) -> [JSON] {
        let byID = Dictionary(entries.map { ($0["id"]?.string ?? "", $0) }, uniquingKeysWith: { $1 })
        var path: [JSON] = []
        var next = leaf.flatMap { byID[$0] }
        // A damaged file may hold a cycle; no path is longer than all entries.
        while let entry = next, path.count < entries.count {
            path.append(entry)
            next = entry["parentId"]?.string.flatMap { byID[$0] }
        }
        return path.reversed()
    }

    /// Appends an entry behind the leaf and answers its id.
    @discardableResult
    mutating func append(_ type: String, _ fields: JSONObject) -> String {
        let id = Identifier.entry(unlike: entryIDs)
        var entry: JSONObject = [
            "type": .string(type), "id": .string(id), "parentId": leafID.map(JSON.string) ?? .null,
            "timestamp": .string(Timestamp.now().text),
        ]
        for member in fields.members { entry[member.key] = member.value }
        remember(.object(entry))
        save(.object(entry))
        return id
    }

    /// Appends a message, which the model sees from now on.
    mutating func append(message: JSON) {
        if Message.role(message) == "custom" {
            var fields: JSONObject = [:]
            for key in ["customType", "content", "display", "details"] { fields[key] = message[key] }
            append("custom_message", fields)
        } else {
            append("message", ["message": message])
        }
        context.append(message)
    }

    /// Takes the last message out of the model's sight, as pi does with a failed answer before it tries again.
    mutating func dropLastMessage() {
        _ = context.popLast()
    }

    /// Notes, as pi 0.87 and later do, that the last message leaves the model's sight, and returns the entry.
    mutating func editOutLastMessage() -> JSON {
        append("context_edit", ["targetId": leafID.map(JSON.string) ?? .null, "replacement": .null])
        return entries.last ?? .null
    }

    mutating func rename(_ name: String) {
        append("session_info", ["name": .string(name)])
    }

    /// Replaces what the model sees before `firstKept` by a summary.
    mutating func compact(_ fields: JSONObject) {
        append("compaction", fields)
        rebuildContext()
    }

    /// A new session that begins with a copy of these entries.
    mutating func adopt(_ copied: [JSON]) {
        for entry in copied {
            remember(entry)
            save(entry)
        }
        rebuildContext()
    }

    private mutating func remember(_ entry: JSON) {
        entries.append(entry)
        leafID = entry["id"]?.string
        if let leafID { entryIDs.insert(leafID) }
        if entry["type"]?.string == "session_info" { name = entry["name"]?.string }
    }

    private mutating func save(_ entry: JSON) {
        guard file != nil else { return }
        let endsAnswer = entry["message"].map(Message.role) == "assistant"
        file?.append(entry, after: [header] + entries.dropLast(), opens: endsAnswer)
    }

    private mutating func rebuildContext() {
        let all = branch
        let edited = Set(all.filter { $0["type"]?.string == "context_edit" }.compactMap { $0["targetId"]?.string })
        let path = edited.isEmpty ? all : all.filter { !edited.contains($0["id"]?.string ?? "") }
        guard let last = path.lastIndex(where: { $0["type"]?.string == "compaction" }) else {
            context = path.compactMap(Self.message)
            return
        }
        let firstKept = path[last]["firstKeptEntryId"]?.string
        let start = path.firstIndex { $0["id"]?.string == firstKept } ?? last
        context = [Self.message(path[last])].compactMap { $0 }
        context += (path[min(start, last)..<last] + path[(last + 1)...]).compactMap(Self.message)
    }

    /// The message an entry stands for; `nil` for those that only record a change.
    private static func message(_ entry: JSON) -> JSON? {
        switch entry["type"]?.string {
        case "message": return entry["message"]
        case "compaction":
            return Message.compactionSummary(
                entry["summary"]?.string ?? "", tokensBefore: entry["tokensBefore"]?.int ?? 0)
        case "custom_message":
            return Message.custom(entry["content"]?.string ?? "", details: entry["details"] ?? [:])
        default: return nil
        }
    }
}
