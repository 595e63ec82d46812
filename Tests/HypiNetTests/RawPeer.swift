import HypiTestSupport

/// A WebSocket peer that is written by hand, byte for byte, and knows nothing of the code under test.
final class RawPeer: Sendable {
    /// A frame as it stood on the wire.
    struct WireFrame: Equatable, Sendable {
        var first: UInt8
        var isMasked: Bool
        var payload: [UInt8]

        var opcode: UInt8 { first & 0x0F }
        var text: String { String(decoding: payload, as: UTF8.self) }
        /// The code of a close frame; 0 if there is none.
        var closeCode: Int { payload.count < 2 ? 0 : Int(payload[0]) << 8 | Int(payload[1]) }
    }

    let connection: RawConnection
    private let isClient: Bool

    init(_ connection: RawConnection, isClient: Bool) {
        self.connection = connection
        self.isClient = isClient
    }

    /// The bytes of a frame; the length form can be wrong, as can everything else.
    static func frame(
        _ first: UInt8, _ payload: [UInt8] = [], mask: [UInt8]?, lengthForm: Int? = nil, length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? payload.count
        let form = lengthForm ?? (length < 126 ? 7 : length < 65536 ? 16 : 64)
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        var bytes = [first]
        switch form {
        case 7: bytes.append(UInt8(length) | maskBit)
        case 16: bytes += [126 | maskBit, UInt8(length >> 8 & 255), UInt8(length & 255)]
        default: bytes += [127 | maskBit] + (0..<8).map { UInt8(truncatingIfNeeded: length >> (56 - 8 * $0)) }
        }
        guard let mask else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    /// A frame as this side must send it.
    func frame(_ first: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
        Self.frame(first, payload, mask: isClient ? [0x12, 0xFE, 0x00, 0x9A] : nil)
    }

    func send(_ first: UInt8, _ payload: [UInt8] = []) async {
        await connection.send(frame(first, payload))
    }

    func send(_ first: UInt8, text: String) async {
        await send(first, Array(text.utf8))
    }

    /// Waits for the head of a request or an answer.
    @discardableResult
    func readHead() async throws -> String {
        try await connection.received.wait("a head") { bytes, hasEnded in Self.headEnd(bytes) != nil || hasEnded }
        let bytes = connection.received.bytes
        return String(decoding: bytes[..<(Self.headEnd(bytes) ?? bytes.count)], as: UTF8.self)
    }

    /// Waits for a number of frames, or the end of the connection, and returns all frames there are.
    func frames(_ count: Int) async throws -> [WireFrame] {
        try await connection.received.wait("\(count) frames", timeout: .seconds(30)) { bytes, hasEnded in
            hasEnded || Self.ranges(bytes).count >= count
        }
        return Self.parse(connection.received.bytes)
    }

    /// Waits for a frame of a kind, or the end of the connection.
    func frame(_ isWanted: @escaping @Sendable (WireFrame) -> Bool) async throws -> WireFrame? {
        try await connection.received.wait("a frame of a kind", timeout: .seconds(30)) { bytes, hasEnded in
            hasEnded || Self.parse(bytes).contains(where: isWanted)
        }
        return Self.parse(connection.received.bytes).first(where: isWanted)
    }

    /// All frames until the peer ends the connection.
    func framesUntilEnd() async throws -> [WireFrame] {
        Self.parse(try await connection.untilEnd())
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        bytes.indices.first { $0 >= 3 && bytes[($0 - 3)...$0].elementsEqual([13, 10, 13, 10]) }.map { $0 + 1 }
    }

    private static func parse(_ bytes: [UInt8]) -> [WireFrame] {
        ranges(bytes).map { frame in
            var payload = Array(bytes[frame.payload])
            let isMasked = bytes[frame.start + 1] & 0x80 != 0
            let mask = frame.payload.lowerBound - 4
            if isMasked { for index in payload.indices { payload[index] ^= bytes[mask + index % 4] } }
            return WireFrame(first: bytes[frame.start], isMasked: isMasked, payload: payload)
        }
    }

    /// Where the whole frames are; looks at their headers only, since it runs whenever something arrives.
    private static func ranges(_ bytes: [UInt8]) -> [(start: Int, payload: Range<Int>)] {
        var ranges: [(start: Int, payload: Range<Int>)] = []
        guard var position = headEnd(bytes) else { return [] }
        while position + 2 <= bytes.count {
            var length = Int(bytes[position + 1] & 0x7F)
            var start = position + 2
            let extra = length == 126 ? 2 : length == 127 ? 8 : 0
            guard start + extra <= bytes.count else { break }
            if extra > 0 { length = bytes[start..<start + extra].reduce(0) { $0 << 8 | Int($1) } }
            start += extra + (bytes[position + 1] & 0x80 == 0 ? 0 : 4)
            guard start + length <= bytes.count else { break }
            ranges.append((position, start..<start + length))
            position = start + length
        }
        return ranges
    }
}
