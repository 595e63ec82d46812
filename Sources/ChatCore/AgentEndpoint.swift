public import HypiNet
public import HypiWire

/// Where an agent is reached, and what is known of it beforehand.
public struct AgentEndpoint: Sendable {
    /// `/ws/agent/<id>` of a hypivisor, or a pi-socket itself.
    public var url: WebSocketURL
    /// The token and the rules it travels by.
    public var options: WebSocketClient.Options
    /// What people call the agent: its id, or the URL it was asked for by.
    public var name: String
    /// The registry's entry; `nil` for an agent that was reached directly.
    public var node: Node?

    /// The subprotocol that makes a pi-socket speak the session dialect from its first frame.
    static let subprotocol = "pi-server.v1"

    /// An agent behind the relay of a hypivisor.
    ///
    /// - Parameters:
    ///   - node: The registry's entry.
    ///   - registry: The registry's endpoint, `/ws`.
    ///   - options: How that registry is reached; the relay takes the same token.
    public init(node: Node, registry: WebSocketURL, options: WebSocketClient.Options) {
        url = registry.with(path: "/ws/agent/" + PercentCoding.encode(node.id))
        self.options = options
        self.options.subprotocols = [Self.subprotocol]
        // Within a machine bytes cost less than compressing them.
        self.options.socket.compresses = !url.isLoopback
        name = node.id
        self.node = node
    }

    /// A pi-socket, reached without a hypivisor.
    public init(direct url: WebSocketURL, options: WebSocketClient.Options) {
        self.url = url
        self.options = options
        self.options.subprotocols = [Self.subprotocol]
        // Within a machine bytes cost less than compressing them.
        self.options.socket.compresses = !url.isLoopback
        name = "\(url)"
        node = nil
    }

    /// The file in which a chat with this agent keeps typed lines.
    public func historyFile(in folder: String) -> String {
        InputHistory.path(in: folder, name: name, node: node)
    }
}
