import DequeModule
import HypiNet
import HypiWire
import NIOCore
import PiAdapter

/// Where a viewer's frames go: a socket, or this process's own standard output.
protocol ViewerOutput: AnyObject {
    /// Whether anything can still be written.
    var isOpen: Bool { get }
    /// Whether more can be written right now.
    var isWritable: Bool { get }
    /// The logarithm of the window with which messages may be compressed; `nil`: they may not.
    var deflateWindowBits: Int? { get }
    /// Writes finished frames.
    func write(frames: ByteBuffer)
    /// Ends it; the other side has some time to learn why.
    func close(_ code: CloseCode, reason: String, deadline: TimeAmount)
}

extension ViewerOutput {
    /// A program at the other end of a pipe has no use for it.
    var deflateWindowBits: Int? { nil }
}

extension WebSocket: ViewerOutput {}

/// One connection that watches the agent, in either dialect: a cursor into the broadcast, and what is for it alone.
///
/// It writes only while its socket takes bytes, so a viewer that does not read costs nothing but its place; one whose
/// place the log has forgotten is closed with 1013 and may come back.
final class Viewer: WebSocketEndpoint {
    /// What a viewer may do.
    enum Role {
        case controller, observer
    }

    /// How a connection begins.
    enum Entry {
        /// In the viewport dialect, which it may leave with a `hello`.
        case viewport
        /// It offered the subprotocol of the session dialect, so that it gets nothing before its `hello`.
        case session
        /// It speaks pi's own protocol.
        case lines
    }

    /// What the viewer waits for or gets.
    enum Dialect {
        /// It offered the session dialect and has not said hello.
        case silent
        /// It waits for pi's messages to join the stream.
        case joining(Shape)
        /// It gets the stream.
        case following(Shape)
    }

    /// A frame for this viewer alone, and the place in the stream it belongs to.
    private struct Direct {
        var position: UInt64
        var bytes: ByteBuffer
    }

    let id: ViewerID
    private let hub: SessionHub
    private let entry: Entry
    private var output: (any ViewerOutput)?
    private var farewell: (code: CloseCode, reason: String)?
    private var cursor: UInt64 = 0
    private var directs: Deque<Direct> = []
    private var directByteCount = 0
    /// The compressed stream it shares with others, and whether it has all that the next frame of that refers to.
    private var deflated: (log: DeflatedLog, isJoined: Bool)?
    private var isPumping = false
    var dialect = Dialect.silent
    var role = Role.controller
    /// Whether it wants to hear when viewers come and go.
    var hearsOfViewers = false
    /// The name it gave itself in its `hello`; scopes the `clientMessageId`s.
    var clientID = ""
    /// The newest part of the conversation this viewer wants, in bytes.
    var historyByteLimit = Limits.initStateBytes
    /// Files that go with the next prompt.
    var attachments: [Attachment] = []

    /// A viewer of the hub's session.
    ///
    /// - Parameters:
    ///   - id: Its name in the hub.
    ///   - hub: The session.
    ///   - entry: How it begins.
    init(id: ViewerID, hub: SessionHub, entry: Entry) {
        self.id = id
        self.hub = hub
        self.entry = entry
    }

    /// The shape of records it gets or will get; `nil` before it has said so.
    var shape: Shape? {
        switch dialect {
        case .silent: nil
        case .joining(let shape), .following(let shape): shape
        }
    }

    /// Whether it speaks the session dialect.
    var isSession: Bool {
        shape == .sessionFull || shape == .sessionDelta
    }

    // MARK: WebSocketEndpoint

    func opened(_ socket: WebSocket) {
        begin(socket)
    }

    /// Takes its place in the hub.
    func begin(_ output: any ViewerOutput) {
        self.output = output
        hub.arrived(self)
        switch entry {
        case .viewport:
            dialect = .joining(.viewport)
            hub.join(self)
        case .session: break
        case .lines: hub.followLines(self)
        }
    }

    func received(_ message: Message) {
        ViewerFrames.receive(message, from: self, hub)
    }

    func writabilityChanged() {
        pump()
        hub.lastDeflated = nil
    }

    func closed(_ closure: Closure) {
        ended()
    }

    /// Leaves the hub.
    func ended() {
        output = nil
        directs = []
        deflated = nil
        hub.left(self)
    }

    // MARK: Writing

    /// Starts to follow the stream from a frame on.
    func follow(_ shape: Shape, from cursor: UInt64) {
        dialect = .following(shape)
        self.cursor = cursor
        let log = output?.deflateWindowBits.flatMap { hub.deflatedLog(shape, windowBits: $0) }
        deflated = log.map { ($0, false) }
        pump()
    }

