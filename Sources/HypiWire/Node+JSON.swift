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
        try self.init(object)
    }

    /// Reads a node from its fields; an optional field of another type, or beyond its range, is left out.
    ///
    /// An agent that reports one odd number, because its model's provider does, is listed all the same.
    ///
    /// - Throws: ``DecodingFault`` as ``init(json:)``.
    public init(_ object: JSONObject) throws(DecodingFault) {
        self.init(
            id: try Self.requiredText("id", object), machine: try Self.requiredText("machine", object),
            cwd: try Self.requiredText("cwd", object), port: try Self.requiredPort(object))
        if let status = object["status"]?.string { self.status = Status(rawValue: status) ?? .active }
        for member in object.members { _ = take(member.key, member.value) }
    }

    /// Takes over the fields of an `update`; what an agent may not change (`id`, `machine`, `port`) is left alone.
    ///
    /// `null` forgets a field.
    ///
    /// - Throws: ``DecodingFault`` for the first field of a wrong type; fields before it have been taken over.
    public mutating func apply(_ changes: JSONObject) throws(DecodingFault) {
        for member in changes.members {
            if let expected = take(member.key, member.value) { throw .invalid(member.key, expected: expected) }
        }
    }

    /// Takes over one field.
    ///
    /// - Returns: What would have been right; `nil` if the field was taken over.
    private mutating func take(_ key: String, _ json: JSON) -> String? {
        // Spelled out, because a bare `nil` would be the JSON literal.
        let value: JSON? = json.isNull ? Optional.none : json
        guard let field = Self.fields[key] else {
            extra[key] = value
            return nil
        }
        return field.set(&self, value) ? nil : field.expected
    }

    /// The node as an object, fields in the order of specs/protocol.md, absent ones left out.
    public var json: JSON {
        var object = JSONObject()
        // All names differ, so none has to be looked for among the others.
        forEachField { key, value in object.appendUnchecked(key.description, value) }
        forEachExtra { key, value in object.appendUnchecked(key, value) }
        return .object(object)
    }

    /// Appends the node as compact JSON, as ``json`` has it, without building that: rosters are long.
    public func append(to bytes: inout [UInt8]) {
        var separator = UInt8(ascii: "{")
        forEachField { key, value in
            bytes.append(separator)
            separator = UInt8(ascii: ",")
            JSONString.append(key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            value.append(to: &bytes)
        }
        forEachExtra { key, value in
            bytes.append(UInt8(ascii: ","))
            JSONString.append(key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            value.append(to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Appends nodes as a JSON array, as `list_nodes` answers with it.
    public static func append(_ nodes: some Sequence<Node>, to bytes: inout [UInt8]) {
        // Of many: growing would copy them all again and again.
        let count = nodes.underestimatedCount
        if count > 16 { bytes.reserveCapacity(bytes.count + count * 480) }
        bytes.append(UInt8(ascii: "["))
        var isFirst = true
        for node in nodes {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            node.append(to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
    }

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
    /// How one field is read from JSON.
    private struct Field: Sendable {
        var expected: String
        /// Answers false if the value has the wrong type.
        var set: @Sendable (inout Node, JSON?) -> Bool
    }

    private static let fields: [String: Field] = [
        "id": identity, "machine": identity, "cwd": identity, "port": identity, "status": identity,
        "instance": identity,
        "pid": integer { $0.pid = $1 }, "last_seen": integer { $0.lastSeen = $1 },
        "offline_since": integer { $0.offlineSince = $1 }, "name": text { $0.name = $1 },
        "session_id": text { $0.sessionID = $1 }, "session_file": text { $0.sessionFile = $1 },
        "activity": text { $0.activity = $1.map(Activity.init(rawValue:)) },
        "activity_since": text { $0.activitySince = $1 }, "model": text { $0.model = $1 },
        "thinking": text { $0.thinking = $1 }, "cost": number { $0.cost = $1 }, "tokens": integer { $0.tokens = $1 },
        "context_percent": number { $0.contextPercent = $1 }, "queued": integer { $0.queued = $1 },
        "clients": integer { $0.clients = $1 }, "started_at": text { $0.startedAt = $1 },
        "address": text { $0.address = $1 }, "tunnel": flag { $0.tunnel = $1 }, "tls_pin": text { $0.tlsPin = $1 },
        "spawn_id": text { $0.spawnID = $1 }, "key": text { $0.key = $1 }, "version": text { $0.version = $1 },
    ]

    /// What is said once and no change takes over.
    private static let identity = Field(expected: "as it was", set: { _, _ in true })

    private static func text(_ set: @escaping @Sendable (inout Node, String?) -> Void) -> Field {
        field("a string", read: \.string, set)
    }

    private static func integer(_ set: @escaping @Sendable (inout Node, Int?) -> Void) -> Field {
        field("a whole number", read: { $0.int ?? $0.double.flatMap { Int(exactly: $0.rounded(.down)) } }, set)
    }

    private static func number(_ set: @escaping @Sendable (inout Node, Double?) -> Void) -> Field {
        field("a number", read: \.double, set)
    }

    private static func flag(_ set: @escaping @Sendable (inout Node, Bool?) -> Void) -> Field {
        field("true or false", read: \.bool, set)
    }

    private static func field<Value>(
        _ expected: String, read: @escaping @Sendable (JSON) -> Value?,
        _ set: @escaping @Sendable (inout Node, Value?) -> Void
    ) -> Field {
        Field(
            expected: expected,
            set: { node, json in
                let value = json.flatMap(read)
                guard json == nil || value != nil else { return false }
                set(&node, value)
                return true
            })
    }
}

extension Node {
    /// Every field that the node has, in order.
    ///
    /// Spelled out rather than read through key paths, which took two thirds of the time of a list.
    private func forEachField(_ body: (StaticString, JSON) -> Void) {
        body("id", .string(id))
        body("machine", .string(machine))
        body("cwd", .string(cwd))
        body("port", .int(port))
        body("status", .string(status.rawValue))
        if let pid { body("pid", .int(pid)) }
        if let lastSeen { body("last_seen", .int(lastSeen)) }
        if let offlineSince { body("offline_since", .int(offlineSince)) }
        if let name { body("name", .string(name)) }
        if let sessionID { body("session_id", .string(sessionID)) }
        if let sessionFile { body("session_file", .string(sessionFile)) }
        if let activity { body("activity", .string(activity.rawValue)) }
        if let activitySince { body("activity_since", .string(activitySince)) }
        if let model { body("model", .string(model)) }
        if let thinking { body("thinking", .string(thinking)) }
        if let cost { body("cost", .double(cost)) }
        if let tokens { body("tokens", .int(tokens)) }
        if let contextPercent { body("context_percent", .double(contextPercent)) }
        if let queued { body("queued", .int(queued)) }
        if let clients { body("clients", .int(clients)) }
        if let startedAt { body("started_at", .string(startedAt)) }
        if let address { body("address", .string(address)) }
        if let tunnel { body("tunnel", .bool(tunnel)) }
        if let tlsPin { body("tls_pin", .string(tlsPin)) }
        if let spawnID { body("spawn_id", .string(spawnID)) }
        if let key { body("key", .string(key)) }
        if let version { body("version", .string(version)) }
    }

    private func forEachExtra(_ body: (String, JSON) -> Void) {
        // One of our names means our field, whether we know its value or not.
        for member in extra.members
        where Self.fields[member.key] == nil {
            body(member.key, member.value)
        }
    }
}
