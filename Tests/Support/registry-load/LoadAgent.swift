import HypiNet
import HypiWire
import NIOCore
import Synchronization

/// The registry under load.
struct Site: Sendable {
    let url: WebSocketURL
    let options: WebSocketClient.Options
    let group: any EventLoopGroup

    func connect(query: String? = nil, keepsEvents: Bool = false) async throws -> RegistryClient {
        try await RegistryClient.connect(
            to: url.with(path: url.path, query: query), options: options, keepsEvents: keepsEvents, on: group)
    }
}

/// An agent as the registry sees it: a connection that has registered.
final class LoadAgent: Sendable {
    let id: String
    private let port: Int
    private let client = Mutex<RegistryClient?>(nil)
    private let isLeaving = Atomic(false)

    init(id: String, port: Int) {
        self.id = id
        self.port = port
    }

    func start(_ client: RegistryClient) {
        self.client.withLock { $0 = client }
    }

    /// Reads the connection until the agent leaves; an end before that is a failure of the whole measurement.
    func run() async throws {
        guard let client = client.withLock({ $0 }) else { return }
        do {
            try await client.run()
        } catch  where isLeaving.load(ordering: .acquiring) {
            return
        }
    }

    func register() async throws {
        guard let client = client.withLock({ $0 }) else { return }
        _ = try await client.request(
            "register",
            [
                "id": .string(id), "machine": "load", "cwd": .string("/load/\(id)"), "port": .int(port),
                "instance": .string(id), "activity": "idle", "model": "demo/demo-large", "name": .string(id),
            ])
    }

    /// Tells what it does.
    func update(activity: Node.Activity) async throws {
        guard let client = client.withLock({ $0 }) else { return }
        _ = try await client.request("update", ["id": .string(id), "activity": .string(activity.rawValue)])
    }

    /// Deregisters, or just goes.
    func leave(politely: Bool) async throws {
        guard let client = client.withLock({ $0 }) else { return }
        if politely { _ = try await client.request("deregister", ["id": .string(id)]) }
        isLeaving.store(true, ordering: .releasing)
        await client.close()
    }

    /// The end of it all.
    func close() {
        isLeaving.store(true, ordering: .releasing)
        guard let client = client.withLock({ $0 }) else { return }
        Task { await client.close() }
    }
}
