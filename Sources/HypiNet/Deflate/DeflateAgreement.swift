/// How messages may be compressed on one connection (RFC 7692 section 7.1).
///
/// A server is what compresses: its stream is long, and says the same things again and again. So it never agrees to give
/// up its context; a client is asked to give up its own, so that a connection at rest holds no window.
struct DeflateAgreement: Sendable, Equatable {
    static let name = "permessage-deflate"
    /// The logarithms of windows that a server compresses with: few, because each needs a stream of its own.
    private static let servedWindowBits = [9, 12, 15]

    /// The logarithm of the length of the server's window.
    var serverWindowBits = 15
    /// Whether a message of the server may refer to those before it.
    var serverKeepsContext = true
    /// Whether a message of the client may.
    var clientKeepsContext = true

    /// Whether a message of a side may refer to those before it.
    func keepsContext(of side: Role) -> Bool {
        side == .server ? serverKeepsContext : clientKeepsContext
    }

    /// The answer to what a client offers: the first that we can serve.
    ///
    /// - Returns: What is agreed, and the field that says so; `nil` if there is nothing we can serve.
    static func answer(to offers: ExtensionList) -> (agreement: DeflateAgreement, field: String)? {
        for offer in offers.elements where offer.name == name {
            guard let known = Parameters(offer, isAnswer: false), !known.has(.serverNoContext) else { continue }
            var agreement = DeflateAgreement(clientKeepsContext: false)
            var field = "\(name); \(Parameters.Name.clientNoContext.rawValue)"
            if let asked = known.bits(.serverBits) {
                guard let bits = servedWindowBits.last(where: { $0 <= asked }) else { continue }
                agreement.serverWindowBits = bits
                field += "; \(Parameters.Name.serverBits.rawValue)=\(bits)"
            }
            return (agreement, field)
        }
        return nil
    }

    /// What a server made of the offer without parameters that we send.
    ///
    /// - Returns: `nil` if it is not an answer to that, for which the connection must fail (RFC 7692 section 7.1.3).
    init?(answer: ExtensionList) {
        guard answer.elements.count == 1, let element = answer.elements.first, element.name == Self.name,
            let known = Parameters(element, isAnswer: true), known.bits(.clientBits) == nil
        else { return nil }
        serverWindowBits = known.bits(.serverBits) ?? 15
        serverKeepsContext = !known.has(.serverNoContext)
        clientKeepsContext = !known.has(.clientNoContext)
    }

    private init(clientKeepsContext: Bool) {
        self.clientKeepsContext = clientKeepsContext
    }
}

/// The parameters of one element, each known, there once and with a value that is allowed.
private struct Parameters {
    enum Name: String {
        case serverNoContext = "server_no_context_takeover"
        case clientNoContext = "client_no_context_takeover"
        case serverBits = "server_max_window_bits"
        case clientBits = "client_max_window_bits"
    }

    private var values: [Name: Int?] = [:]

    init?(_ element: ExtensionList.Element, isAnswer: Bool) {
        for parameter in element.parameters {
            guard let name = Name(rawValue: parameter.name), values[name] == nil else { return nil }
            switch name {
            case .serverNoContext, .clientNoContext:
                guard parameter.value == nil else { return nil }
                values[name] = .some(nil)
            case .clientBits where parameter.value == nil && !isAnswer:
                values[name] = .some(nil)
            case .serverBits, .clientBits:
                guard let bits = parameter.value.flatMap(Self.bits) else { return nil }
                values[name] = bits
            }
        }
    }

    func has(_ name: Name) -> Bool {
        values[name] != nil
    }

    func bits(_ name: Name) -> Int? {
        values[name] ?? nil
    }

    /// 8 to 15, without leading zeros (section 7.1.2).
    private static func bits(_ text: String) -> Int? {
        guard let bits = Int(text), (8...15).contains(bits), String(bits) == text else { return nil }
        return bits
    }
}
