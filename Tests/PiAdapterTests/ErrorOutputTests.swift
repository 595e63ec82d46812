import PiAdapter
import Testing

@Suite("What pi says before it ends") struct ErrorOutputTests {
    @Test(
        "the error is found among what stands around it",
        arguments: [
            ("Error: Unknown option: --bogus", "Error: Unknown option: --bogus"),
            (
                "Error: Failed to load extension \"/x.ts\": it does not exist\nHint: Start without extensions.",
                "Error: Failed to load extension \"/x.ts\": it does not exist"
            ),
            (
                "/a/cli.js:12\n    throw new Error(`x`);\n    ^\n\nTypeError [ERR_X]: no such thing\n    at f (/a.js:1:2)\n"
                    + "    at g {\n  [cause]: Error: inner\n}\n\nNode.js v22.3.0",
                "TypeError [ERR_X]: no such thing"
            ),
            ("Traceback (most recent call last):\n  File \"x\"\nValueError: bad value", "ValueError: bad value"),
            ("loading\nsh: 1: pi: not found\n", "sh: 1: pi: not found"),
            ("killed\n    at once (/a.js:1:2)\nNode.js v22.3.0", "killed"),
            ("  \n", ""), ("", ""), ("Hint: only this", "Hint: only this"),
        ])
    func complaint(text: String, expected: String) {
        #expect(ErrorOutput.complaint(in: text) == expected)
    }
}
