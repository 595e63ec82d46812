import HypiNet
import HypiWire
import NIOCore
import PiAdapter

@testable import PiSocketCore

/// What a program at the other end of a connection does: it reads when it likes, puts the conversation together, and
/// comes back after a loss where it left off.
final class FakeClient {
    let name: Int
    let shape: Shape
    private(set) var connection: FakeConnection?
    private(set) var faults: [String] = []
    /// The conversation as this client knows it, each message as JSON text; how many older ones it was not given.
    private(set) var messages: [String] = []
    private(set) var missing = 0
    private(set) var hasSnapshot = false
    private(set) var resumeCount = 0
    private(set) var slowCount = 0
    private var blocks: [Int: String]?
    private var seq: Int?
    private var boot: String?
    private let historyLimit: Int?
    /// With which window it takes compressed messages; `nil`: it does not.
    private let windowBits: Int?
    /// How many messages came compressed.
    private(set) var compressedCount = 0
    /// Whether a slow reader may be left out updates that later ones repeat.
    private let mayMissUpdates: Bool

    init(
        name: Int, shape: Shape, historyLimit: Int? = nil, isCumulative: Bool = false, windowBits: Int? = nil
    ) {
        self.windowBits = windowBits
        mayMissUpdates = isCumulative && shape != .sessionDelta
        self.name = name
        self.shape = shape
        self.historyLimit = historyLimit
    }

    // MARK: Connection

    func connect(_ hub: SessionHub) {
        let viewer = PiSocketCore.Viewer(
            id: hub.nextViewerID(), hub: hub, entry: shape == .viewport ? .viewport : .session)
        let connection = FakeConnection(viewer, windowBits: windowBits)
        self.connection = connection
        hasSnapshot = false
        viewer.begin(connection)
        guard shape != .viewport else { return }
        var hello: JSONObject = ["type": "hello", "protocolVersion": 1, "clientId": .string("client-\(name)")]
        hello["stream"] = shape == .sessionDelta ? "delta" : "full"
        hello["lastSeq"] = seq.map { .int($0) }
        hello["boot"] = boot.map(JSON.string)
        hello["history"] = historyLimit.map { .int($0) }
        ViewerFrames.receive(Message(isText: true, payload: JSON.object(hello).buffer), from: viewer, hub)
    }

    /// The connection is lost, with all that was not read.
    func disconnect() {
        connection?.lose()
        connection = nil
    }

    /// Reads some of what the connection holds.
    func read(_ byteCount: Int) {
        guard let connection else { return }
        for frame in connection.read(byteCount) { take(frame) }
        compressedCount += connection.takeCompressedCount()
        if let fault = connection.fault { faults.append("\(fault)") }
        if connection.isClosedByServer, connection.isDrained {
            slowCount += 1
            disconnect()
        }
    }

    // MARK: Frames

    private func take(_ payload: ByteBuffer) {
        guard let json = try? JSON(parsing: payload) else {
            return faults.append("no JSON: \(String(buffer: payload))")
        }
        switch json["type"]?.string {
        case "init_state": begin(json["messages"], json["totalMessages"], partial: nil)
        case "welcome": welcome(json)
        case "event":
            number(json)
            apply(json["payload"] ?? .null)
        default:
            if shape != .viewport { number(json) }
            apply(json)
        }
    }

    private func welcome(_ json: JSON) {
        boot = json["boot"]?.string
        if json["resumed"] == true {
            resumeCount += 1
            hasSnapshot = true
            return
        }
        seq = json["currentSeq"]?.int
        begin(json["messages"], json["totalMessages"], partial: json["partial"])
    }

    private func begin(_ list: JSON?, _ total: JSON?, partial: JSON?) {
        hasSnapshot = true
        messages = (list?.array ?? []).map(\.text)
        missing = (total?.int ?? messages.count) - messages.count
        blocks = partial.map(Self.blocks)
    }

    private func number(_ json: JSON) {
        guard let new = json["seq"]?.int else { return }
        // Superseded updates may be left out; nothing may come twice or go back.
        if let seq, new <= seq { faults.append("number \(new) after \(seq)") }
        seq = new
    }

