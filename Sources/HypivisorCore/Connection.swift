import HypiNet
import HypiWire
import Logging
import NIOCore

/// One connection at `/ws`: reads requests, runs them side by side, answers each when it is done.
///
/// It lives on its connection's loop and holds no roster state. At most ``Limits/concurrentRequests`` are under way;
/// beyond it a request is refused with `busy`. The outbox is bounded by the socket: a peer that does not read is closed
/// with 1013.
final class Connection: WebSocketEndpoint {
    private let services: Method.Services
    private let since: String?
    private let isAgent: Bool
    /// How often the roster is told of signs of life.
    private let reportInterval: TimeAmount
    private var socket: WebSocket?
    private var caller: Method.Caller?
    private var underWayCount = 0
    private var reported = NIODeadline.distantPast
    /// The roster wants to hear of the next sign of life, because somebody else claims an id of this connection.
    private var isProbed = false

    /// A connection that is about to open.
    ///
    /// - Parameters:
    ///   - request: What the peer asked for: `since` and `role` in its query.
    ///   - services: What methods work on.
    ///   - ttl: The lease whose signs of life are reported, three times in it.
    init(_ request: HandshakeRequest, services: Method.Services, ttl: TimeAmount) {
        self.services = services
        since = request.parameter("since")
        isAgent = request.parameter("role") == "agent"
        reportInterval = .nanoseconds(ttl.nanoseconds / 3)
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        let here = NIOLoopBound(self, eventLoop: socket.eventLoop)
        let subscriber = Subscriber(id: ConnectionID(), socket: socket) { here.value.isProbed = true }
        caller = Method.Caller(subscriber: subscriber, isAgent: isAgent, owner: socket.peerOwner)
        let (since, isAgent) = (since, isAgent)
        services.roster.post { $0.connect(subscriber, since: since, isAgent: isAgent) }
    }

    func heard() {
        let now = NIODeadline.now()
        guard let caller, isProbed || now - reported >= reportInterval else { return }
        (reported, isProbed) = (now, false)
        services.roster.post { $0.heard(caller.subscriber.id) }
    }

    func received(_ message: Message) {
        let json: JSON
        do {
            json = try JSON(parsing: message.payload)
        } catch {
            return answer(nil, RegistryFault(.parseError, "not JSON: \(error)"))
        }
        do throws(RegistryFault) {
            try start(json)
        } catch {
            answer(json["id"], error)
        }
    }

    func closed(_ closure: Closure) {
        guard let caller else { return }
        socket = nil
        self.caller = nil
        isProbed = false
        services.roster.post { $0.disconnect(caller.subscriber) }
    }

    private func start(_ json: JSON) throws(RegistryFault) {
        guard let caller else { return }
        let request = try RegistryRequest(json: json)
        guard underWayCount < Limits.concurrentRequests else {
            throw RegistryFault(.busy, "too many requests under way on this connection")
        }
        guard let method = Method(rawValue: request.method) else {
            throw RegistryFault(.methodNotFound, "Method not found: \(request.method)")
        }
        let future = try method.perform(Params(object: request.params), for: caller, with: services)
        underWayCount += 1
        future.hop(to: caller.eventLoop).assumeIsolated().whenComplete { result in
            self.underWayCount -= 1
            switch result {
            case .success(let text):
                self.socket?.send(text: ByteBuffer(bytes: RegistryResponse.bytes(id: request.id, result: text)))
            case .failure(let error): self.answer(request.id, self.fault(error, in: request.method))
            }
        }
    }

    /// Services fail with refusals; anything else is a defect of ours, and is said to be.
    private func fault(_ error: any Error, in method: String) -> RegistryFault {
        if let fault = error as? RegistryFault { return fault }
        services.logger.error("unexpected error", metadata: ["method": "\(method)", "error": "\(error)"])
        return RegistryFault(.systemError, "unexpected error in \(method)")
    }

    private func answer(_ id: JSON?, _ fault: RegistryFault) {
        socket?.send(json: RegistryResponse(id: id, outcome: .failure(fault)).json)
    }
}
