import NIOCore

/// Which frame of a log is the newest of each thing that is told again and again, each time in whole.
///
/// The output of a tool so far, the message so far: each one makes the one before needless for a viewer that has not
/// read it yet.
struct UpdateTrail {
    private var newest: [(key: ByteBuffer, number: UInt64)] = []

    /// A further update; the frame it supersedes.
    mutating func updated(_ key: ByteBuffer, number: UInt64) -> UInt64? {
        guard let index = newest.firstIndex(where: { $0.key == key }) else {
            // A copy: the key is a piece of a large buffer that would live as long.
            newest.append((ByteBuffer(bytes: key.readableBytesView), number))
            return nil
        }
        defer { newest[index].number = number }
        return newest[index].number
    }

    /// The end, which tells everything once more; the frame it supersedes.
    mutating func ended(_ key: ByteBuffer) -> UInt64? {
        newest.firstIndex { $0.key == key }.map { newest.remove(at: $0).number }
    }

    /// What was under way is cut off: the last word on it is what was said last.
    mutating func forgetAll() {
        newest = []
    }
}
