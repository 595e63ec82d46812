public import HypiNet

extension Origin: OptionValue {
    /// An origin as `--allow-origin` takes it.
    public init?(argument: String) {
        self.init(argument)
    }

    /// What is expected.
    public static var form: String { "an origin such as https://dash.example:8443, without a path" }
}
