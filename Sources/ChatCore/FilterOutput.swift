import NIOCore
import Synchronization

/// Where a filter's data and remarks go; the executable decides what that is.
public struct FilterOutput: Sendable {
    /// Data: bytes as they are, at once.
    public var write: @Sendable ([UInt8]) throws -> Void
    /// NDJSON records, whole ones.
    public var writeRecords: @Sendable ([UInt8]) throws -> Void
    /// A remark for a person.
    public var note: @Sendable (String) -> Void

    /// An output; records go where the data goes, unless told otherwise.
    public init(
        write: @escaping @Sendable ([UInt8]) throws -> Void,
        writeRecords: (@Sendable ([UInt8]) throws -> Void)? = nil, note: @escaping @Sendable (String) -> Void
    ) {
        self.write = write
        self.writeRecords = writeRecords ?? write
        self.note = note
    }

    /// Writes one NDJSON record.
    func write(record: ByteBuffer) throws {
        try writeRecords(Array(record.readableBytesView) + [UInt8(ascii: "\n")])
    }
}

/// Whether what was printed so far ends in the middle of a line; shared by all who write.
public final class OpenLine: Sendable {
    private let isOpenNow = Mutex(false)

    /// Nothing was printed.
    public init() {}

    /// Takes note of what is printed.
    public func printed(_ bytes: [UInt8]) {
        guard let last = bytes.last else { return }
        isOpenNow.withLock { $0 = last != UInt8(ascii: "\n") }
    }

    /// Whether there is an open line; it is taken for ended from now on.
    public func end() -> Bool {
        isOpenNow.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
    }
}

/// Remarks about a connection: a short loss that is made good at once is nobody's concern.
struct LossNotes {
    private var losses = 0

    /// A line to say about an event, if there is one.
    mutating func note(about event: AgentEvent.Kind) -> String? {
        switch event {
        case .welcome, .resumed:
            defer { losses = 0 }
            return losses > 1 ? "connected again" : nil
        case .lost(let reason, _):
            losses += 1
            return losses == 2 ? "\(reason); trying to come back" : nil
        default: return nil
        }
    }
}
