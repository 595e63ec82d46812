import ArgumentParser

/// A completion script as the argument parser writes it, without the subcommand `help` that our programs do not have, and
/// with a bash part of our own (``BashCompletion``).
///
/// The parser adds it to every script (swift-argument-parser 1.8, DumpHelpGenerator.swift: "this is a hack to inject the
/// help command"). zsh refuses a program that has it beside repeated arguments: "doubled rest argument definition".
struct CompletionScript {
    /// Lines that go together: from the first that starts so up to the first that is exactly the other.
    private struct Cut {
        var start: String
        var end: String
        /// Whether the last line goes, too.
        var isEndIncluded = true
    }

    private let shell: CompletionShell
    private let tool: String
    private let generated: String

    init(_ shell: CompletionShell, _ command: (some ToolCommand).Type) {
        self.shell = shell
        tool = command.configuration.commandName ?? "\(command)"
        generated = command.completionScript(for: shell)
    }

    /// The script.
    var text: String {
        var lines = generated.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for cut in cuts { lines = Self.lines(lines, without: cut) }
        lines = lines.flatMap(corrected)
        if shell == .bash { lines = BashCompletion(tool).lines(lines) }
        let isForeign = { [unwanted] (line: String) in unwanted.contains(where: line.contains) }
        return lines.filter { !isForeign($0) }.joined(separator: "\n")
    }

    /// What the parser's lines do wrong with text that is not plain.
    private func corrected(_ line: String) -> [String] {
        switch (shell, line) {
        case (.zsh, "    unsetopt aliases banghist"):
            // With the option off, compadd inserts a candidate's '!' unquoted, and Enter expands it.
            return ["    unsetopt aliases"]
        case (.zsh, "    if [[ \"${#completions[@]}\" -gt 1 ]]; then"):
            return ["    # A quoted tilde would not be the home folder.", Self.tilde, line]
        case (.fish, "    set -l subdirs $token*/"):
            return ["    __fish_complete_directories $token ''"]
        case (.fish, "    string match -- '*/' $token"), (.fish, "    printf %s\\n $subdirs"): return []
        default: return [line]
        }
    }

    private static let tilde = #"    compset -P '\~/' && completions=("${(@)completions#\~/}")"#

    private var cuts: [Cut] {
        let function = Cut(start: "_\(tool)_help() {", end: "}")
        switch shell {
        case .zsh: return [Cut(start: "    case \"${state}\" in", end: "    esac"), function]
        case .bash:
            let offer = "    # Offer subcommand / subcommand argument completions"
            return [Cut(start: offer, end: "}", isEndIncluded: false), function]
        default: return [Cut(start: "        switch $unparsed_tokens[1]", end: "        end")]
        }
    }

    private var unwanted: [String] {
        switch shell {
        case .zsh: ["'(-): :->command'", "'(-)*:: :->arg'"]
        case .fish: ["Show subcommand help information.", "\"\(tool) help\""]
        default: []
        }
    }

    private static func lines(_ lines: [String], without cut: Cut) -> [String] {
        guard let start = lines.firstIndex(where: { $0.hasPrefix(cut.start) }),
            let end = lines[start...].firstIndex(of: cut.end)
        else { return lines }
        // A blank line on both sides would be two.
        let isLoose = start > 0 && lines[start - 1].isEmpty
        return Array(lines[..<(isLoose ? start - 1 : start)]) + lines[(cut.isEndIncluded ? end + 1 : end)...]
    }
}
