import HypiNet
import HypiWire
import NIOCore

/// The agent's end of a relay: sends numbered frames for as long as anything takes them, then the last one.
final class Flood: WebSocketEndpoint {
    private let frameBytes: Int
    private let gauge: Gauge
    private var socket: WebSocket?
    private var sentCount = 0
    private var isBlocked = false
    private var isLast = false

    init(frameBytes: Int, gauge: Gauge) {
        self.frameBytes = frameBytes
        self.gauge = gauge
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        let bound = NIOLoopBound(self, eventLoop: socket.eventLoop)
        gauge.add { bound.eventLoop.execute { bound.value.end() } }
        // The relay is joined once we have said that it is open.
        socket.eventLoop.execute { bound.value.fill() }
    }

    func received(_ message: Message) {}

    func writabilityChanged() {
        fill()
    }

    func closed(_ closure: Closure) {
        socket = nil
        if !isLast { gauge.fail("an agent's end was closed: \(closure.code.rawValue) \(closure.reason)") }
    }

    private func fill() {
        guard let socket, !isLast else { return }
        while socket.isWritable {
            // Counted first: sending may find the socket full, and writable again, before it returns.
            sentCount += 1
            socket.send(message: Self.frame(sentCount - 1, frameBytes), opcode: .binary)
        }
        if !isBlocked {
            isBlocked = true
            gauge.block()
        }
    }

    /// No more numbers; the last frame says how many there were.
    private func end() {
        isLast = true
        socket?.send(text: ByteBuffer(string: "\(sentCount)"))
    }

    private static func frame(_ number: Int, _ byteCount: Int) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(number)
        frame.writeRepeatingByte(0x78, count: max(0, byteCount - MemoryLayout<Int>.size))
        return frame
    }
}
