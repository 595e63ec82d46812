import HypiNet
import HypiWire

/// An endpoint for a connection that cannot be served: it is told why and closed.
final class ClosedEndpoint: WebSocketEndpoint {
    private let code: CloseCode
    private let reason: String

    init(_ code: CloseCode, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    func opened(_ socket: WebSocket) {
        socket.close(code, reason: reason)
    }

    func received(_ message: Message) {}

    func closed(_ closure: Closure) {}
}
