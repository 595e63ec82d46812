import ArgumentParser

/// Options that a program takes from the config file, where neither the command line nor the environment has them.
public struct Settings: Sendable {
    /// One option and the variables that are stronger than the config file.
    public struct Item: Sendable {
        /// The option's long name, without dashes.
        public let option: String
        /// Variables that mean the same.
        public let variables: [String]

        /// An item.
        public init(_ option: String, _ variables: String...) {
            self.option = option
            self.variables = variables
        }
    }

    /// No option beyond those that ``EndpointOptions`` and ``TimeoutOptions`` look up themselves.
    public static let none = Settings([])

    private let items: [Item]

    /// Settings.
    public init(_ items: [Item]) {
        self.items = items
    }

    /// The long names, for the manual.
    var names: [String] { items.map(\.option) }

    /// A word to put before a command line, and the line of the config file that it comes from.
    struct Word: Sendable {
        let text: String
        let setting: ConfigFile.Setting
    }

    /// The options that the config file has for this command line, as words to put before it.
    ///
    /// - Throws: ``Failure`` with status 78 if the file cannot be read, or a flag is neither true nor false.
    func words(
        before words: [String], of summary: @autoclosure () -> CommandSummary, _ environment: Environment
    ) throws(Failure) -> [Word] {
        guard !items.isEmpty else { return [] }
        let file = try ConfigFile(environment: environment)
        let wanted = items.filter { item in
            file[item.option] != nil && !item.variables.contains { environment[$0] != nil }
        }
        guard !wanted.isEmpty else { return [] }
        let (own, arguments) = (words.prefix { $0 != "--" }, summary().arguments)
        var result: [Word] = []
        for argument in arguments {
            guard let option = argument.longName, wanted.contains(where: { $0.option == option }),
                !Self.isTyped(argument, in: own)
            else { continue }
            let isFlag = argument.valueName == nil
            if isFlag, try !file.flag(option) { continue }
            for setting in file.settings(of: option) {
                result.append(Word(text: isFlag ? "--\(option)" : "--\(option)=\(setting.value)", setting: setting))
            }
        }
        return result
    }

    /// Whether an option is on the command line; a list of it would only be added to, and whoever types one means that.
    private static func isTyped(_ argument: CommandSummary.Argument, in words: some Sequence<String>) -> Bool {
        words.contains { word in
            argument.names.contains { word == $0 || word.hasPrefix($0 + "=") || isShort($0, gluedIn: word) }
        }
    }

    /// `-p8080` is `-p` with a value.
    private static func isShort(_ name: String, gluedIn word: String) -> Bool {
        name.utf8.count == 2 && word.hasPrefix(name)
    }
}
