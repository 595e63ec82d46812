import HypiWire
public import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A descriptor's bytes, read on a thread that may block: whole, or record by record.
public struct InputRecords {
    /// Reading failed; the system's error number.
    public struct ReadError: Error, Sendable, Equatable {
        /// The system's error number.
        public var code: CInt

        /// The system's text for it.
        public var reason: String { String(cString: strerror(code)).lowercased() }
    }

    private let descriptor: CInt
    private var splitter = RecordSplitter(limit: Limits.recordBytes)
    private var isEnded = false
    /// Records read so far; the number of the newest one, counted from one.
    public private(set) var lineNumber = 0

    /// The records of a descriptor.
    public init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    /// The next record that is not blank; `nil` at the end.
    ///
    /// - Throws: ``ReadError``, or ``AgentFault/badInput(line:reason:)`` for a record that is too long.
    public mutating func next(isolation: isolated (any Actor)? = #isolation) async throws -> ByteBuffer? {
        while true {
            while let output = splitter.next() {
                if let record = try take(output) { return record }
            }
            if isEnded { return try splitter.finish().flatMap { try take($0) } }
            if let bytes = try await Self.read(descriptor) { splitter.append(bytes) } else { isEnded = true }
        }
    }

    /// Everything up to the end, as text, without a byte order mark.
    ///
    /// - Parameters:
    ///   - descriptor: Where it comes from.
    ///   - patience: How long the first byte may take; `nil`: as long as it takes.
    /// - Returns: The text; `nil` if nothing has come by then.
    /// - Throws: ``ReadError``, or ``AgentFault/badInput(line:reason:)`` beyond the longest message a server takes.
    public static func all(of descriptor: CInt, patience: Duration? = nil) async throws -> String? {
        var whole = ByteBuffer()
        if let patience, try await !isReadable(descriptor, within: patience) { return nil }
        while let bytes = try await read(descriptor) {
            whole.writeImmutableBuffer(bytes)
            guard whole.readableBytes < Limits.clientMessageBytes else {
                throw AgentFault.badInput(line: 1, reason: "the text is longer than \(Limits.clientMessageBytes) bytes")
            }
        }
        return String(buffer: withoutMark(whole))
    }

    /// Text as some editors write it begins with a byte order mark, which is not a part of it.
    private static func withoutMark(_ bytes: ByteBuffer) -> ByteBuffer {
        guard bytes.readableBytesView.starts(with: [0xEF, 0xBB, 0xBF]) else { return bytes }
        return bytes.getSlice(at: bytes.readerIndex + 3, length: bytes.readableBytes - 3) ?? bytes
    }

    private mutating func take(_ output: RecordSplitter.Output) throws -> ByteBuffer? {
        lineNumber += 1
        switch output {
        case .record(var record):
            if lineNumber == 1 { record = Self.withoutMark(record) }
            return record.readableBytesView.allSatisfy { $0 <= 0x20 } ? nil : record
        case .oversized(let byteCount):
            throw AgentFault.badInput(line: lineNumber, reason: "a record of \(byteCount) bytes is too long")
        }
    }

    /// Reads what is there; `nil` at the end.
    nonisolated private static func read(_ descriptor: CInt) async throws -> ByteBuffer? {
        try await onThread { wait in
            var buffer = ByteBufferAllocator().buffer(capacity: 1 << 16)
            while true {
                guard wait.untilReadable(descriptor) else { throw CancellationError() }
                let count = buffer.withUnsafeMutableWritableBytes { raw in
                    #if canImport(Glibc)
                        Glibc.read(descriptor, raw.baseAddress, raw.count)
                    #else
                        Darwin.read(descriptor, raw.baseAddress, raw.count)
                    #endif
                }
                if count > 0 {
                    buffer.moveWriterIndex(forwardBy: count)
                    return buffer
                }
                if count == 0 { return nil }
                // Somebody who shares the descriptor made it non-blocking, or was faster.
                guard errno == EINTR || errno == EAGAIN else { throw ReadError(code: errno) }
            }
        }
    }

    nonisolated private static func isReadable(_ descriptor: CInt, within patience: Duration) async throws -> Bool {
        let (seconds, attoseconds) = patience.components
        let milliseconds = CInt(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
        return try await onThread { $0.untilReadable(descriptor, milliseconds: milliseconds) }
    }

    /// Runs `body` on a thread that may block; cancelling the task ends its wait.
    nonisolated private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable (InputWait) throws -> Value
    ) async throws -> Value {
        let wait = try InputWait()
        return try await withTaskCancellationHandler {
            try await NIOThreadPool.singleton.runIfActive { try body(wait) }
        } onCancel: {
            wait.stop()
        }
    }
}
