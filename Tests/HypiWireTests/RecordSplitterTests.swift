import HypiWire
import NIOCore
import Testing

@Suite("RecordSplitter")
struct RecordSplitterTests {
    private func split(_ pieces: [[UInt8]], limit: Int = 100) -> [RecordSplitter.Output] {
        var splitter = RecordSplitter(limit: limit)
        var outputs: [RecordSplitter.Output] = []
        for piece in pieces {
            splitter.append(ByteBuffer(bytes: piece))
            while let output = splitter.next() { outputs.append(output) }
        }
        if let last = splitter.finish() { outputs.append(last) }
        return outputs
    }

    private func records(_ texts: String...) -> [RecordSplitter.Output] {
        texts.map { .record(ByteBuffer(string: $0)) }
    }

    @Test("LF alone ends a record: U+2028 and lone CR are data, a final CR is stripped")
    func delimiters() {
        let stream = Array("a\u{2028}b\r\nc\rd\n\nlast".utf8)
        #expect(split([stream]) == records("a\u{2028}b", "c\rd", "", "last"))
    }

    @Test("the same records come out however the stream is cut")
    func everyCut() {
        let stream = Array("{\"a\":1}\r\n\n{\"b\":\"é\"}\nxyz".utf8)
        let whole = split([stream])
        #expect(split(stream.map { [$0] }) == whole)
        for cut in 0...stream.count {
            #expect(split([Array(stream[..<cut]), Array(stream[cut...])]) == whole)
        }
    }

    @Test("a record over the limit is dropped whole and counted, its neighbours live")
    func oversized() {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 25)
        let stream = Array("ok\n".utf8) + long + Array("\nfine\n".utf8)
        let expected = records("ok") + [.oversized(byteCount: 25)] + records("fine")
        #expect(split([stream], limit: 20) == expected)
        #expect(split(stream.map { [$0] }, limit: 20) == expected)
    }

    @Test("the beginning of a record is kept without the storage that it came in")
    func keptBeginning() {
        var splitter = RecordSplitter(limit: 100)
        func takeAll() -> [String] {
            var texts: [String] = []
            while case .record(let record)? = splitter.next() { texts.append(String(buffer: record)) }
            return texts
        }
        func address(_ buffer: ByteBuffer) -> UnsafeRawPointer? { buffer.withUnsafeReadableBytes { $0.baseAddress } }
        var piece = ByteBuffer(string: "one\ntwo")
        let before = address(piece)
        splitter.append(piece)
        #expect(takeAll() == ["one"])
        // Whoever reads into the same buffer again need not have it copied.
        piece.clear()
        piece.writeString(" and\n3\n")
        #expect(address(piece) == before)
        splitter.append(piece)
        #expect(takeAll() == ["two and", "3"])
    }
}
