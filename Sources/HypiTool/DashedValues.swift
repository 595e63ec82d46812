/// Values of options that begin with a dash: `-p '- item'`, `--answer -1`.
///
/// The argument parser takes such a word for the next option. Joined to its option (`--answer=-1`) it can only be a value.
enum DashedValues {
    /// Joins every option that takes a value with the word after it, where that begins with a dash.
    ///
    /// `--` alone stays what it is: the end of the options.
    ///
    /// - Parameters:
    ///   - words: A command line without the program's name.
    ///   - arguments: What the program takes.
    /// - Returns: A command line with the same meaning.
    static func joined(_ words: [String], _ arguments: [CommandSummary.Argument]) -> [String] {
        var longNames: [String: String] = [:]
        for argument in arguments where argument.valueName != nil {
            guard let long = argument.longName else { continue }
            for name in argument.names { longNames[name] = "--" + long }
        }
        var result: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" { return result + [word] + rest }
            guard let name = longNames[word], let value = rest.first, value != "--" else {
                result.append(word)
                continue
            }
            rest.removeFirst()
            result += value.hasPrefix("-") ? ["\(name)=\(value)"] : [word, value]
        }
        return result
    }
}
