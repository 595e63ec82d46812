/// A request to the registry: `{"id"?, "method", "params"?}` (specs/protocol.md, section 1).
public struct RegistryRequest: Sendable, Equatable {
    /// Echoed in the answer as it came: a string, a number, or absent.
    public var id: JSON?
    /// The method's name on the wire.
    public var method: String
    /// The parameters; empty if none came.
    public var params: JSONObject

    /// A request.
    public init(id: JSON?, method: String, params: JSONObject = [:]) {
        self.id = id
        self.method = method
        self.params = params
    }

    /// Reads a request from a frame.
    ///
    /// - Throws: A ``RegistryFault`` with code `invalid_request`, or `parse_error` for what is no JSON.
    public init(json: JSON) throws(RegistryFault) {
        guard let object = json.object else {
            throw RegistryFault(.invalidRequest, "a request must be a JSON object with a 'method'")
        }
        guard let method = object["method"]?.string else {
            throw RegistryFault(.invalidRequest, "missing field 'method'")
        }
        let params = object["params"]
        guard params == nil || params?.isNull == true || params?.object != nil else {
            throw RegistryFault(.invalidRequest, "field 'params' must be an object")
        }
        self.init(id: object["id"], method: method, params: params?.object ?? [:])
    }

    /// The request as it goes out.
    public var json: JSON {
        var object: JSONObject = [:]
        object["id"] = id
        object["method"] = .string(method)
        if !params.members.isEmpty { object["params"] = .object(params) }
        return .object(object)
    }
}

/// The registry's answer to one request.
public struct RegistryResponse: Sendable, Equatable {
    /// The request's id.
    public var id: JSON?
    /// The result, or why there is none.
    public var outcome: Result<JSON, RegistryFault>

    /// An answer.
    public init(id: JSON?, outcome: Result<JSON, RegistryFault>) {
        self.id = id
        self.outcome = outcome
    }

    /// Reads an answer; `nil` for an object that is none (an event).
    public init?(json: JSON) {
        guard let object = json.object, object["event"] == nil else { return nil }
        if let message = object["error"] {
            let code = object["code"]?.string.map(RegistryFault.Code.init(rawValue:)) ?? .unknown
            self.init(id: object["id"], outcome: .failure(RegistryFault(code, message.string ?? message.text)))
        } else if let result = object["result"] {
            self.init(id: object["id"], outcome: .success(result))
        } else {
            return nil
        }
    }

    /// The answer as it goes out.
    public var json: JSON {
        var object: JSONObject = [:]
        object["id"] = id
        switch outcome {
        case .success(let result): object["result"] = result
        case .failure(let fault):
            object["error"] = .string(fault.message)
            object["code"] = .string(fault.code.rawValue)
        }
        return .object(object)
    }
}

extension RegistryResponse {
    /// An answer whose result is JSON text already, as it goes out.
    ///
    /// - Parameters:
    ///   - id: The request's id.
    ///   - result: One JSON value.
    /// - Returns: The answer's text.
    public static func bytes(id: JSON?, result: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(result.count + 48)
        bytes.append(UInt8(ascii: "{"))
        if let id {
            bytes.append(contentsOf: #""id":"#.utf8)
            id.append(to: &bytes)
            bytes.append(UInt8(ascii: ","))
        }
        bytes.append(contentsOf: #""result":"#.utf8)
        bytes.append(contentsOf: result)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}

/// Why the registry refused a request: a text for people, a code for programs.
public struct RegistryFault: Error, Sendable, Equatable {
    /// The reason as programs compare it.
    public struct Code: RawRepresentable, Sendable, Hashable {
        /// The code on the wire.
        public var rawValue: String

        /// A code from the wire.
        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The frame was not JSON.
        public static let parseError = Code(rawValue: "parse_error")
        /// The frame was no request.
        public static let invalidRequest = Code(rawValue: "invalid_request")
        /// No such method.
        public static let methodNotFound = Code(rawValue: "method_not_found")
        /// A parameter is missing or wrong.
        public static let invalidParams = Code(rawValue: "invalid_params")
        /// No such node.
        public static let notFound = Code(rawValue: "not_found")
        /// The node is known, its connection is not.
        public static let offline = Code(rawValue: "offline")
        /// The node's endpoint cannot be reached.
        public static let unreachable = Code(rawValue: "unreachable")
        /// A living agent has this id.
        public static let idInUse = Code(rawValue: "id_in_use")
        /// The caller may not do this.
        public static let forbidden = Code(rawValue: "forbidden")
        /// The path is outside the roots.
        public static let outsideRoots = Code(rawValue: "outside_roots")
        /// Too much under way; try again.
        public static let busy = Code(rawValue: "busy")
        /// Another agent works on the session.
        public static let sessionInUse = Code(rawValue: "session_in_use")
        /// An agent was not started.
        public static let spawnFailed = Code(rawValue: "spawn_failed")
        /// The operating system refused.
        public static let systemError = Code(rawValue: "system_error")
        /// A version 1 peer gave no code.
        public static let unknown = Code(rawValue: "unknown")
    }

    /// For programs.
    public var code: Code
    /// For people: one line.
    public var message: String

    /// A refusal.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
