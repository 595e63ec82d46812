import HypiWire
import Testing

@Suite("JSONProgress")
struct JSONProgressTests {
    /// All events of a text that arrives in pieces of a length.
    private func events(_ text: [UInt8], piece: Int, depthLimit: Int) -> (events: [JSONProgress.Event], whole: Bool) {
        var progress = JSONProgress(depthLimit: depthLimit)
        var events: [JSONProgress.Event] = []
        for end in stride(from: piece, to: text.count + piece, by: piece) {
            reading: while true {
                let event = text[..<min(end, text.count)].withUnsafeBytes { progress.next($0) }
                switch event {
                case .exhausted: break reading
                case .fault: return (events + [.fault], false)
                default: events.append(event)
                }
            }
        }
        return (events, progress.isComplete)
    }

    @Test(
        "says where the members and elements near the top lie, however the text was cut", arguments: [1, 2, 3, 7, 100])
    func finds(piece: Int) {
        let text = #" {"a" : [1, {"b":[2]}, "x\n"], "c":null}"#
        let found = events(Array(text.utf8), piece: piece, depthLimit: 2)
        #expect(found.whole)
        let words = found.events.map { event -> String in
            switch event {
            case .key(let range), .value(let range):
                String(decoding: Array(text.utf8)[range], as: UTF8.self)
            case .opened(let isObject): isObject ? "{..." : "[..."
            case .exhausted, .fault: "?"
            }
        }
        #expect(
            words == [
                "{...", "a", "[...", "1", #"{"b":[2]}"#, #""x\n""#, #"[1, {"b":[2]}, "x\n"]"#, "c", "null",
                String(text.dropFirst()),
            ])
    }

    @Test("takes a text, whatever was done to it and however it was cut, if the validator takes it")
    func agrees() {
        let texts = [
            #"{"type":"response","id":1.0,"b":[1,-2.5e+10,true,null,false,0],"a":{"x":"\"\\\n\u00e9\ud83d"}}"#,
            "[\"\u{2028}\u{1F600}é\u{7FF}\u{FFFF}\",{},[],[[]],\"\",-0.5E-7]", "-12.75e3", "\"\u{10FFFF}\"", " 0 ",
        ].map { Array($0.utf8) }
        let bytes = Array("{}[],:\"\\0159-+.eEtfn u/ \n\u{1}".utf8) + [0x80, 0xBF, 0xC1, 0xE0, 0xED, 0xF0, 0xF4, 0xFF]
        var taken = 0
        for number in 0..<20_000 {
            guard var text = texts.randomElement(), let byte = bytes.randomElement() else { continue }
            let place = Int.random(in: 0..<text.count)
            switch number % 4 {
            case 0: text[place] = byte
            case 1: text.insert(byte, at: place)
            case 2: text.remove(at: place)
            default: text.removeLast(place)
            }
            let isValue = text.withUnsafeBytes(JSONValidator.isValue)
            taken += isValue ? 1 : 0
            let piece = Int.random(in: 1...10)
            #expect(
                events(text, piece: piece, depthLimit: 9).whole == isValue,
                "\(String(decoding: text, as: UTF8.self)) in pieces of \(piece)")
        }
        // Damage that nothing survives would prove little.
        #expect(taken > 1000)
    }
}
