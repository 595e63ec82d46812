import DequeModule
import HypiWire
import NIOCore

/// The frames of a ``FrameLog`` once more, compressed in one stream for all viewers that share it.
///
/// A compressed frame refers to those before it, so a viewer must have had all of them since the stream last began anew.
/// It joins where the stream does so, and reads the frames of the log itself until then and whenever it has fallen
/// behind: an uncompressed message leaves what its peer keeps in mind as it is (RFC 7692 section 6). Frames are
/// compressed when the first viewer reads them, so that with nobody to read nothing is.
///
/// ```
/// FrameLog     f1 f2 f3 f4 f5 f6 f7 ->
/// DeflatedLog        | c4 c5 | c6 c7 ->      | the stream begins anew: refers to nothing before
///                    ^ join  ^ join, having read f1 ... f5 of the FrameLog
/// ```
public final class DeflatedLog {
    /// Bytes of frames that one reading compresses at most, if a single one is not longer.
    private static let stepBytes = 64 << 10

    private let stream: DeflateStream
    private var log = FrameLog(byteLimit: Limits.deflatedLogBytes)
    /// The frames with which the stream began anew, oldest first, as far as they are kept.
    private var beginnings: Deque<UInt64> = []
    /// How much the frames amounted to when it last did so; `nil`: it has not begun.
    private var byteCountAtBeginning: Int?

    /// A log that compresses with a window.
    ///
    /// `nil`: there is no memory for it.
    ///
    /// - Parameter windowBits: The logarithm of the window's length, 9 to 15.
    public init?(windowBits: Int) {
        guard let stream = DeflateStream(windowBits: windowBits) else { return nil }
        self.stream = stream
    }

    /// What is at a viewer's cursor: compressed frames if it has all that they refer to, else those of the log.
    ///
    /// - Parameters:
    ///   - cursor: The frame it needs next.
    ///   - limit: The frame in front of which to stop.
    ///   - isJoined: Whether it has had every frame of ours since a beginning.
    ///   - frames: The log that this one follows, always the same.
    /// - Returns: Whole frames in order, as far as one chunk goes; `fellOff` where neither log has them any more.
    public func read(
        from cursor: UInt64, upTo limit: UInt64, isJoined: inout Bool, of frames: inout FrameLog
    ) -> FrameLog.Reading {
        if !isJoined { isJoined = join(at: cursor, frames) }
        if isJoined {
            if cursor == log.next { compress(frames, upTo: limit) }
            let reading = log.read(from: cursor, upTo: limit)
            guard case .fellOff = reading else {
                return cursor < frames.oldest && cursor == log.next ? .fellOff : reading
            }
            isJoined = false
        }
        let next = beginnings.first { $0 > cursor } ?? (cursor < log.next ? log.next : .max)
        return frames.read(from: cursor, upTo: min(limit, next))
    }

    /// Whether the frame at a cursor is here, compressed.
    public func holds(_ cursor: UInt64) -> Bool {
        cursor >= log.oldest && cursor < log.next
    }

    /// How often the stream began anew, as far as those frames are kept.
    var beginningCount: Int {
        beginnings.count
    }

    private func join(at cursor: UInt64, _ frames: FrameLog) -> Bool {
        while let first = beginnings.first, first < log.oldest { beginnings.removeFirst() }
        if beginnings.contains(cursor) { return true }
        guard cursor >= log.next, mayBeginAnew(frames) else { return false }
        // Others may be about to read what is in between, unless it is much.
        if byteCountAtBeginning != nil { compress(frames, upTo: cursor) }
        if log.next < cursor {
            log = FrameLog(byteLimit: Limits.deflatedLogBytes, first: cursor)
            beginnings = []
        }
        stream.reset()
        beginnings.append(cursor)
        byteCountAtBeginning = frames.byteCount
        return true
    }

    /// Beginning anew costs those who are there some of what they share, so it does not happen at every arrival.
    private func mayBeginAnew(_ frames: FrameLog) -> Bool {
        byteCountAtBeginning.map { frames.byteCount - $0 >= Limits.deflateRestartBytes } ?? true
    }

    private func compress(_ frames: FrameLog, upTo limit: UInt64) {
        var byteCount = 0
        while byteCount < Self.stepBytes, log.next < limit, let frame = frames.frame(log.next) {
            byteCount += frame.readableBytes
            log.append { FrameDeflation.append(frame, with: stream, to: &$0) }
        }
    }
}
