import HypiWire
public import NIOCore

/// pi's answer to a command: whose it is, and whether it worked; the data stays raw.
public struct PiResponse: Sendable {
    /// The record.
    public let line: ByteBuffer
    /// Our id of the command; `nil` for failures that pi answers without one.
    public let id: String?
    /// The command's type as pi names it; `parse` or absent for some failures.
    public let command: String?
    /// Whether it worked.
    public let success: Bool

    /// An answer from its record; `nil` for any other record.
    public init?(_ record: PiRecord) {
        guard record.kind == .response else { return nil }
        line = record.line
        id = record.value(of: "id").flatMap { try? JSON(parsing: $0) }?.string
        command = record.value(of: "command").flatMap { try? JSON(parsing: $0) }?.string
        success = record.value(of: "success") == ByteBuffer(string: "true")
    }

    /// The raw `data`.
    public var data: ByteBuffer? {
        line.value(of: "data")
    }

    /// The raw `messages` of a `get_messages` answer.
    public var messages: ByteBuffer? {
        data?.value(of: "messages")
    }
}

extension ByteBuffer {
    /// A response with the asker's own raw id in place of ours, and without one where it had none; other bytes stay.
    public func restoringID(_ original: ByteBuffer?) -> ByteBuffer {
        // pi answers some failures without an id: the asker would not know which command they are for.
        original.map { settingValue(of: "id", to: $0) } ?? removingValue(of: "id")
    }
}
