import DequeModule
import HypiNet
import HypiWire
import NIOCore

/// The newest roster events as finished frames, so that a client that was away hears what it missed.
///
/// A pure value. Each event is encoded once, here, for all subscribers. Bounded by ``Limits/registryEvents`` and
/// ``Limits/registryEventBytes``; the oldest go first, and a cursor older than them is unknown.
struct EventLog: Sendable {
    /// An event, ready to be sent.
    struct Entry: Sendable {
        /// The event as JSON text.
        var text: [UInt8]
        /// The same as an unmasked frame.
        var frame: ByteBuffer
    }

    private let boot: String
    private let countLimit: Int
    private let byteLimit: Int
    private var frames: Deque<ByteBuffer> = []
    private var byteCount = 0
    private var number = 0

    /// An empty log.
    ///
    /// - Parameters:
    ///   - boot: Names this run of the registry: a cursor of another run is unknown.
    ///   - countLimit: Events that are kept.
    ///   - byteLimit: Bytes of frames that are kept.
    init(boot: String, countLimit: Int = Limits.registryEvents, byteLimit: Int = Limits.registryEventBytes) {
        self.boot = boot
        self.countLimit = countLimit
        self.byteLimit = byteLimit
    }

    /// The cursor of the newest event.
    var cursor: String { "\(boot).\(number)" }

    /// Numbers and encodes an event, and keeps it.
    mutating func append(_ event: RegistryEvent) -> Entry {
        number += 1
        let text = event.bytes(cursor: cursor)
        var frame = ByteBuffer()
        frame.reserveCapacity(text.count + 10)
        FrameEncoder.writeMessage(ByteBuffer(bytes: text), opcode: .text, to: &frame)
        frames.append(frame)
        byteCount += frame.readableBytes
        while frames.count > countLimit || byteCount > byteLimit, let oldest = frames.popFirst() {
            byteCount -= oldest.readableBytes
        }
        return Entry(text: text, frame: frame)
    }

    /// The frames of the events after a cursor, in order; `nil` if it is of another run, or too old, or no cursor.
    func frames(since cursor: String) -> [ByteBuffer]? {
        guard let dot = cursor.lastIndex(of: "."), cursor[..<dot] == boot,
            let seen = Int(cursor[cursor.index(after: dot)...]), seen >= 0, seen <= number
        else { return nil }
        let missed = number - seen
        guard missed <= frames.count else { return nil }
        return Array(frames.suffix(missed))
    }
}
