import HypiWire

/// The parameters of a request, read with a refusal for what is missing or of another type.
///
/// `null` counts as absent, as version 1 peers send it.
struct Params: Sendable {
    /// The parameters as they came.
    let object: JSONObject

    /// A text that must be there and not empty.
    func text(_ key: String) throws(RegistryFault) -> String {
        guard let text = try optionalText(key) else { throw RegistryFault(.invalidParams, "missing field '\(key)'") }
        guard !text.isEmpty else { throw .invalid(key, expected: "a non-empty string") }
        return text
    }

    /// A text that may be absent.
    func optionalText(_ key: String) throws(RegistryFault) -> String? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let text = value.string else { throw .invalid(key, expected: "a string") }
        return text
    }

    /// A truth value; false where it is absent.
    func flag(_ key: String) throws(RegistryFault) -> Bool {
        guard let value = object[key], !value.isNull else { return false }
        guard let flag = value.bool else { throw .invalid(key, expected: "true or false") }
        return flag
    }

    /// Texts in order; none where the field is absent.
    func texts(_ key: String) throws(RegistryFault) -> [String] {
        guard let value = object[key], !value.isNull else { return [] }
        guard let array = value.array else { throw .invalid(key, expected: "an array of strings") }
        let texts = array.compactMap(\.string)
        guard texts.count == array.count else { throw .invalid(key, expected: "an array of strings") }
        return texts
    }
}

extension RegistryFault {
    /// A field has another type, or a value outside its range.
    static func invalid(_ key: String, expected: String) -> RegistryFault {
        RegistryFault(.invalidParams, "field '\(key)' must be \(expected)")
    }
}
