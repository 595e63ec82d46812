import HypiNet
import HypiWire
import NIOCore

/// Sends every message back as it came; a peer that does not read is not read, so that its outbox needs no limit.
final class Echo: WebSocketEndpoint {
    private var socket: WebSocket?
    private let ended: EventLoopPromise<Closure>?

    init(ended: EventLoopPromise<Closure>? = nil) {
        self.ended = ended
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
    }

    func received(_ message: Message) {
        socket?.send(message: message.payload, opcode: message.isText ? .text : .binary)
        if let socket, socket.isOpen, !socket.isWritable { socket.pauseReading() }
    }

    func writabilityChanged() {
        if let socket, socket.isWritable { socket.resumeReading() }
    }

    func closed(_ closure: Closure) {
        socket = nil
        ended?.succeed(closure)
    }
}
