import DequeModule
import HypiWire
public import NIOCore

/// Finished frames in order, with sequence numbers: the bounded queue of slow viewers, the buffer that replay reads
/// from, and the cache that makes encoding happen once, in one structure.
///
/// Viewers are cursors into it (the number of the next frame they need), so memory does not grow with them. Frames lie
/// one behind the other in chunks; what a viewer gets is a slice of a chunk, many frames in one write and no copy.
/// Beyond its bound the log forgets its oldest chunk; a cursor that points there has fallen off.
///
/// ```
/// append -> [chunk: f1 f2 f3][chunk: f4 f5][tail: f6 ->   ]
///                      ^ cursor of a slow viewer   ^ cursor of a fast one
/// ```
public struct FrameLog {
    /// What a cursor gets.
    public enum Reading {
        /// Whole frames, and the cursor behind them.
        case frames(ByteBuffer, next: UInt64)
        /// Nothing newer.
        case upToDate
        /// The frames at the cursor are forgotten.
        case fellOff
    }

    private struct Chunk {
        var first: UInt64
        /// The end of each frame, counted from the chunk's start.
        var ends: [Int] = []
        var bytes = ByteBuffer()
        /// A slice is out: appending would copy the chunk, so the next frame starts another.
        var isShared = false
    }

    /// Bytes beyond which a new chunk is begun.
    private static let chunkBytes = 64 << 10

    private var chunks: Deque<Chunk> = []
    private var byteCount = 0
    /// Bytes of frames that are kept; the newest chunk always is.
    public var byteLimit: Int {
        didSet { trim() }
    }
    /// The number the next frame gets.
    public private(set) var next: UInt64

    /// An empty log.
    ///
    /// - Parameters:
    ///   - byteLimit: Bytes of frames to keep.
    ///   - first: The number of the first frame.
    public init(byteLimit: Int, first: UInt64 = 1) {
        self.byteLimit = byteLimit
        next = first
    }

    /// The number of the oldest frame that is kept; ``next`` if there is none.
    public var oldest: UInt64 {
        chunks.first?.first ?? next
    }

    /// Appends one frame, written by `write` behind what is there.
    public mutating func append(_ write: (inout ByteBuffer) -> Void) {
        if chunks.isEmpty || chunks[chunks.count - 1].isShared
            || chunks[chunks.count - 1].bytes.writerIndex >= Self.chunkBytes
        {
            chunks.append(Chunk(first: next))
        }
        let tail = chunks.count - 1
        let before = chunks[tail].bytes.writerIndex
        write(&chunks[tail].bytes)
        let after = chunks[tail].bytes.writerIndex
        chunks[tail].ends.append(after)
        byteCount += after - before
        next += 1
        trim()
    }

    /// The frames from a cursor on, at most up to (not including) the frame `limit`, as far as one chunk goes.
    public mutating func read(from cursor: UInt64, upTo limit: UInt64 = .max) -> Reading {
        guard cursor < next, cursor < limit else { return .upToDate }
        guard cursor >= oldest else { return .fellOff }
        let index = chunkIndex(of: cursor)
        let chunk = chunks[index]
        let skipped = Int(cursor - chunk.first)
        let count = min(chunk.ends.count, Int(min(limit, next) - chunk.first))
        let start = skipped == 0 ? 0 : chunk.ends[skipped - 1]
        let end = chunk.ends[count - 1]
        guard let slice = chunk.bytes.getSlice(at: start, length: end - start) else { return .fellOff }
        chunks[index].isShared = true
        return .frames(slice, next: chunk.first + UInt64(count))
    }

    private func chunkIndex(of cursor: UInt64) -> Int {
        var low = 0
        var high = chunks.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if chunks[middle].first <= cursor { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private mutating func trim() {
        while byteCount > byteLimit, chunks.count > 1, let forgotten = chunks.popFirst() {
            byteCount -= forgotten.bytes.writerIndex
        }
    }
}
