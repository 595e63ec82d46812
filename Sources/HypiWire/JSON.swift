/// A JSON value that keeps what a general coder throws away: the order of an object's members and the text of a number.
///
/// Records of pi and ids of peers are passed on as they came, so `1.0` must not become `1` and `{"type":...,"id":...}`
/// must not be shuffled; Foundation's coders do both. Source: RFC 8259.
public enum JSON: Sendable, Hashable {
    /// The literal `null`.
    case null
    /// The literals `true` and `false`.
    case bool(Bool)
    /// A number, as the text that stood on the wire.
    case number(JSONNumber)
    /// A string, unescaped.
    case string(String)
    /// An array, in order.
    case array([JSON])
    /// An object, members in order.
    case object(JSONObject)
}

extension JSON {
    /// A number from an integer.
    public static func int(_ value: some BinaryInteger) -> JSON {
        .number(JSONNumber(value))
    }

    /// A number from a floating-point value; what JSON cannot say (NaN, infinities) becomes `null`.
    public static func double(_ value: Double) -> JSON {
        JSONNumber(value).map(JSON.number) ?? .null
    }

    /// The member `key` of an object; `nil` for anything that is not an object or has no such member.
    public subscript(key: String) -> JSON? {
        object?[key]
    }

    /// The element `index` of an array; `nil` for anything that is not an array or is shorter.
    public subscript(index: Int) -> JSON? {
        guard let array, array.indices.contains(index) else { return nil }
        return array[index]
    }

    /// The object's members, if this is an object.
    public var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// The elements, if this is an array.
    public var array: [JSON]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The text, if this is a string.
    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The truth value, if this is one.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The number as an integer, if it is one that fits.
    public var int: Int? {
        if case .number(let value) = self { value.int } else { nil }
    }

    /// The number as a floating-point value, if this is a number.
    public var double: Double? {
        if case .number(let value) = self { value.double } else { nil }
    }

    /// Whether this is the literal `null`.
    public var isNull: Bool {
        self == .null
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A number without a fraction.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A number with a fraction.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object; members keep the order in which they are written.
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
    /// The literal `null`.
    public init(nilLiteral: ()) { self = .null }
}

/// A JSON number as the text that stood on the wire, so that it goes out as it came in.
public struct JSONNumber: Sendable, Hashable {
    /// The number's text; always valid by RFC 8259 section 6.
    public let text: String

    /// A number whose text a parser has already found valid.
    init(validText text: String) {
        self.text = text
    }

    /// A number from an integer.
    public init(_ value: some BinaryInteger) {
        text = String(value)
    }

    /// A number from a floating-point value; `nil` for NaN and infinities, which JSON does not have.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        if value == value.rounded(), abs(value) < 9e15 {
            text = String(Int64(clamping: value))
        } else {
            text = value.description
        }
    }

    /// The value, if it is an integer that fits.
    public var int: Int? {
        if let exact = Int(text) { return exact }
        guard let value = Double(text) else { return nil }
        return Int(exactly: value)
    }

    /// The nearest floating-point value.
    public var double: Double {
        Double(text) ?? .nan
    }
}
