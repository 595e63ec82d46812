import HypiWire

/// What `spawn_agent` asks for, with everything checked that can be checked without looking at the disk.
struct SpawnRequest: Sendable {
    /// Where, as the peer named it.
    var path: String
    /// Folders to make below it, as plain names in order.
    var newFolder: [Substring]
    /// Arguments for pi.
    var args: [String]
    /// A display name.
    var name: String?
    /// Makes the request idempotent: at most one living agent has it.
    var key: String?
    /// A session file to go on with.
    var resume: String?
    /// What stops the agent or tells of it, by name, as pi-socket's options take it.
    var guards: [(name: String, value: String)] = []

    /// The guards and hooks that a request can ask for.
    private static let guardNames = ["max_cost", "max_turn", "max_repeats", "idle_exit", "hook"]

    /// Reads the parameters.
    ///
    /// - Throws: ``RegistryFault`` with code `invalid_params`.
    init(_ params: Params) throws(RegistryFault) {
        path = try params.text("path")
        let newFolder = try params.optionalText("new_folder") ?? ""
        // Version 1 trims what a person typed.
        self.newFolder = try Self.folderNames(newFolder.trimmingBlanks)
        args = try params.texts("args")
        name = try Self.plain("name", params)
        key = try Self.plain("key", params)
        resume = try Self.plain("resume", params)
        if let resume, !resume.hasPrefix("/") {
            throw .invalid("resume", expected: "an absolute path")
        }
        guards = try Self.guards(params)
        guard !([path] + args).contains(where: { $0.utf8.contains(0) }) else {
            throw RegistryFault(.invalidParams, "a NUL character cannot be passed on")
        }
    }

    /// A guard that is not known is refused: an agent that runs without it is worse than none.
    private static func guards(_ params: Params) throws(RegistryFault) -> [(name: String, value: String)] {
        guard let value = params.object["guards"], !value.isNull else { return [] }
        guard let object = value.object else { throw .invalid("guards", expected: "an object") }
        var guards: [(name: String, value: String)] = []
        for member in object.members {
            guard guardNames.contains(member.key) else {
                throw .invalid("guards", expected: "an object with \(guardNames.joined(separator: ", "))")
            }
            guard let text = try plain(member.key, Params(object: object)) else { continue }
            guards.append((member.key, text))
        }
        return guards
    }

    /// The names in a relative path; none for an empty one.
    private static func folderNames(_ text: String) throws(RegistryFault) -> [Substring] {
        guard !text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw .invalid("new_folder", expected: "a relative path")
        }
        let names = Roots.components(text)
        guard !names.contains(".."), !names.contains(".") else {
            throw .invalid("new_folder", expected: "a path without '.' and '..'")
        }
        return names
    }

    /// A text that becomes one argument: not empty, no control characters.
    private static func plain(_ key: String, _ params: Params) throws(RegistryFault) -> String? {
        guard let text = try params.optionalText(key), !text.isEmpty else { return nil }
        guard text == text.withoutControlCharacters else {
            throw .invalid(key, expected: "a text without control characters")
        }
        return text
    }
}

/// The answer to `spawn_agent`.
struct SpawnedAgent: Sendable {
    /// The agent's folder.
    var path: String
    /// Names the request; the agent registers with it.
    var spawnID: String?
    /// The bridge's process.
    var pid: Int?
    /// The agent.
    var id: String
    /// The guards it runs with, of those that were asked for.
    var guards: [String] = []
    /// Whether it was there already, by its key.
    var isExisting = false

    /// The result as it goes out; version 1 reads `status` and `path`.
    var json: JSON {
        var object: JSONObject = ["status": "spawning", "path": .string(path)]
        object["spawn_id"] = spawnID.map(JSON.string)
        object["pid"] = pid.map { JSON.int($0) }
        object["id"] = .string(id)
        if !guards.isEmpty { object["guards"] = .array(guards.map(JSON.string)) }
        if isExisting { object["existing"] = true }
        return .object(object)
    }

    /// The same agent for somebody whose key found it.
    var existing: SpawnedAgent {
        var agent = self
        agent.isExisting = true
        agent.guards = []
        return agent
    }
}

extension String {
    /// Without white space around it.
    fileprivate var trimmingBlanks: String {
        let rest = drop { $0.isWhitespace }
        return rest.lastIndex { !$0.isWhitespace }.map { String(rest[...$0]) } ?? ""
    }
}
