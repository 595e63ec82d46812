import DequeModule
import HypiWire
public import NIOCore

/// Finished frames in order, with sequence numbers: the bounded queue of slow viewers, the buffer that replay reads
/// from, and the cache that makes encoding happen once, in one structure.
///
/// Viewers are cursors into it (the number of the next frame they need), so memory does not grow with them. Frames lie
/// one behind the other in chunks; what a viewer gets is a slice of a chunk, many frames in one write and no copy.
/// Beyond its bound the log forgets frames that later ones have superseded, and then its oldest chunk; a cursor that
/// points there has fallen off.
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
        /// A slice is out: appending copies the chunk, which only a small one is worth.
        var isShared = false
        /// Frames, by their place in ``ends``, that a later one has made needless.
        var superseded: Set<Int> = []
        var supersededByteCount = 0

        /// The number of the frame behind its last one.
        var end: UInt64 {
            first + UInt64(ends.count)
        }

        /// What the chunk takes in memory, its storage being larger than what is in it.
        var memory: Int {
            bytes.storageCapacity + ends.count * MemoryLayout<Int>.size + 160
        }

        func length(of place: Int) -> Int {
            ends[place] - (place == 0 ? 0 : ends[place - 1])
        }

        /// Whether enough would be gained for what it costs.
        var isWorthCompacting: Bool {
            supersededByteCount > 0 && supersededByteCount * 2 >= bytes.readableBytes
        }
    }

    /// Bytes beyond which a new chunk is begun.
    private static let chunkBytes = 64 << 10
    /// Bytes up to which a chunk of which a slice is out is copied rather than ended, so that single small frames do not
    /// each become a chunk.
    private static let copiedChunkBytes = 4 << 10

    private var chunks: Deque<Chunk> = []
    private var memory = 0
    /// First frames of chunks in which compacting would gain something.
    private var candidates: Deque<UInt64> = []
    /// The first frame of the step that is under way.
    private var stepStart = UInt64.max
    /// Bytes of memory for frames; the newest chunk is always kept, and what is appended within a step, until it ends.
    public var byteLimit: Int {
        didSet { trim() }
    }
    /// The number the next frame gets.
    public private(set) var next: UInt64
    /// Bytes of all frames there have been.
    public private(set) var byteCount = 0

    /// An empty log.
    ///
    /// - Parameters:
    ///   - byteLimit: Bytes of memory to keep frames in.
    ///   - first: The number of the first frame.
    public init(byteLimit: Int, first: UInt64 = 1) {
        self.byteLimit = byteLimit
        next = first
    }

    /// The number of the oldest frame that is kept; ``next`` if there is none.
    public var oldest: UInt64 {
        chunks.first?.first ?? next
    }

    /// Keeps every frame that is appended from here on until ``endStep()``, superseded or not.
    ///
    /// What is read at once is appended at once, and a viewer that is quick enough is to get all of it.
    public mutating func beginStep() {
        stepStart = next
    }

    /// Viewers have been given what they take: the bound holds again.
    public mutating func endStep() {
        stepStart = .max
        trim()
    }

    /// Appends one frame, written by `write` behind what is there.
    ///
    /// - Parameters:
    ///   - byteCount: About as many bytes as it will be, so that memory is taken once.
    ///   - write: Appends the frame's bytes.
    public mutating func append(byteCount: Int = 0, _ write: (inout ByteBuffer) -> Void) {
        if needsNewChunk(for: byteCount) { beginChunk(for: byteCount) }
        let tail = chunks.count - 1
        let before = chunks[tail].memory
        let start = chunks[tail].bytes.writerIndex
        write(&chunks[tail].bytes)
        chunks[tail].ends.append(chunks[tail].bytes.writerIndex)
        self.byteCount += chunks[tail].bytes.writerIndex - start
        memory += chunks[tail].memory - before
        next += 1
        trim()
    }

    private func needsNewChunk(for byteCount: Int) -> Bool {
        guard let tail = chunks.last else { return true }
        let end = tail.bytes.writerIndex
        // One that would have to grow is ended: growing copies it.
        return end >= (tail.isShared ? Self.copiedChunkBytes : Self.chunkBytes)
            || end > 0 && end + byteCount > Self.chunkBytes
    }

    /// Begins a chunk that, as far as one can tell, need not grow: it is likely to get as long as the one before.
    private mutating func beginChunk(for byteCount: Int) {
        var chunk = Chunk(first: next)
        if let tail = chunks.last {
            if tail.isWorthCompacting { candidates.append(tail.first) }
            chunk.bytes.reserveCapacity(max(byteCount, min(tail.bytes.writerIndex, Self.chunkBytes)))
        }
        memory += chunk.memory
        chunks.append(chunk)
    }

    /// A later frame says all that this one says: it may be forgotten before others are.
    ///
    /// Its number stays, and nothing is read in its place.
    public mutating func supersede(_ number: UInt64) {
        guard number >= oldest, number < next else { return }
        let index = chunkIndex(of: number)
        let place = Int(number - chunks[index].first)
        guard chunks[index].superseded.insert(place).inserted else { return }
        let wasWorthIt = chunks[index].isWorthCompacting
        chunks[index].supersededByteCount += chunks[index].length(of: place)
        if !wasWorthIt, chunks[index].isWorthCompacting, index < chunks.count - 1 {
            candidates.append(chunks[index].first)
        }
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

    /// One frame, to look at and let go of before the next is appended; empty if it was superseded and is forgotten.
    ///
    /// - Returns: `nil` if it is not kept, or not there yet.
    func frame(_ number: UInt64) -> ByteBuffer? {
        guard number >= oldest, number < next else { return nil }
        let chunk = chunks[chunkIndex(of: number)]
        let place = Int(number - chunk.first)
        let length = chunk.length(of: place)
        return chunk.bytes.getSlice(at: chunk.ends[place] - length, length: length)
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

    /// Forgets what is needless first, then what is oldest; nothing of the step that is under way.
    private mutating func trim() {
        while memory > byteLimit, chunks.count > 1 {
            if let candidate = candidates.first {
                if candidate >= oldest {
                    let index = chunkIndex(of: candidate)
                    guard chunks[index].end <= stepStart else { return }
                    compact(index)
                }
                candidates.removeFirst()
            } else {
                guard chunks[0].end <= stepStart else { return }
                memory -= chunks.removeFirst().memory
            }
        }
    }

    private mutating func compact(_ index: Int) {
        let old = chunks[index]
        guard old.isWorthCompacting else { return }
        var new = Chunk(first: old.first)
        new.bytes.reserveCapacity(old.bytes.readableBytes - old.supersededByteCount)
        for place in old.ends.indices {
            let length = old.superseded.contains(place) ? 0 : old.length(of: place)
            if let frame = old.bytes.getSlice(at: old.ends[place] - old.length(of: place), length: length) {
                new.bytes.writeImmutableBuffer(frame)
            }
            new.ends.append(new.bytes.writerIndex)
        }
        // What is gone must not be counted again.
        new.superseded = old.superseded
        memory += new.memory - old.memory
        chunks[index] = new
    }
}