    private func apply(_ record: JSON) {
        guard hasSnapshot else { return faults.append("a record before the snapshot: \(record.text.prefix(80))") }
        let message = record["message"]
        switch record["type"]?.string {
        case "message_start" where message?["role"] == "assistant":
            // In the viewport dialect this may be the catch-up of a late arrival.
            blocks = message.map(Self.blocks)
        case "message_update": update(record)
        case "message_end":
            guard let message else { return }
            if message["role"] == "assistant" {
                if blocks == nil { faults.append("message_end of a message that never began") }
                if let blocks, !mayMissUpdates, blocks != Self.blocks(message) {
                    faults.append("assembled \(blocks) but it is \(Self.blocks(message))")
                }
                blocks = nil
            }
            messages.append(message.text)
        default: break
        }
    }

    private func update(_ record: JSON) {
        if let message = record["message"] {
            blocks = Self.blocks(message)
            return
        }
        guard let event = record["assistantMessageEvent"], let index = event["contentIndex"]?.int else { return }
        guard blocks != nil else { return faults.append("an update of a message that never began") }
        if let delta = event["delta"]?.string { blocks?[index, default: ""] += delta }
        if event["type"]?.string?.hasSuffix("_start") == true { blocks?[index] = "" }
    }

    private static func blocks(_ message: JSON) -> [Int: String] {
        var blocks: [Int: String] = [:]
        for (index, block) in (message["content"]?.array ?? []).enumerated() {
            blocks[index] = block["text"]?.string ?? block["thinking"]?.string ?? ""
        }
        return blocks
    }
}

/// A socket whose other end reads only when the test says so.
final class FakeConnection: ViewerOutput {
    private static let room = 8 << 10

    private let viewer: PiSocketCore.Viewer
    let deflateWindowBits: Int?
    private var decoder: FrameDecoder
    private let inflater = InflateStream()
    private var compressedCount = 0
    private(set) var fault: FrameFault?
    private var unread: [ByteBuffer] = []
    private var unreadByteCount = 0
    private var fragments: ByteBuffer?
    private(set) var isClosedByServer = false
    private var isLost = false

    init(_ viewer: PiSocketCore.Viewer, windowBits: Int? = nil) {
        self.viewer = viewer
        deflateWindowBits = windowBits
        decoder = FrameDecoder(role: .client, allowsCompression: windowBits != nil)
    }

    /// How many messages came compressed since the last time.
    func takeCompressedCount() -> Int {
        defer { compressedCount = 0 }
        return compressedCount
    }

    var isOpen: Bool {
        !isLost && !isClosedByServer
    }

    var isWritable: Bool {
        isOpen && unreadByteCount < Self.room
    }

    var isDrained: Bool {
        unread.isEmpty
    }

    func write(frames: ByteBuffer) {
        unread.append(frames)
        unreadByteCount += frames.readableBytes
    }

    func close(_ code: CloseCode, reason: String, deadline: TimeAmount) {
        isClosedByServer = true
    }

    func lose() {
        guard !isLost else { return }
        isLost = true
        viewer.ended()
    }

    /// The whole messages in the next bytes.
    func read(_ byteCount: Int) -> [ByteBuffer] {
        var left = byteCount
        while left > 0, var first = unread.first {
            let taken = first.readSlice(length: min(left, first.readableBytes)) ?? ByteBuffer()
            left -= taken.readableBytes
            unreadByteCount -= taken.readableBytes
            decoder.append(taken)
            if first.readableBytes == 0 { unread.removeFirst() } else { unread[0] = first }
        }
        var messages: [ByteBuffer] = []
        while fault == nil, let message = nextMessage() { messages.append(message) }
        if isWritable { viewer.pump() }
        return messages
    }

    private func nextMessage() -> ByteBuffer? {
        do throws(FrameFault) {
            guard let frame = try decoder.next() else { return nil }
            guard frame.isCompressed, let inflater else { return frame.payload }
            compressedCount += 1
            return try inflater.decompress(frame.payload, isLast: true, limit: 1 << 24)
        } catch {
            fault = error
            return nil
        }
    }
}
