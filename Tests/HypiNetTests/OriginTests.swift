import HypiNet
import Testing

@Suite("Origin")
struct OriginTests {
    @Test(
        "is what a browser sends, however a person writes it",
        arguments: [
            ("https://dash.example", "https://dash.example"), ("HTTPS://Dash.Example/", "https://dash.example"),
            ("https://dash.example:443", "https://dash.example"), ("http://dash.example:80/", "http://dash.example"),
            ("http://dash.example:443", "http://dash.example:443"), ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:8080", "http://[::1]:8080"), ("http://[::1]:80", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"), ("tauri://localhost", "tauri://localhost"),
        ])
    func normal(text: String, sent: String) {
        #expect(Origin(text)?.description == sent)
    }

    @Test(
        "is nothing that no browser sends or that anybody could send",
        arguments: [
            "", "null", "*", "/", "//", "foo", "dash.example", "https://", "https:///", "https://*",
            "https://*.example",
            "https://dash.example/path", "https://dash.example?x", "https://dash.example#x", "https://me@dash.example",
            "https://dash.example:", "https://dash.example:0", "https://dash.example:+1", "https://dash.example:65536",
            "https://dash .example", "https://d\u{e4}sh.example", "1https://dash.example", "https://[dash]", "file:///",
            "https://dash.example\n", "https://dash.example//",
        ])
    func refused(text: String) {
        #expect(Origin(text) == nil)
    }
}
