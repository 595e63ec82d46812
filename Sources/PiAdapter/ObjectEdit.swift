import HypiWire
package import NIOCore

/// Changes to one JSON object in raw bytes: what is not changed keeps its bytes, whatever white space stands between.
///
/// ```
/// { "a" : 1 , "b" : 2 , "c" : 3 }
///          ^^^^^^^^^^ without "b"
/// ```
extension ByteBuffer {
    /// The ranges to cut so that the members that match are gone; each takes one comma with it.
    ///
    /// - Parameters:
    ///   - scanner: A scanner at the beginning of the object.
    ///   - isRemoved: Whether a member is to go.
    /// - Returns: Ranges in ascending order; they may overlap.
    static func cuts(
        _ scanner: inout KeyScanner, where isRemoved: (borrowing KeyScanner, KeyScanner.Member) -> Bool
    ) -> [Range<Int>] {
        var cuts: [Range<Int>] = []
        // Where the newest member that stays ends; its comma goes with what follows it.
        var keptEnd: Int?
        // A member without one before it that stays takes the comma after it.
        var waitsForNext = false
        while let member = scanner.next() {
            if waitsForNext, let last = cuts.popLast() { cuts.append(last.lowerBound..<member.whole.lowerBound) }
            waitsForNext = false
            if isRemoved(scanner, member) {
                cuts.append((keptEnd ?? member.whole.lowerBound)..<member.whole.upperBound)
                waitsForNext = keptEnd == nil
            } else {
                keptEnd = member.whole.upperBound
            }
        }
        return cuts
    }

    /// A copy without ranges of the readable bytes.
    func removing(_ cuts: [Range<Int>]) -> ByteBuffer {
        var result = ByteBuffer()
        result.reserveCapacity(readableBytes)
        var position = 0
        for cut in cuts where cut.upperBound > position {
            let length = cut.lowerBound - position
            if length > 0, let kept = getSlice(at: readerIndex + position, length: length) {
                result.writeImmutableBuffer(kept)
            }
            position = cut.upperBound
        }
        if let rest = getSlice(at: readerIndex + position, length: readableBytes - position) {
            result.writeImmutableBuffer(rest)
        }
        return result
    }

    /// A copy without the members of this name.
    package func removingValue(of key: StaticString) -> ByteBuffer {
        let cuts = withUnsafeReadableBytes { bytes in
            var scanner = KeyScanner(bytes)
            return Self.cuts(&scanner) { $0.matches($1.key, key) }
        }
        return cuts.isEmpty ? self : removing(cuts)
    }

    /// A copy in which the members of this name have another value.
    package func replacingValue(of key: StaticString, with value: ByteBuffer) -> ByteBuffer {
        let ranges = withUnsafeReadableBytes { bytes in
            var scanner = KeyScanner(bytes)
            var ranges: [Range<Int>] = []
            while let member = scanner.next() {
                if scanner.matches(member.key, key) { ranges.append(member.value) }
            }
            return ranges
        }
        return replacing(ranges, with: value)
    }

    /// A copy in which the member of this name has this value; it is put first where the object has none.
    package func settingValue(of key: StaticString, to value: ByteBuffer) -> ByteBuffer {
        let (hasMember, opening, isEmpty) = withUnsafeReadableBytes { bytes in
            var scanner = KeyScanner(bytes)
            var (hasMember, isEmpty) = (false, true)
            while let member = scanner.next() {
                isEmpty = false
                hasMember = hasMember || scanner.matches(member.key, key)
            }
            return (hasMember, bytes.firstIndex(of: UInt8(ascii: "{")), isEmpty)
        }
        if hasMember { return replacingValue(of: key, with: value) }
        guard let opening else { return self }
        var member = ByteBuffer(string: "\"\(key)\":")
        member.writeImmutableBuffer(value)
        if !isEmpty { member.writeString(",") }
        return replacing([opening + 1..<opening + 1], with: member)
    }

    /// A copy with other bytes in place of ranges of the readable bytes, which are in ascending order.
    func replacing(_ ranges: [Range<Int>], with value: ByteBuffer) -> ByteBuffer {
        guard !ranges.isEmpty else { return self }
        var result = ByteBuffer()
        result.reserveCapacity(readableBytes + value.readableBytes * ranges.count)
        var position = 0
        for range in ranges {
            if let kept = getSlice(at: readerIndex + position, length: range.lowerBound - position) {
                result.writeImmutableBuffer(kept)
            }
            result.writeImmutableBuffer(value)
            position = range.upperBound
        }
        if let rest = getSlice(at: readerIndex + position, length: readableBytes - position) {
            result.writeImmutableBuffer(rest)
        }
        return result
    }
}
