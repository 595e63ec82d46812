extension Node {
    /// Why an object is not a node.
    public enum DecodingFault: Error, Sendable, Equatable, CustomStringConvertible {
        /// A required field is not there.
        case missing(String)
        /// A field has another type, or a value outside its range.
        case invalid(String, expected: String)

        /// What was wrong and what would be right, as part of a sentence.
        public var description: String {
            switch self {
            case .missing(let field): "missing field '\(field)'"
            case .invalid(let field, let expected): "field '\(field)' must be \(expected)"
            }
        }
    }

    /// Reads a node, as `register` sends it or a roster lists it.
    ///
    /// - Throws: ``DecodingFault`` for the first required field that is missing or of another type.
    public init(json: JSON) throws(DecodingFault) {
        guard let object = json.object else { throw .invalid("node", expected: "an object") }
        self.init(
            id: try Self.requiredText("id", object), machine: try Self.requiredText("machine", object),
            cwd: try Self.requiredText("cwd", object), port: try Self.requiredPort(object))
        if let status = object["status"]?.string { self.status = Status(rawValue: status) ?? .active }
        try apply(object)
    }

    /// Takes over the fields of an `update`; what an agent may not change (`id`, `machine`, `port`) is left alone.
    ///
    /// `null` forgets a field.
    ///
    /// - Throws: ``DecodingFault`` for the first field of a wrong type; fields before it have been taken over.
    public mutating func apply(_ changes: JSONObject) throws(DecodingFault) {
        for member in changes.members where !Self.identityFields.contains(member.key) {
            if let field = Self.fields[member.key] {
                // Spelled out, because a bare `nil` would be the JSON literal.
                let value: JSON? = member.value.isNull ? Optional.none : member.value
                guard field.set(&self, value) else { throw .invalid(member.key, expected: field.expected) }
            } else {
                extra[member.key] = member.value.isNull ? Optional.none : member.value
            }
        }
    }

    /// The node as an object, fields in the order of specs/protocol.md, absent ones left out.
    public var json: JSON {
        var object: JSONObject = [
            "id": .string(id), "machine": .string(machine), "cwd": .string(cwd), "port": .int(port),
            "status": .string(status.rawValue),
        ]
        for (key, field) in Self.orderedFields {
            // All names differ, so none has to be looked for among the others.
            if let value = field.get(self) { object.appendUnchecked(key, value) }
        }
        for member in extra.members where object[member.key] == nil {
            object[member.key] = member.value
        }
        return .object(object)
    }

    private static let identityFields: Set<String> = ["id", "machine", "cwd", "port", "status", "instance"]

    private static func requiredText(_ key: String, _ object: JSONObject) throws(DecodingFault) -> String {
        guard let value = object[key] else { throw .missing(key) }
        guard let text = value.string, !text.isEmpty else { throw .invalid(key, expected: "a non-empty string") }
        return text
    }

    private static func requiredPort(_ object: JSONObject) throws(DecodingFault) -> Int {
        guard let value = object["port"] else { throw .missing("port") }
        guard let port = value.int, 0...65535 ~= port else {
            throw .invalid("port", expected: "a number from 0 to 65535")
        }
        return port
    }
}

extension Node {
    /// How one optional field goes in and out of JSON.
    private struct Field: Sendable {
        var expected: String
        /// Answers false if the value has the wrong type.
        var set: @Sendable (inout Node, JSON?) -> Bool
        var get: @Sendable (Node) -> JSON?
    }

    private static let fields = Dictionary(uniqueKeysWithValues: orderedFields.map { ($0.0, $0.1) })

    private static let orderedFields: [(String, Field)] = [
        ("pid", integer(\.pid)), ("last_seen", integer(\.lastSeen)), ("offline_since", integer(\.offlineSince)),
        ("name", text(\.name)), ("session_id", text(\.sessionID)), ("session_file", text(\.sessionFile)),
        ("activity", activity), ("activity_since", text(\.activitySince)), ("model", text(\.model)),
        ("thinking", text(\.thinking)), ("cost", number(\.cost)), ("tokens", integer(\.tokens)),
        ("context_percent", number(\.contextPercent)), ("queued", integer(\.queued)), ("clients", integer(\.clients)),
        ("started_at", text(\.startedAt)), ("address", text(\.address)), ("tunnel", flag(\.tunnel)),
        ("tls_pin", text(\.tlsPin)),
        ("spawn_id", text(\.spawnID)), ("key", text(\.key)), ("version", text(\.version)),
    ]

    private static let activity = field(
        \.activity, "a string", read: { $0.string.map(Activity.init(rawValue:)) }, write: { .string($0.rawValue) })

    private static func text(_ path: any (WritableKeyPath<Node, String?> & Sendable)) -> Field {
        field(path, "a string", read: \.string, write: JSON.string)
    }

    private static func integer(_ path: any (WritableKeyPath<Node, Int?> & Sendable)) -> Field {
        field(path, "a whole number", read: { $0.double.flatMap { Int(exactly: $0.rounded(.down)) } }, write: JSON.int)
    }

    private static func number(_ path: any (WritableKeyPath<Node, Double?> & Sendable)) -> Field {
        field(path, "a number", read: \.double, write: JSON.double)
    }

    private static func flag(_ path: any (WritableKeyPath<Node, Bool?> & Sendable)) -> Field {
        field(path, "true or false", read: \.bool, write: JSON.bool)
    }

    private static func field<Value>(
        _ path: any (WritableKeyPath<Node, Value?> & Sendable), _ expected: String,
        read: @escaping @Sendable (JSON) -> Value?, write: @escaping @Sendable (Value) -> JSON
    ) -> Field {
        Field(
            expected: expected,
            set: { node, json in
                let value = json.flatMap(read)
                guard json == nil || value != nil else { return false }
                node[keyPath: path] = value
                return true
            },
            get: { $0[keyPath: path].map(write) })
    }
}
