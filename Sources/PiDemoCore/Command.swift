import HypiWire

/// One command of the client: what it asked, and how it is answered.
struct Command: Sendable {
    /// The id as it came, of whatever type; `nil` if there was none.
    let id: JSON?
    /// The `type` as it came; `nil` if there was none.
    let type: JSON?
    let fields: JSON

    /// The command in a record that is JSON, be it an object or not.
    init(_ record: JSON) {
        id = record["id"]
        type = record["type"]
        fields = record
    }

    subscript(key: String) -> JSON? {
        fields[key]
    }

    /// The answer that it was done.
    func success(_ data: JSON? = nil) -> JSON {
        var response = opening(id, type)
        response["success"] = true
        response["data"] = data
        return .object(response)
    }

    /// The answer that it was refused.
    func failure(_ error: String) -> JSON {
        Self.failure(id, type, error)
    }

    /// A refusal with just this id and command.
    static func failure(_ id: JSON?, _ type: JSON?, _ error: String) -> JSON {
        var response = Command.opening(id, type)
        response["success"] = false
        response["error"] = .string(error)
        return .object(response)
    }

    private func opening(_ id: JSON?, _ type: JSON?) -> JSONObject {
        Self.opening(id, type)
    }

    private static func opening(_ id: JSON?, _ type: JSON?) -> JSONObject {
        var response: JSONObject = [:]
        response["id"] = id
        response["type"] = "response"
        response["command"] = type
        return response
    }
}

/// What JavaScript says when pi uses a field that is missing or of the wrong type; pi answers with these words.
enum FieldFault {
    /// `expression.method()` on something that is no string.
    static func calling(_ method: String, on value: JSON?, _ expression: String) -> String {
        switch value {
        case nil: "Cannot read properties of undefined (reading '\(method)')"
        case .null?: "Cannot read properties of null (reading '\(method)')"
        default: "\(expression).\(method) is not a function"
        }
    }

    /// A value inside a template string.
    static func interpolated(_ value: JSON?) -> String {
        switch value {
        case nil: "undefined"
        case .string(let text)?: text
        case .object?: "[object Object]"
        case .array(let elements)?: elements.map { $0.isNull ? "" : interpolated($0) }.joined(separator: ",")
        case let value?: value.text
        }
    }
}
