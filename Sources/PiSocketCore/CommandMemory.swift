import DequeModule
import HypiWire
import NIOCore

/// The last commands by their `clientMessageId`, so that one that is sent again after a lost connection is answered
/// again and not done again.
struct CommandMemory {
    /// What is known of a command.
    enum Recollection {
        case new
        /// It was sent before and its answer is still to come; it will go to the new asker.
        case underWay
        case answered(ByteBuffer)
    }

    private enum Entry {
        case underWay(CommandRouter.Asker)
        case answered(ByteBuffer)
    }

    private struct Key: Hashable {
        var clientID: String
        var messageID: String
    }

    /// Bytes of answers that are kept; beyond it the oldest commands are forgotten.
    private static let byteLimit = 4 << 20

    private var entries: [Key: Entry] = [:]
    private var order: Deque<Key> = []
    private var byteCount = 0

    /// Looks a command up and remembers it from now on.
    mutating func recall(_ asker: CommandRouter.Asker) -> Recollection {
        guard let key = key(asker) else { return .new }
        switch entries[key] {
        case .answered(let line): return .answered(line)
        case .underWay:
            entries[key] = .underWay(asker)
            return .underWay
        case nil:
            entries[key] = .underWay(asker)
            order.append(key)
            trim()
            return .new
        }
    }

    /// Remembers an answer; says who waits for it now.
    mutating func answered(
        _ asker: CommandRouter.Asker, _ line: ByteBuffer
    ) -> (asker: CommandRouter.Asker, line: ByteBuffer) {
        guard let key = key(asker), let entry = entries[key] else { return (asker, line) }
        // A copy: the line is a piece of a large buffer that would live as long.
        let copy = ByteBuffer(bytes: line.readableBytesView)
        if case .answered(let old) = entry { byteCount -= old.readableBytes }
        byteCount += copy.readableBytes
        entries[key] = .answered(copy)
        trim()
        if case .underWay(let newest) = entry { return (newest, line) }
        return (asker, line)
    }

    /// Forgets a command that was not done; says who waits for it now.
    mutating func forget(_ asker: CommandRouter.Asker) -> CommandRouter.Asker {
        guard let key = key(asker), case .underWay(let newest)? = entries.removeValue(forKey: key) else { return asker }
        order.removeAll { $0 == key }
        return newest
    }

    private func key(_ asker: CommandRouter.Asker) -> Key? {
        asker.clientMessageID.map { Key(clientID: asker.clientID, messageID: $0) }
    }

    private mutating func trim() {
        while order.count > Limits.rememberedCommands || byteCount > Self.byteLimit, let oldest = order.popFirst() {
            if case .answered(let line)? = entries.removeValue(forKey: oldest) { byteCount -= line.readableBytes }
        }
    }
}
