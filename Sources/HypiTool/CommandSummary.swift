import ArgumentParser
import HypiWire

/// What the argument parser knows of a program, read from its own description.
struct CommandSummary {
    /// One option, flag or positional argument.
    struct Argument {
        /// Its names with dashes, short ones first; empty for a positional one.
        var names: [String]
        /// What its value is called; `nil` for a flag.
        var valueName: String?
        /// What it does, in a line.
        var abstract: String
        /// The values it can have; empty if there are too many.
        var values: [String]
        /// The value it has when it is not given, where the parser knows.
        var defaultValue: String?
        /// Whether help and manual leave it out.
        var isHidden: Bool

        /// Its long name without dashes.
        var longName: String? {
            names.first { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
        }

        /// What it does, with what it can be and is without being given.
        var meaning: String {
            var remarks: [String] = []
            if !values.isEmpty { remarks.append(values.joined(separator: ", ")) }
            if let defaultValue { remarks.append("default: \(defaultValue)") }
            guard !remarks.isEmpty else { return abstract }
            return "\(abstract) (\(remarks.joined(separator: "; ")))"
        }
    }

    /// The program's name.
    let name: String
    /// What it is for, in a line.
    let purpose: String
    /// How it is called, behind its name.
    let usage: String
    /// What it takes, in the order of its source; without what is hidden.
    var arguments: [Argument] { allArguments.filter { !$0.isHidden } }
    /// The same, with what is hidden.
    let allArguments: [Argument]

    /// The summary of a program.
    init(_ command: (some ParsableCommand).Type) {
        let configuration = command.configuration
        let name = configuration.commandName ?? "\(command)"
        self.name = name
        purpose = configuration.abstract
        usage = configuration.usage.map { $0.hasPrefix(name + " ") ? String($0.dropFirst(name.count + 1)) : $0 } ?? ""
        // The parser's own output: it is JSON, or the parser is not the one this was built with.
        let dump = try? JSON(parsing: command._dumpHelp())
        allArguments = (dump?["command"]?["arguments"]?.array ?? []).compactMap(Self.argument)
    }

    private static func argument(_ json: JSON) -> Argument? {
        let names = (json["names"]?.array ?? []).compactMap { name -> String? in
            guard let text = name["name"]?.string else { return nil }
            return name["kind"] == "short" ? "-" + text : "--" + text
        }
        let isPositional = json["kind"] == "positional"
        return Argument(
            names: names.sorted { $0.utf8.count < $1.utf8.count },
            valueName: json["kind"] == "flag" ? nil : json["valueName"]?.string,
            abstract: json["abstract"]?.string ?? "", values: (json["allValues"]?.array ?? []).compactMap(\.string),
            defaultValue: isPositional ? nil : json["defaultValue"]?.string,
            isHidden: json["shouldDisplay"]?.bool != true)
    }
}
