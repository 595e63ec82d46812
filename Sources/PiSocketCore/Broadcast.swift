import HypiNet
import HypiWire
import NIOCore
import PiAdapter

/// How a viewer wants the records of pi.
enum Shape: Int, CaseIterable, Sendable {
    /// pi's own lines.
    case viewport
    /// `{"type":"event","seq":N,"payload":<line>}`.
    case sessionFull
    /// The same, without what repeats the whole message.
    case sessionDelta
    /// pi's own lines, each with its LF, for a program that takes us for pi.
    case lines

    /// What tells this numbering from that of another process or shape, for `lastSeq`.
    func boot(_ process: String) -> String {
        self == .sessionDelta ? process + "-delta" : process
    }
}

/// Every record once per shape that somebody watches, in a ``FrameLog`` each.
///
/// A shape's log begins when its first viewer comes and stays, so that viewers who lose their connection find what they
/// missed. The bound is shared by the logs that exist.
struct Broadcast {
    private let byteLimit: Int
    private var logs: [FrameLog?] = Array(repeating: nil, count: Shape.allCases.count)
    private var trails = Array(repeating: UpdateTrail(), count: Shape.allCases.count)
    /// Cumulative tool updates of the delta shape that are held back for a moment, by tool call.
    private var heldUpdates: [(id: ByteBuffer, line: ByteBuffer)] = []
    private var lastUpdates: [(id: ByteBuffer, at: NIODeadline)] = []
    /// Halves of characters that the delta shape holds back.
    private var characters = SplitCharacters()
    /// The compressed streams that a viewer holds, by shape and window.
    private var deflatedLogs: [DeflatedPlace: WeakDeflatedLog] = [:]

    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    /// Makes sure that a shape has a log.
    ///
    /// - Parameters:
    ///   - shape: The shape.
    ///   - characters: What a message that is under way has left open.
    mutating func activate(_ shape: Shape, characters: @autoclosure () -> SplitCharacters = SplitCharacters()) {
        guard logs[shape.rawValue] == nil else { return }
        if shape == .sessionDelta { self.characters = characters() }
        logs[shape.rawValue] = FrameLog(byteLimit: byteLimit)
        let count = logs.count { $0 != nil }
        for index in logs.indices { logs[index]?.byteLimit = byteLimit / count }
    }

    /// The number the shape's next frame gets; 1 for one nobody has watched yet.
    func next(_ shape: Shape) -> UInt64 {
        logs[shape.rawValue]?.next ?? 1
    }

    /// The number of the oldest frame of a shape that is kept.
    func oldest(_ shape: Shape) -> UInt64 {
        logs[shape.rawValue]?.oldest ?? 1
    }

    /// Whether a viewer that has seen everything up to `seq` can go on from there.
    func canResume(_ shape: Shape, after seq: UInt64) -> Bool {
        guard let log = logs[shape.rawValue] else { return false }
        return seq + 1 >= log.oldest && seq < log.next
    }

    /// What is at a cursor.
    mutating func read(_ shape: Shape, from cursor: UInt64, upTo limit: UInt64) -> FrameLog.Reading {
        logs[shape.rawValue]?.read(from: cursor, upTo: limit) ?? .upToDate
    }

    // MARK: Compressed

    /// The compressed stream of a shape, made when there is none; it is there for as long as a viewer holds it.
    mutating func deflatedLog(_ shape: Shape, windowBits: Int) -> DeflatedLog? {
        let place = DeflatedPlace(shape: shape, windowBits: windowBits)
        if let log = deflatedLogs[place]?.log { return log }
        let log = DeflatedLog(windowBits: windowBits)
        deflatedLogs[place] = WeakDeflatedLog(log: log)
        return log
    }

    /// What is at the cursor of a viewer that takes compressed messages.
    mutating func read(
        _ shape: Shape, from cursor: UInt64, upTo limit: UInt64, with deflated: DeflatedLog, isJoined: inout Bool
    ) -> FrameLog.Reading {
        guard var log = logs[shape.rawValue].take() else { return .upToDate }
        defer { logs[shape.rawValue] = log }
        return deflated.read(from: cursor, upTo: limit, isJoined: &isJoined, of: &log)
    }

    // MARK: Appending

    /// Forgets nothing of what is appended from here on until ``endStep()``.
    mutating func beginStep() {
        for index in logs.indices { logs[index]?.beginStep() }
    }

    /// Viewers have been given what they take.
    mutating func endStep() {
        for index in logs.indices { logs[index]?.endStep() }
    }

    /// A record of pi, to every shape.
    ///
    /// - Returns: Whether an update was held back and ``flushHeldUpdates()`` is due in ``holdTime``.
    mutating func append(_ record: PiRecord, at now: NIODeadline) -> Bool {
        appendLine(record.line, to: .lines, isDialogFrame: false)
        for shape in [Shape.viewport, .sessionFull] {
            supersede(by: record, in: shape)
            appendLine(record.line, to: shape, isDialogFrame: record.kind == .uiRequest)
        }
        guard logs[Shape.sessionDelta.rawValue] != nil else { return false }
        switch record.kind {
        case .toolUpdate: return holdOrAppend(record, at: now)
        case .toolEnd: forgetUpdates(of: record)
        default: break
        }
        supersede(by: record, in: .sessionDelta)
        let line = characters.join(record.deltaForm, record.kind)
        appendLine(line, to: .sessionDelta, isDialogFrame: record.kind == .uiRequest)
        return false
    }

    /// A frame of our own, to every shape but pi's own; in the session dialect it carries a number like any event.
    mutating func append(_ frame: JSONObject) {
        let line = JSON.object(frame).buffer
        appendLine(line, to: .viewport, isDialogFrame: false)
        appendLine(line, to: .sessionFull, isDialogFrame: true)
        appendLine(line, to: .sessionDelta, isDialogFrame: true)
    }

