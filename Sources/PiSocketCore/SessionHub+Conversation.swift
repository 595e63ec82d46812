import CPlatform
import HypiWire
import Logging
import NIOCore
import PiAdapter

/// pi's conversation, which is too long to be taken like any record.
extension SessionHub {
    /// Looks whether the record that has begun is the conversation that we have asked for, and takes it from then on.
    func beginConversation() {
        guard snapshots.isAsking, !isRecordLookedAt, let bytes = splitter.unfinished,
            bytes.readableBytes >= intakeThreshold
        else { return }
        isRecordLookedAt = true
        let opening = MessagesIntake.open(bytes, snapshots.demand) { router.isAsking(.messages, as: $0) }
        guard case .taken(let intake) = opening else { return }
        splitter.forgetUnfinished()
        self.intake = intake
    }

    /// Takes bytes that belong to the conversation.
    ///
    /// - Returns: What is behind it; `nil` if its end has not come.
    func takeConversation(_ bytes: ByteBuffer) -> ByteBuffer? {
        guard intake != nil else { return bytes }
        // A view's firstIndex(of:) is memchr.
        guard let end = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            intake?.append(bytes)
            return nil
        }
        var rest = bytes
        if let last = rest.readSlice(length: end - bytes.readerIndex) { intake?.append(last) }
        rest.moveReaderIndex(forwardBy: 1)
        finishConversation()
        // The C library would keep the megabytes through which the conversation went.
        hypi_release_freed_memory()
        return rest
    }

    /// The conversation is at its end.
    func finishConversation() {
        guard var intake else { return }
        self.intake = nil
        isRecordLookedAt = false
        let (answer, messages) = intake.finish()
        switch intake.fault {
        case .malformed: logger.warning("conversation of pi is no JSON and was skipped")
        case .tooLong: logger.warning("message of pi is too long and was dropped with its conversation")
        case nil: break
        }
        // The answer was put together from members that have been checked.
        guard let record = PiRecord(line: answer), let response = PiResponse(record) else { return }
        take(response, of: record, messages: messages)
    }
}
