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

    /// Everything up to the end, as text.
    ///
    /// - Throws: ``ReadError``, or ``AgentFault/badInput(line:reason:)`` beyond the longest message a server takes.
    public static func all(of descriptor: CInt) async throws -> String {
        var whole = ByteBuffer()
        while let bytes = try await read(descriptor) {
            whole.writeImmutableBuffer(bytes)
            guard whole.readableBytes < Limits.clientMessageBytes else {
                throw AgentFault.badInput(line: 1, reason: "the text is longer than \(Limits.clientMessageBytes) bytes")
            }
        }
        return String(buffer: whole)
    }

    private mutating func take(_ output: RecordSplitter.Output) throws -> ByteBuffer? {
        lineNumber += 1
        switch output {
        case .record(let record):
            return record.readableBytesView.allSatisfy { $0 <= 0x20 } ? nil : record
        case .oversized(let byteCount):
            throw AgentFault.badInput(line: lineNumber, reason: "a record of \(byteCount) bytes is too long")
        }
    }

    /// Reads what is there; `nil` at the end.
    nonisolated private static func read(_ descriptor: CInt) async throws -> ByteBuffer? {
        try await NIOThreadPool.singleton.runIfActive {
            var buffer = ByteBufferAllocator().buffer(capacity: 1 << 16)
            while true {
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
                if errno != EINTR { throw ReadError(code: errno) }
            }
        }
    }
}
