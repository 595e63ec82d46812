/// Colours a line of code: key words, strings, comments and numbers.
///
/// It knows families of languages, not grammars.
struct CodeHighlighter: Sendable {
    private struct Family {
        var words: Set<String>
        var lineComments: [String]
        var hasBlockComments = false
        var hasBackticks = false
    }

    private let family: Family?
    private let isDiff: Bool
    private let style: Style
    /// What ends the comment or string that is open at the end of a line.
    private var open: (end: String, isComment: Bool)?

    /// A highlighter for the word after a fence; an unknown one gives the code one colour.
    init(_ language: String, _ style: Style) {
        let name = language.lowercased().prefix { $0.isLetter || $0.isNumber || "+#-".contains($0) }
        family = Self.families[String(name)]
        isDiff = ["diff", "patch"].contains(name)
        self.style = style
    }

    /// The line, coloured; the next one continues what it leaves open.
    mutating func dress(_ line: String) -> String {
        guard style.isColoured else { return line }
        if isDiff { return DiffText.dress(line, style) }
        guard let family else { return style.cyan(line) }
        var result = ""
        var rest = line[...]
        while !rest.isEmpty {
            if let open {
                let end = rest.firstRange(of: open.end)?.upperBound
                let piece = String(rest[..<(end ?? rest.endIndex)])
                result += open.isComment ? style.dim(piece) : style.green(piece)
                rest = end.map { rest[$0...] } ?? ""
                if end != nil { self.open = nil }
                continue
            }
            result += next(&rest, family)
        }
        return result
    }

    private mutating func next(_ rest: inout Substring, _ family: Family) -> String {
        if family.lineComments.contains(where: { rest.hasPrefix($0) }) {
            defer { rest = "" }
            return style.dim(String(rest))
        }
        if family.hasBlockComments, rest.hasPrefix("/*") {
            open = ("*/", true)
            rest = rest.dropFirst(2)
            return style.dim("/*")
        }
        for quotes in ["\"\"\"", "'''"] where rest.hasPrefix(quotes) {
            open = (quotes, false)
            rest = rest.dropFirst(3)
            return style.green(quotes)
        }
        guard let first = rest.first else { return "" }
        if first == "\"" || first == "'" || first == "`" && family.hasBackticks { return string(&rest, first) }
        if first.isLetter || first == "_" || first == "@" || first == "#" {
            let word = rest.prefix { $0.isLetter || $0.isNumber || "_@#".contains($0) }
            rest = rest[word.endIndex...]
            return family.words.contains(String(word)) ? style.magenta(String(word)) : String(word)
        }
        if first.isNumber {
            let number = rest.prefix { $0.isLetter || $0.isNumber || "._".contains($0) }
            rest = rest[number.endIndex...]
            return style.yellow(String(number))
        }
        let other = rest.prefix { character in
            !character.isLetter && !character.isNumber && !"\"'`_@#/-".contains(character)
        }
        let piece = other.isEmpty ? rest.prefix(1) : other
        rest = rest[piece.endIndex...]
        return String(piece)
    }

    /// A string that ends on its line; an apostrophe that has no other half is one.
    private func string(_ rest: inout Substring, _ quote: Character) -> String {
        var end = rest.index(after: rest.startIndex)
        while end < rest.endIndex, rest[end] != quote {
            if rest[end] == "\\", rest.index(after: end) < rest.endIndex { end = rest.index(after: end) }
            end = rest.index(after: end)
        }
        guard end < rest.endIndex else {
            defer { rest = rest.dropFirst() }
            return String(rest.prefix(1))
        }
        let piece = String(rest[...end])
        rest = rest[rest.index(after: end)...]
        return style.green(piece)
    }

    // MARK: Languages

    private static let families: [String: Family] = {
        var families: [String: Family] = [:]
        let add = { (names: String, words: String, comments: [String], blocks: Bool, ticks: Bool) in
            let words = Set(words.split(separator: " ").map(String.init))
            for name in names.split(separator: " ") {
                families[String(name)] = Family(
                    words: words, lineComments: comments, hasBlockComments: blocks, hasBackticks: ticks)
            }
        }
        add(
            "swift",
            """
            actor any as associatedtype async await break case catch class continue default defer deinit do else enum \
            extension fallthrough false fileprivate final for func get guard if import in init inout internal is lazy let \
            mutating nil open operator override private protocol public repeat rethrows return self Self set some static \
            struct subscript super switch throw throws true try typealias var weak where while
            """, ["//"], true, false)
        add(
            "js javascript jsx ts typescript tsx mjs",
            """
            abstract any as async await break case catch class const continue debugger declare default delete do else \
            enum export extends false finally for from function get if implements import in instanceof interface keyof let \
            namespace new null of private protected public readonly return set static super switch this throw true try \
            type typeof undefined var void while with yield
            """, ["//"], true, true)
        add(
            "c h cpp c++ cc hpp java kotlin kt cs csharp c# rust rs go golang scala dart php objc zig",
            """
            abstract as async auto await bool boolean break byte case catch chan char class const constexpr continue crate \
            def default defer delete do double dyn else enum explicit export extends extern false final finally float fn \
            for foreach friend func function go goto if impl implements import in include inline instanceof int interface \
            internal is let long loop map match mod module mut mutable namespace new nil null nullptr object operator \
            override package private protected pub public range ref register return select self short signed sizeof \
            static string struct super switch template this throw throws trait true try type typedef typename union \
            unsafe unsigned use using val var virtual void volatile when where while #include #define #ifdef #ifndef \
            #endif #if #else
            """, ["//"], true, false)
        add(
            "py python python3",
            """
            and as assert async await break case class continue def del elif else except False finally for from global \
            if import in is lambda match None nonlocal not or pass raise return self True try while with yield
            """, ["#"], false, false)
        add(
            "rb ruby",
            """
            alias and begin break case class def do else elsif end ensure false for if in module next nil not or redo \
            require rescue retry return self super then true undef unless until when while yield
            """, ["#"], false, false)
        add(
            "sh bash zsh shell console fish dockerfile docker make makefile",
            """
            alias case cd do done echo elif else esac eval exec exit export fi for function if in local read return set \
            shift source then trap unset until while FROM RUN COPY ADD ENV CMD ENTRYPOINT WORKDIR ARG EXPOSE
            """, ["#"], false, false)
        add("yaml yml toml ini conf", "true false null yes no on off", ["#", ";"], false, false)
        add("json jsonc json5", "true false null", ["//"], false, false)
        add(
            "sql sqlite postgres postgresql mysql",
            """
            select from where and or not insert into values update set delete create table index view drop alter add \
            column primary key foreign references join left right inner outer on as group by order having limit offset \
            union all distinct null is in like between exists case when then else end begin commit rollback SELECT FROM \
            WHERE AND OR NOT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE INDEX VIEW DROP ALTER ADD COLUMN PRIMARY \
            KEY FOREIGN REFERENCES JOIN LEFT RIGHT INNER OUTER ON AS GROUP BY ORDER HAVING LIMIT OFFSET UNION ALL \
            DISTINCT NULL IS IN LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END BEGIN COMMIT ROLLBACK
            """, ["--"], true, false)
        add(
            "lua",
            """
            and break do else elseif end false for function goto if in local nil not or repeat return then true until while
            """, ["--"], false, false)
        add("css scss less", "important media import keyframes", ["//"], true, false)
        return families
    }()
}
