/// A number of bytes on the command line: `4096`, `64K`, `16M`, `1G`; powers of 1024.
public struct ByteSize: OptionValue, Equatable {
    /// The number of bytes.
    public var byteCount: Int

    /// What is expected.
    public static let form = "a size such as 64K or 16M"

    /// A size from its text; `nil` if it is none.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits), value < 1 << 40 else { return nil }
        switch argument.dropFirst(digits.count).uppercased() {
        case "", "B": byteCount = value
        case "K", "KB", "KIB": byteCount = value << 10
        case "M", "MB", "MIB": byteCount = value << 20
        case "G", "GB", "GIB": byteCount = value << 30
        default: return nil
        }
    }
}