    /// Appends a line in the form of a shape.
    ///
    /// With `isDialogFrame` a session frame is the line itself with a `seq` in it, else an `event` around it.
    private mutating func appendLine(_ line: ByteBuffer, to shape: Shape, isDialogFrame: Bool) {
        guard let seq = logs[shape.rawValue]?.next else { return }
        logs[shape.rawValue]?.append(byteCount: line.readableBytes + Self.envelopeBytes) { bytes in
            switch shape {
            case .lines:
                bytes.writeImmutableBuffer(line)
                bytes.writeString("\n")
            case .viewport: FrameEncoder.writeMessage(line, opcode: .text, to: &bytes)
            case .sessionFull, .sessionDelta:
                if isDialogFrame {
                    Self.writeParts([ByteBuffer(string: "{\"seq\":\(seq),"), line.withoutOpeningBrace], to: &bytes)
                } else {
                    let head = ByteBuffer(string: "{\"type\":\"event\",\"seq\":\(seq),\"payload\":")
                    Self.writeParts([head, line, Self.closingBrace], to: &bytes)
                }
            }
        }
    }

    /// What frame header and envelope add at most, in bytes.
    private static let envelopeBytes = 64

    private static let closingBrace = ByteBuffer(string: "}")

    /// Writes a text message made of parts; parts of a short one are copied once, straight into the log.
    private static func writeParts(_ parts: [ByteBuffer], to bytes: inout ByteBuffer) {
        let length = parts.reduce(0) { $0 + $1.readableBytes }
        if length <= Limits.frameBytes {
            FrameEncoder.writeHeader(isFinal: true, opcode: .text, length: length, to: &bytes)
            for part in parts { bytes.writeImmutableBuffer(part) }
            return
        }
        var whole = ByteBuffer()
        for part in parts { whole.writeImmutableBuffer(part) }
        FrameEncoder.writeMessage(whole, opcode: .text, to: &bytes)
    }

    // MARK: What a slow viewer need not get

    /// The key of the message that grows; tool calls go by their raw ids, which are never this.
    private static let messageKey = ByteBuffer(string: "message")

    /// Marks the frame that a record makes needless, if it does so.
    private mutating func supersede(by record: PiRecord, in shape: Shape) {
        guard logs[shape.rawValue] != nil else { return }
        let index = shape.rawValue
        switch record.kind {
        case .messageUpdate where shape != .sessionDelta && record.isCumulative:
            supersede(trails[index].updated(Self.messageKey, number: next(shape)), in: shape)
        case .messageEnd: supersede(trails[index].ended(Self.messageKey), in: shape)
        case .toolUpdate where shape != .sessionDelta:
            guard let id = record.value(of: "toolCallId") else { return }
            supersede(trails[index].updated(id, number: next(shape)), in: shape)
        case .toolEnd:
            guard let id = record.value(of: "toolCallId") else { return }
            supersede(trails[index].ended(id), in: shape)
        case .agentEnd: trails[index].forgetAll()
        default: break
        }
    }

    private mutating func supersede(_ number: UInt64?, in shape: Shape) {
        if let number { logs[shape.rawValue]?.supersede(number) }
    }

    // MARK: Cumulative tool output, at most ten a second for each call

    /// The time between two updates of one tool call in the delta shape.
    static let holdTime = TimeAmount.milliseconds(100)

    private mutating func holdOrAppend(_ record: PiRecord, at now: NIODeadline) -> Bool {
        guard let id = record.value(of: "toolCallId") else {
            appendLine(record.line, to: .sessionDelta, isDialogFrame: false)
            return false
        }
        if let index = heldUpdates.firstIndex(where: { $0.id == id }) {
            heldUpdates[index].line = record.line
            return false
        }
        if let last = lastUpdates.first(where: { $0.id == id }), now - last.at < Self.holdTime {
            heldUpdates.append((id, record.line))
            return heldUpdates.count == 1
        }
        lastUpdates.removeAll { $0.id == id }
        lastUpdates.append((id, now))
        appendUpdate(record.line, id)
        return false
    }

    /// Appends the updates that were held back.
    mutating func flushHeldUpdates(at now: NIODeadline) {
        for held in heldUpdates {
            appendUpdate(held.line, held.id)
            lastUpdates.removeAll { $0.id == held.id }
            lastUpdates.append((held.id, now))
        }
        heldUpdates = []
    }

    private mutating func appendUpdate(_ line: ByteBuffer, _ id: ByteBuffer) {
        supersede(trails[Shape.sessionDelta.rawValue].updated(id, number: next(.sessionDelta)), in: .sessionDelta)
        appendLine(line, to: .sessionDelta, isDialogFrame: false)
    }

    /// pi is gone, and its tools with it.
    mutating func forgetUpdates() {
        heldUpdates = []
        lastUpdates = []
        for shape in Shape.allCases { trails[shape.rawValue].forgetAll() }
    }

    /// A tool that has ended says its whole result: what was held back is superseded.
    private mutating func forgetUpdates(of record: PiRecord) {
        let id = record.value(of: "toolCallId")
        heldUpdates.removeAll { $0.id == id }
        lastUpdates.removeAll { $0.id == id }
    }
}

private struct DeflatedPlace: Hashable {
    var shape: Shape
    var windowBits: Int
}

private struct WeakDeflatedLog {
    weak var log: DeflatedLog?
}

extension ByteBuffer {
    fileprivate var withoutOpeningBrace: ByteBuffer {
        // White space may stand before it.
        let brace = readableBytesView.firstIndex(of: UInt8(ascii: "{")) ?? readerIndex
        return getSlice(at: brace + 1, length: writerIndex - brace - 1) ?? self
    }
}
