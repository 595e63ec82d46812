import Synchronization

/// An answer as it streams, dressed for a terminal: bytes in, rows out as soon as nothing can change them.
public final class MarkdownStream: Sendable {
    private struct State {
        var growing: GrowingText
        /// The beginning of a character whose end has not come.
        var cut: [UInt8] = []
    }

    private let width: Int
    private let state: Mutex<State>

    /// A stream for a terminal.
    ///
    /// - Parameters:
    ///   - width: Cells of a row.
    ///   - hasLinks: Whether the terminal takes links (OSC 8).
    public init(width: Int, hasLinks: Bool) {
        self.width = max(1, width)
        state = Mutex(State(growing: GrowingText(Style(isColoured: true, hasLinks: hasLinks))))
    }

    /// Takes the next piece of the answer, which may be cut anywhere.
    ///
    /// - Returns: What is to be written now, without any control sequences but ours.
    public func take(_ bytes: [UInt8]) -> [UInt8] {
        state.withLock { state in
            let all = state.cut + bytes
            let open = Self.openCount(all)
            state.cut = Array(all.suffix(open))
            let text = String(decoding: all.dropLast(open), as: UTF8.self)
            let lines = state.growing.append(text)
            return rows(lines + state.growing.takeRows(width: width))
        }
    }

    /// Ends the answer.
    ///
    /// - Returns: What was held back.
    public func end() -> [UInt8] {
        state.withLock { state in
            let lines = state.growing.append(String(decoding: state.cut, as: UTF8.self))
            state.cut = []
            return rows(lines + state.growing.endText())
        }
    }

    private func rows(_ lines: [ScreenLine]) -> [UInt8] {
        Array(lines.flatMap { $0.rows(width: width) }.map { $0 + "\u{1B}[m\n" }.joined().utf8)
    }

    /// Bytes at the end that begin a character and do not complete it.
    private static func openCount(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where bytes.count >= count {
            let byte = bytes[bytes.count - count]
            if byte < 0x80 { return 0 }
            if byte >= 0xC0 { return (byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4) > count ? count : 0 }
        }
        return 0
    }
}

/// Terminals that are known to take links (OSC 8); others may show them as text.
public enum TerminalLinks {
    /// Whether the terminal of an environment takes links.
    public static func areKnown(_ variable: (String) -> String?) -> Bool {
        // What is inside of tmux or screen hides the terminal, and older ones drop what they do not know.
        guard variable("TMUX") == nil, variable("STY") == nil else { return false }
        let term = variable("TERM") ?? ""
        if ["xterm-kitty", "foot", "alacritty", "xterm-ghostty", "wezterm"].contains(where: { term.hasPrefix($0) }) {
            return true
        }
        let program = variable("TERM_PROGRAM") ?? ""
        if ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"].contains(program) { return true }
        return variable("WT_SESSION") != nil || (variable("VTE_VERSION").flatMap { Int($0) } ?? 0) >= 5000
    }
}
