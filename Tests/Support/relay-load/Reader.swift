import HypiNet
import HypiWire
import NIOCore

/// A viewer that reads nothing until it is told to, and then everything, each frame in its turn.
final class Reader: WebSocketEndpoint {
    private let frameBytes: Int
    private let gauge: Gauge
    private var nextNumber = 0

    init(frameBytes: Int, gauge: Gauge) {
        self.frameBytes = frameBytes
        self.gauge = gauge
    }

    func opened(_ socket: WebSocket) {
        socket.pauseReading()
        let bound = NIOLoopBound(socket, eventLoop: socket.eventLoop)
        gauge.onRead { bound.eventLoop.execute { bound.value.resumeReading() } }
    }

    func received(_ message: Message) {
        var payload = message.payload
        if message.isText {
            guard String(buffer: payload) == "\(nextNumber)" else {
                return gauge.fail("\(nextNumber) frames came, \(String(buffer: payload)) were sent")
            }
            return gauge.finish()
        }
        let isWhole = payload.readableBytes == frameBytes
        guard isWhole, payload.readInteger(as: Int.self) == nextNumber else {
            return gauge.fail("frame \(nextNumber) is not what came")
        }
        nextNumber += 1
    }

    func closed(_ closure: Closure) {
        gauge.fail("a viewer was closed: \(closure.code.rawValue) \(closure.reason)")
    }
}
