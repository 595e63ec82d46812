/// Finds where an escape sequence ends in dressed text, which has only ours and the colours of tools.
enum EscapeSequence {
    /// Takes the rest of a sequence whose ESC was taken: `[ ... letter`, or `] ... ST` for a link.
    static func rest(_ iterator: inout String.UnicodeScalarView.Iterator) -> String.UnicodeScalarView {
        var sequence = String.UnicodeScalarView()
        guard let kind = iterator.next() else { return sequence }
        sequence.append(kind)
        guard kind == "[" || kind == "]" else { return sequence }
        var previous = kind
        while let next = iterator.next() {
            sequence.append(next)
            if kind == "[" ? ("@"..."~").contains(next) : next == "\u{7}" || previous == "\u{1B}" { break }
            previous = next
        }
        return sequence
    }
}
