import HypiWire

/// The secret that opens every socket of one person's Hyper-Pi (specs/protocol.md, section 4).
///
/// It is never printed: its description hides it, so that it cannot slip into a log.
public struct Token: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// A token from its text; `nil` if nothing is left without white space around it, or if it holds a control
    /// character, which could not stand in a header field.
    public init?(_ text: some StringProtocol) {
        let isBlank = { (byte: UInt8) in byte <= 0x20 }
        let bytes = Array(text.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
        guard !bytes.isEmpty, !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
        self.bytes = bytes
    }

    /// A new token of 256 random bits, in hexadecimal.
    public static func random() -> Token {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef".utf8)
        let bytes = (0..<64).map { _ in digits[Int.random(in: 0..<16, using: &generator)] }
        return Token(bytes: bytes)
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The secret itself, for the header field and the token file.
    public var secret: String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// Whether it is shorter than ``Limits/tokenCharacters``: what a person has thought of can be guessed.
    public var isShort: Bool {
        secret.count < Limits.tokenCharacters
    }

    /// What to tell the owner of a short one; `nil` of any other.
    public var warning: String? {
        isShort ? "the token has fewer than \(Limits.tokenCharacters) characters and can be guessed" : nil
    }

    /// Whether a peer's text is this token; takes the same time wherever the two differ.
    public func matches(_ candidate: some StringProtocol) -> Bool {
        let candidate = Array(candidate.utf8)
        var difference = UInt8(candidate.count == bytes.count ? 0 : 1)
        for index in candidate.indices {
            difference |= candidate[index] ^ bytes[index % bytes.count]
        }
        return difference == 0
    }

    /// Never the secret.
    public var description: String { "<token>" }
    /// Never the secret.
    public var debugDescription: String { "<token>" }
    /// Never the secret: `dump` of whatever holds a token shows none of its bytes.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
