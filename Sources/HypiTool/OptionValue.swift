public import ArgumentParser

/// A value of an option that says what was expected where a text is none.
///
/// The parser's own `ExpressibleByArgument` can only say that a text is wrong.
public protocol OptionValue: Sendable {
    /// A value from its text; `nil` if it is none.
    init?(argument: String)

    /// What is expected, such as `a time such as 30s`.
    static var form: String { get }
}

/// A text that is no value of its kind.
struct OptionFault: Error, CustomStringConvertible {
    /// What would have been right.
    let form: String

    var description: String { "expected \(form)" }
}

extension Option {
    /// An option with such a value, and none where it is not given.
    ///
    /// - Parameters:
    ///   - name: Its names.
    ///   - parsing: Which word is taken for its value.
    ///   - help: What it does.
    public init<T: OptionValue>(
        name: NameSpecification = .long, parsing: SingleValueParsingStrategy = .next, help: ArgumentHelp? = nil
    ) where Value == T? {
        self.init(name: name, parsing: parsing, help: help) { (text: String) throws -> T in
            guard let value = T(argument: text) else { throw OptionFault(form: T.form) }
            return value
        }
    }

    /// An option with such values that may be given more than once.
    ///
    /// - Parameters:
    ///   - wrappedValue: The values it has where it is not given.
    ///   - help: What it does.
    public init<T: OptionValue>(wrappedValue: [T], help: ArgumentHelp? = nil) where Value == [T] {
        self.init(wrappedValue: wrappedValue, name: .long, help: help) { (text: String) throws -> T in
            guard let value = T(argument: text) else { throw OptionFault(form: T.form) }
            return value
        }
    }
}
