/// Finds the elements of one JSON array in raw bytes without decoding any of them; the sibling of ``KeyScanner``.
public struct ElementScanner {
    private let bytes: UnsafeRawBufferPointer
    private var position: Int
    private var isFirst = true
    private var isEnded: Bool

    /// A scanner over the array in `bytes` that begins at `start`; white space may stand before it.
    public init(_ bytes: UnsafeRawBufferPointer, from start: Int = 0) {
        self.bytes = bytes
        let opening = JSONScan.skipWhitespace(bytes, from: start)
        position = opening + 1
        isEnded = opening >= bytes.count || bytes[opening] != UInt8(ascii: "[")
    }

    /// The byte range of the next element, or `nil` at the end and at the first fault.
    public mutating func next() -> Range<Int>? {
        guard !isEnded else { return nil }
        isEnded = true
        position = JSONScan.skipWhitespace(bytes, from: position)
        guard position < bytes.count, bytes[position] != UInt8(ascii: "]") else { return nil }
        if !isFirst {
            guard bytes[position] == UInt8(ascii: ",") else { return nil }
            position = JSONScan.skipWhitespace(bytes, from: position + 1)
        }
        guard let end = JSONScan.endOfValue(bytes, from: position), end > position else { return nil }
        defer { position = end }
        isFirst = false
        isEnded = false
        return position..<end
    }
}
