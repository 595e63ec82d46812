import HypiWire

/// How text is dressed on a terminal; without colour everything stays plain.
struct Style: Sendable {
    /// Whether the terminal takes colours and attributes.
    var isColoured: Bool

    func bold(_ text: String) -> String { wrap("1", text, "22") }
    func dim(_ text: String) -> String { wrap("2", text, "22") }
    func red(_ text: String) -> String { wrap("31", text, "39") }
    func green(_ text: String) -> String { wrap("32", text, "39") }
    func yellow(_ text: String) -> String { wrap("33", text, "39") }
    func cyan(_ text: String) -> String { wrap("36", text, "39") }

    private func wrap(_ on: String, _ text: String, _ off: String) -> String {
        isColoured && !text.isEmpty ? "\u{1B}[\(on)m\(text)\u{1B}[\(off)m" : text
    }
}
