/// What the registry tells its subscribers and agents without being asked (specs/protocol.md, section 1).
public enum RegistryEvent: Sendable, Equatable {
    /// First on every connection: the roster, or nothing where `resumed` says that the missed events follow.
    case initial(nodes: [Node], resumed: Bool)
    /// An agent registered, for the first time or again.
    case nodeJoined(Node)
    /// An agent said what changed about it.
    case nodeUpdated(Node)
    /// An agent's connection ended.
    case nodeOffline(id: String)
    /// An entry is gone.
    case nodeRemoved(id: String)
    /// To an agent: dial `/ws/tunnel/<id>` and serve a viewer there, who has offered this subprotocol.
    case openTunnel(id: String, subprotocol: String?)
    /// To an agent: a person asked it to stop.
    case stopAgent(force: Bool)

    /// The event and its cursor from a frame; `nil` for an object that is no event, or one this version does not know.
    public static func read(_ json: JSON) -> (event: RegistryEvent, cursor: String?)? {
        guard let object = json.object, let name = object["event"]?.string, let event = event(name, object) else {
            return nil
        }
        return (event, object["cursor"]?.string)
    }

    private static func event(_ name: String, _ object: JSONObject) -> RegistryEvent? {
        let node = object["node"].flatMap { try? Node(json: $0) }
        let id = object["id"]?.string
        switch name {
        case "init":
            let nodes = (object["nodes"]?.array ?? []).compactMap { try? Node(json: $0) }
            return .initial(nodes: nodes, resumed: object["resumed"]?.bool ?? false)
        case "node_joined": return node.map(RegistryEvent.nodeJoined)
        case "node_updated": return node.map(RegistryEvent.nodeUpdated)
        case "node_offline": return id.map(RegistryEvent.nodeOffline)
        case "node_removed": return id.map(RegistryEvent.nodeRemoved)
        case "open_tunnel":
            return object["tunnel"]?.string.map { .openTunnel(id: $0, subprotocol: object["subprotocol"]?.string) }
        case "stop_agent": return .stopAgent(force: object["force"]?.bool ?? false)
        default: return nil
        }
    }

    /// The event as it goes out, with the cursor behind it where roster events carry one.
    public func json(cursor: String?) -> JSON {
        var object: JSONObject
        switch self {
        case .initial(let nodes, let resumed):
            object = [
                "event": "init", "nodes": .array(nodes.map(\.json)),
                "protocol_version": .string(Version.registryProtocol),
            ]
            if resumed { object["resumed"] = true }
        case .nodeJoined(let node): object = ["event": "node_joined", "node": node.json]
        case .nodeUpdated(let node): object = ["event": "node_updated", "node": node.json]
        case .nodeOffline(let id): object = ["event": "node_offline", "id": .string(id)]
        case .nodeRemoved(let id): object = ["event": "node_removed", "id": .string(id)]
        case .openTunnel(let id, let subprotocol):
            object = ["event": "open_tunnel", "tunnel": .string(id)]
            object["subprotocol"] = subprotocol.map(JSON.string)
        case .stopAgent(let force): object = ["event": "stop_agent", "force": .bool(force)]
        }
        object["cursor"] = cursor.map(JSON.string)
        return .object(object)
    }

    /// The event as JSON text, as ``json(cursor:)`` has it, without building that for the nodes in it.
    public func bytes(cursor: String?) -> [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .initial(let nodes, let resumed): return Self.initialBytes(nodes, resumed: resumed, cursor: cursor)
        case .nodeJoined(let node):
            bytes.append(contentsOf: #"{"event":"node_joined","node":"#.utf8)
            node.append(to: &bytes)
        case .nodeUpdated(let node):
            bytes.append(contentsOf: #"{"event":"node_updated","node":"#.utf8)
            node.append(to: &bytes)
        case .nodeOffline, .nodeRemoved, .openTunnel, .stopAgent: return json(cursor: cursor).bytes
        }
        Self.end(&bytes, cursor)
        return bytes
    }

    /// The text of an ``initial(nodes:resumed:)`` of nodes that need not stand in an array.
    public static func initialBytes(_ nodes: some Sequence<Node>, resumed: Bool, cursor: String?) -> [UInt8] {
        var bytes = Array(#"{"event":"init","nodes":"#.utf8)
        Node.append(nodes, to: &bytes)
        bytes.append(contentsOf: #","protocol_version":"#.utf8)
        JSONString.append(Version.registryProtocol, to: &bytes)
        if resumed { bytes.append(contentsOf: #","resumed":true"#.utf8) }
        end(&bytes, cursor)
        return bytes
    }

    private static func end(_ bytes: inout [UInt8], _ cursor: String?) {
        if let cursor {
            bytes.append(contentsOf: #","cursor":"#.utf8)
            JSONString.append(cursor, to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}