    /// Sends a frame to this viewer alone, behind what it was sent before and what the stream holds by now.
    func send(_ frame: JSONObject) {
        send(raw: JSON.object(frame).buffer)
    }

    /// Sends finished JSON to this viewer alone.
    func send(raw payload: ByteBuffer) {
        guard output?.isOpen == true else { return }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(payload.readableBytes + 10)
        if case .lines = entry {
            bytes.writeImmutableBuffer(payload)
            bytes.writeString("\n")
        } else {
            FrameEncoder.writeMessage(payload, opcode: .text, to: &bytes)
        }
        // One long frame is always taken: a snapshot may be longer than the bound for what piles up.
        guard directs.isEmpty || directByteCount + bytes.readableBytes <= Limits.outboxBytes else {
            return closeForSlowness()
        }
        directByteCount += bytes.readableBytes
        directs.append(Direct(position: streamPosition, bytes: bytes))
        pump()
    }

    private var streamPosition: UInt64 {
        guard case .following(let shape) = dialect else { return 0 }
        return hub.nextPosition(shape)
    }

    /// Writes what is due while the socket takes it.
    func pump() {
        guard !isPumping, let output else { return }
        isPumping = true
        defer { isPumping = false }
        while output.isWritable {
            guard let bytes = nextBytes() else {
                if let farewell, output.isOpen { close(farewell.code, farewell.reason) }
                return
            }
            output.write(frames: bytes)
        }
        // A socket that takes nothing never asks for the frames that are forgotten meanwhile; without this the heartbeat
        // would end it, and it would not learn why.
        if case .following(let shape) = dialect, cursor < hub.oldestPosition(shape), !isKeptCompressed {
            closeForSlowness()
        }
    }

    /// Whether what it needs next is there for it all the same: compressed frames take less, and stay for longer.
    private var isKeptCompressed: Bool {
        deflated.map { $0.isJoined && $0.log.holds(cursor) } ?? false
    }

    private func nextBytes() -> ByteBuffer? {
        if let direct = directs.first, direct.position <= cursor || !isFollowing {
            directs.removeFirst()
            directByteCount -= direct.bytes.readableBytes
            return compressed(direct.bytes)
        }
        guard case .following(let shape) = dialect else { return nil }
        switch read(shape, upTo: directs.first?.position ?? .max) {
        case .frames(let bytes, let next):
            cursor = next
            return bytes
        case .upToDate: return nil
        case .fellOff:
            closeForSlowness()
            return nil
        }
    }

    private func read(_ shape: Shape, upTo limit: UInt64) -> FrameLog.Reading {
        guard let log = deflated?.log else { return hub.read(shape, from: cursor, upTo: limit) }
        var isJoined = deflated?.isJoined ?? false
        defer { deflated = (log, isJoined) }
        return hub.read(shape, from: cursor, upTo: limit, with: log, isJoined: &isJoined)
    }

    /// A frame for this viewer alone, compressed where that is worth it.
    ///
    /// A compressed one takes it out of the shared stream until that begins anew: its peer has one context for both.
    private func compressed(_ frame: ByteBuffer) -> ByteBuffer {
        let least = deflated?.isJoined == true ? Limits.deflateRestartBytes : Limits.deflatedDirectBytes
        guard let windowBits = output?.deflateWindowBits, frame.readableBytes >= least,
            let compressed = hub.deflated(frame, windowBits: windowBits)
        else { return frame }
        deflated?.isJoined = false
        return compressed
    }

    /// Whether it gets the stream.
    var isFollowing: Bool {
        if case .following = dialect { true } else { false }
    }

    // MARK: Closing

    /// Closes with a reason.
    func close(_ code: CloseCode, _ reason: String) {
        output?.close(code, reason: reason, deadline: .seconds(Limits.closeSeconds))
    }

    /// Closes once everything that is there has been written.
    func closeWhenDrained(_ code: CloseCode, _ reason: String) {
        farewell = (code, reason)
        pump()
    }

    /// It stays open long enough for a viewer that wakes up to learn why.
    private func closeForSlowness() {
        directs = []
        output?.close(.tryAgainLater, reason: "reads too slowly", deadline: .seconds(600))
    }
}

/// A file that a viewer sent, for its next prompt.
struct Attachment {
    var name: String
    /// What kind of content it is, for images.
    var mimeType: String
    /// The content in base64, for images.
    var base64: String
    /// The content, for text.
    var text: String?
}
