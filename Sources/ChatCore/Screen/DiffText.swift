import HypiWire

/// Edits of files as coloured lines.
enum DiffText {
    /// A line of a diff in its colour.
    static func dress(_ line: String, _ style: Style) -> String {
        switch line.first {
        case "+": style.green(line)
        case "-": style.red(line)
        case "@": style.cyan(line)
        default: style.dim(line)
        }
    }

    /// What a tool call changes, where its result does not say so: the texts of an edit, or a file that is written.
    static func of(_ name: String, _ arguments: JSON) -> String? {
        switch name {
        case "write": arguments["content"]?.string.map { lines($0, "+") }
        case "edit":
            edits(arguments).map { edit in
                edit.map { lines($0.old, "-") + "\n" + lines($0.new, "+") }.joined(separator: "\n")
            }
        default: nil
        }
    }

    private static func edits(_ arguments: JSON) -> [(old: String, new: String)]? {
        let list = arguments["edits"]?.array ?? [arguments]
        let edits = list.compactMap { edit -> (old: String, new: String)? in
            guard let old = edit["oldText"]?.string, let new = edit["newText"]?.string else { return nil }
            return (old, new)
        }
        return edits.isEmpty ? nil : edits
    }

    private static func lines(_ text: String, _ mark: String) -> String {
        let text = text.hasSuffix("\n") ? String(text.dropLast()) : text
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { mark + $0 }.joined(separator: "\n")
    }
}
