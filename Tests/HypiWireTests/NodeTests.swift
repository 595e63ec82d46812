import HypiWire
import Testing

@Suite("Node")
struct NodeTests {
    @Test(
        "a node goes out as it came in, whatever activity and further fields a later version gives it",
        arguments: [
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"active"}"#,
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"offline","activity":"input-required","queued":2}"#,
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"active","activity":"dreaming","mood":{"x":1.0}}"#,
        ])
    func roundTrip(_ text: String) throws {
        #expect(try Node(json: try JSON(parsing: text)).json.text == text)
    }

    @Test("every activity is found by its name, and any other name is kept")
    func activities() {
        for activity in Node.Activity.allCases { #expect(Node.Activity(rawValue: activity.rawValue) == activity) }
        #expect(Set(Node.Activity.allCases).count == 7)
        #expect(Node.Activity(rawValue: "dreaming") == .other("dreaming"))
        #expect(Node.Activity(rawValue: "dreaming").rawValue == "dreaming")
    }
}
