public import ArgumentParser
public import HypiWire

/// Activities are typed as they stand on the wire; one that nobody knows is a mistake of the person's.
extension Node.Activity: ExpressibleByArgument {
    /// An activity from its name; `nil` for any that this version does not know.
    public init?(argument: String) {
        self.init(rawValue: argument)
        if case .other = self { return nil }
    }

    /// The names that completion offers and help lists.
    public static var allValueStrings: [String] { allCases.map(\.rawValue) }

    /// The name that help shows for a default.
    public var defaultValueDescription: String { rawValue }
}

/// States of registration are typed as they stand on the wire.
extension Node.Status: ExpressibleByArgument {}
