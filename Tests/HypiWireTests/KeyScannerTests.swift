import HypiWire
import Testing

@Suite("KeyScanner")
struct KeyScannerTests {
    private func members(_ text: String) -> (pairs: [[String]], complete: Bool) {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { raw in
            var scanner = KeyScanner(raw)
            var pairs: [[String]] = []
            while let member = scanner.next() {
                pairs.append([member.key, member.value].map { String(decoding: raw[$0], as: UTF8.self) })
            }
            return (pairs, scanner.isComplete)
        }
    }

    @Test("finds every top-level member and steps over what is nested")
    func findsMembers() {
        let found = members(#" { "type" : "a\"}" ,"x":{"type":[1,{"y":"]"}]},"n":-1.5e3,"t":true , "e":"" }"#)
        #expect(
            found.pairs == [
                ["type", #""a\"}""#], ["x", #"{"type":[1,{"y":"]"}]}"#], ["n", "-1.5e3"], ["t", "true"], ["e", #""""#],
            ])
        #expect(found.complete)
    }

    @Test(
        "what is no object, or is cut off, is never complete",
        arguments: ["", "[1]", "3", "{", #"{"a""#, #"{"a":"#, #"{"a":1"#, #"{"a":[1}"#, #"{"a":1 "b":2}"#, #"{"a":}"#])
    func incomplete(text: String) {
        #expect(!members(text).complete)
    }

    @Test("a record cut at any byte is never taken for a whole one")
    func everyCut() {
        let record = #"{"type":"message_update","assistantMessageEvent":{"delta":"\u0041\\\""},"id":[1,{"a":null}]}"#
        for length in 0..<record.utf8.count {
            #expect(!members(String(record.prefix(length))).complete)
        }
        #expect(members(record).complete)
    }
}
