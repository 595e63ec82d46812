import HypiWire

/// A manual page in mdoc(7), as `man -l` and mandoc(1) read it.
struct ManualPage {
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    private static let lineLength = 72

    private let summary: CommandSummary
    private let manual: Manual
    private let settings: [String]
    private let date: String

    /// A page.
    ///
    /// - Parameters:
    ///   - summary: What the program takes.
    ///   - manual: What else there is to say.
    ///   - settings: Options that the config file sets.
    ///   - now: The date it shows, in milliseconds since the epoch.
    init(_ summary: CommandSummary, _ manual: Manual, settings: [String], now: Int64) {
        self.summary = summary
        self.manual = manual
        self.settings = settings
        let parts = Timestamp.text(milliseconds: now).prefix(10).split(separator: "-").compactMap { Int($0) }
        date = "\(Self.months[parts[1] - 1]) \(parts[2]), \(parts[0])"
    }

    /// The whole page.
    var text: String {
        var lines = [".\\\" Written by '\(summary.name) --generate-manual'.", ".Dd \(date)"]
        lines += [".Dt \(summary.name.uppercased()) 1", ".Os Hyper-Pi \(Version.current)"]
        lines += [".Sh NAME", ".Nm \(summary.name)", ".Nd \(Self.roff(purpose))"]
        lines += [".Sh SYNOPSIS", ".Nm", Self.roff(summary.usage)]
        lines += [".Sh DESCRIPTION"] + Array(manual.description.map(Self.lines).joined(separator: [".Pp"]))
        lines += options
        lines += list("ENVIRONMENT", manual.environment, "Ev") + list("FILES", files, "Pa")
        lines += list("EXIT STATUS", manual.exitStatus + [Self.signals], "Li")
        lines += [".Sh EXAMPLES", ".Bd -literal"] + manual.examples.map(Self.roff) + [".Ed"]
        lines += [".Sh SEE ALSO"] + seeAlso
        return lines.joined(separator: "\n") + "\n"
    }

    private static let signals = Manual.Entry(
        "signal", "Interrupted, or left by the reader of its output, it ends by that signal, as other programs do.")

    private static let programs = [
        "hypi-attach", "hypi-dirs", "hypi-ls", "hypi-spawn", "hypivisor", "pi-demo", "pi-socket",
    ]

    private var files: [Manual.Entry] {
        guard !settings.isEmpty else { return manual.files }
        let names = settings.map { "'\($0)'" }.joined(separator: ", ")
        return manual.files.map { entry in
            guard entry.term == Manual.Entry.configFile.term else { return entry }
            return Manual.Entry(entry.term, "\(entry.meaning) This program takes from it: \(names).")
        }
    }

    private var purpose: String {
        let text = summary.purpose.hasSuffix(".") ? String(summary.purpose.dropLast()) : summary.purpose
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    private var seeAlso: [String] {
        let others = Self.programs.filter { $0 != summary.name }
        return others.map { ".Xr \($0) 1" + ($0 == others.last ? "" : " ,") }
    }

    private var options: [String] {
        let named = Set(manual.sections.flatMap(\.options))
        let plain = summary.arguments.filter { $0.longName.map { !named.contains($0) } ?? true }
        var lines = [".Sh OPTIONS"] + Self.list(plain)
        for section in manual.sections {
            let found = section.options.compactMap { name in summary.arguments.first { $0.longName == name } }
            if !found.isEmpty { lines += [".Ss \(section.title)"] + Self.list(found) }
        }
        return lines
    }

    private static func list(_ arguments: [CommandSummary.Argument]) -> [String] {
        [".Bl -tag -width Ds"] + arguments.flatMap { [item($0)] + lines($0.meaning) } + [".El"]
    }

    private static func item(_ argument: CommandSummary.Argument) -> String {
        let value = argument.valueName.map { " Ar \(roff($0))" } ?? ""
        guard !argument.names.isEmpty else { return ".It" + value }
        return ".It " + argument.names.map { "Fl " + roff(String($0.dropFirst())) }.joined(separator: " , ") + value
    }

    private func list(_ title: String, _ entries: [Manual.Entry], _ macro: String) -> [String] {
        [".Sh \(title)", ".Bl -tag -width Ds"]
            + entries.flatMap { [".It \(macro) " + Self.words($0.term)] + Self.lines($0.meaning) } + [".El"]
    }

    /// The arguments of a macro: commas stand alone, so that they do not look like a part of the term.
    private static func words(_ text: String) -> String {
        roff(text).replacing(", ", with: " , ")
    }

    /// Text in lines as roff likes them: short ones, a new one for each sentence.
    private static func lines(_ text: String) -> [String] {
        var lines: [String] = []
        var isAtEnd = true
        for word in text.split(separator: " ") {
            if let last = lines.last, !isAtEnd, last.utf8.count + 1 + word.utf8.count <= lineLength {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
            isAtEnd = word.hasSuffix(".")
        }
        return lines.map(roff)
    }

    /// Text as roff takes it: no escape and no macro comes from it, and a dash is one that can be typed.
    private static func roff(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\e").replacing("-", with: "\\-").replacing("'", with: "\\(aq")
            .replacing("`", with: "\\(ga").replacing("^", with: "\\(ha").replacing("~", with: "\\(ti")
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }
}
