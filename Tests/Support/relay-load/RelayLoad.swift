import HypiNet
import HypiTestSupport
import HypiTool
import HypiWire
import NIOCore
import NIOPosix

/// One agent, many viewers, and what is between them.
struct RelayLoad: Sendable {
    private static let agentID = "flood"
    private let url: WebSocketURL
    private let token: Token?
    private let count: Int
    private let frameBytes: Int
    private let usesTunnel: Bool
    private let pid: Int32?
    private let patience: Duration
    private let gauge: Gauge
    private let group = MultiThreadedEventLoopGroup.singleton

    init(
        url: WebSocketURL, token: Token?, count: Int, frameBytes: Int, usesTunnel: Bool, pid: Int32?, patience: Duration
    ) {
        self.url = url
        self.token = token
        self.count = count
        self.frameBytes = frameBytes
        self.usesTunnel = usesTunnel
        self.pid = pid
        self.patience = patience
        gauge = Gauge(count: count)
    }

    func run() async throws -> ExitStatus {
        let server = try await WebSocketServer.start(
            .init(host: "127.0.0.1", port: 0, policy: HandshakePolicy(token: token, machine: "load")), on: group
        ) { _ in
            .webSocket(options: .init(outboxLimit: nil, heartbeat: nil)) { _, _ in
                Flood(frameBytes: frameBytes, gauge: gauge)
            }
        }
        try await RegistryClient.with(
            url.with(path: url.path, query: "role=agent"), options: .init(token: token), keepsEvents: true, on: group
        ) { agent in
            var node: JSONObject = [
                "id": .string(Self.agentID), "machine": "load", "cwd": "/load", "port": .int(server.port),
                "instance": "load",
            ]
            if usesTunnel { node["tunnel"] = true }
            _ = try await agent.request("register", node)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { await serveTunnels(agent) }
                try await measure()
                tasks.cancelAll()
            }
        }
        return .success
    }

    private func measure() async throws {
        let idle = ResidentMemory.bytes(of: pid)
        try report("idle", ["relays": .int(count), "frame": .int(frameBytes), "rss": .int(idle)])
        let limit = TimeLimit("relay-load", patience, waitingFor: "every relay to be full")
        for _ in 0..<count {
            try await connect(to: url.with(path: "/ws/agent/" + Self.agentID)) {
                Reader(frameBytes: frameBytes, gauge: gauge)
            }.get()
        }
        try await gauge.allBlocked()
        limit.stop()
        let stalled = ResidentMemory.bytes(of: pid)
        try report(
            "stalled",
            ["rss": .int(stalled), "bytes_per_relay": .int((stalled - idle) / count), "peak": .int(peak)])
        let reading = TimeLimit("relay-load", patience, waitingFor: "every viewer to have read everything")
        defer { reading.stop() }
        try await gauge.readAll()
        let read = ResidentMemory.bytes(of: pid)
        try report("read", ["rss": .int(read), "bytes_per_relay": .int((peak - idle) / count), "peak": .int(peak)])
    }

    private var peak: Int { ResidentMemory.peak(of: pid) }

    private func serveTunnels(_ agent: RegistryClient) async {
        for await event in agent.events {
            guard case .openTunnel(let id, _) = event.event else { continue }
            connect(to: url.with(path: "/ws/tunnel/" + PercentCoding.encode(id))) {
                Flood(frameBytes: frameBytes, gauge: gauge)
            }.whenFailure { gauge.fail("a tunnel cannot be opened: \($0)") }
        }
    }

    private func connect(
        to url: WebSocketURL, _ endpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) -> EventLoopFuture<Void> {
        let options = WebSocketClient.Options(token: token, socket: .init(outboxLimit: nil, heartbeat: nil))
        return WebSocketClient.connect(to: url, options: options, on: group.next(), makeEndpoint: endpoint)
    }

    private func report(_ phase: String, _ fields: JSONObject) throws {
        var record: JSONObject = ["phase": .string(phase)]
        for field in fields.members { record[field.key] = field.value }
        try StandardOutput.write(record: .object(record))
    }
}
