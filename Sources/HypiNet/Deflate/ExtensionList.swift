/// The values of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).
struct ExtensionList: Equatable {
    /// One extension and what is said about it.
    struct Element: Equatable {
        var name: String
        var parameters: [Parameter]
    }

    /// A name, in small letters, and its value without quotation marks.
    struct Parameter: Equatable {
        var name: String
        var value: String?
    }

    /// In the order of the fields.
    var elements: [Element] = []

    /// Reads all fields of a head; `nil` where one is not what the section says, for which a connection must fail.
    init?(_ fields: [String]) {
        for field in fields {
            var rest = Rest(bytes: Substring(field).utf8)
            repeat {
                guard let element = rest.element() else { return nil }
                elements.append(element)
            } while rest.take(UInt8(ascii: ","))
            guard rest.bytes.isEmpty else { return nil }
        }
    }
}

/// What of a field has not been read.
private struct Rest {
    var bytes: Substring.UTF8View

    mutating func element() -> ExtensionList.Element? {
        guard let name = token() else { return nil }
        var element = ExtensionList.Element(name: name, parameters: [])
        while take(UInt8(ascii: ";")) {
            guard let name = token() else { return nil }
            var parameter = ExtensionList.Parameter(name: name)
            if take(UInt8(ascii: "=")) {
                guard let value = take(UInt8(ascii: "\"")) ? quoted() : token() else { return nil }
                parameter.value = value
            }
            element.parameters.append(parameter)
        }
        return element
    }

    /// Takes a character, with the blanks before it.
    mutating func take(_ character: UInt8) -> Bool {
        skipBlanks()
        guard bytes.first == character else { return false }
        bytes.removeFirst()
        return true
    }

    private mutating func skipBlanks() {
        bytes = bytes.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// A token, in small letters, with the blanks around it; `nil` where there is none.
    private mutating func token() -> String? {
        skipBlanks()
        let found = bytes.prefix { $0.isTokenCharacter }
        bytes = bytes[found.endIndex...]
        skipBlanks()
        return found.isEmpty ? nil : String(Substring(found)).lowercased()
    }

    /// What stands in quotation marks, of which the first has been read; it must be a token, too.
    private mutating func quoted() -> String? {
        var value: [UInt8] = []
        while let byte = bytes.popFirst(), byte != UInt8(ascii: "\"") {
            guard byte != UInt8(ascii: "\\") else {
                guard let escaped = bytes.popFirst() else { return nil }
                value.append(escaped)
                continue
            }
            value.append(byte)
        }
        skipBlanks()
        return value.isEmpty || !value.allSatisfy(\.isTokenCharacter) ? nil : String(decoding: value, as: UTF8.self)
    }
}

extension UInt8 {
    /// RFC 9110 section 5.6.2.
    fileprivate var isTokenCharacter: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
