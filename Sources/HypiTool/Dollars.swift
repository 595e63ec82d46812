/// An amount of US dollars as it is typed: `2`, `0.50`; never negative.
public struct Dollars: OptionValue, Equatable {
    /// The amount.
    public let amount: Double
    /// The text it was read from.
    public let text: String

    /// What is expected.
    public static let form = "an amount such as 2.50"

    /// Reads an amount; `nil` if the text is none or negative.
    public init?(argument: String) {
        guard let amount = Double(argument), amount.isFinite, amount >= 0 else { return nil }
        self.amount = amount
        text = argument
    }
}
