import HypiWire

/// A question to the person behind the client, of which the command that asked waits for the answer.
struct Dialog {
    /// pi's dialog methods.
    enum Kind: String, CaseIterable, Sendable {
        case select, confirm, input, editor
    }

    /// Takes the client's answer; ends without one when the dialog times out or nobody is left to answer.
    let answers: AsyncStream<JSON>.Continuation
    /// What closes the dialog without an answer after its time.
    var timer: Task<Void, Never>?

    /// The request of this kind, in pi's key order.
    static func request(_ kind: Kind, id: String, timeoutMilliseconds: Int?) -> JSON {
        var request: JSONObject = [
            "type": "extension_ui_request", "id": .string(id), "method": .string(kind.rawValue),
        ]
        switch kind {
        case .select:
            request["title"] = "Allow dangerous command?"
            request["options"] = ["Allow", "Block"]
        case .confirm:
            request["title"] = "Clear session?"
            request["message"] = "All messages will be lost."
        case .input:
            request["title"] = "Enter a value"
            request["placeholder"] = "type something..."
        case .editor:
            request["title"] = "Edit some text"
            request["prefill"] = "Line 1\nLine 2"
        }
        // pi's editor has no timeout.
        if kind != .editor { request["timeout"] = timeoutMilliseconds.map { .int($0) } }
        return .object(request)
    }

    /// What the asking command receives: cancelled, unanswered and ill-shaped answers are `false` or `nil`, as in pi.
    static func value(_ kind: Kind, of response: JSON?) -> JSON? {
        let isCancelled = response?["cancelled"]?.bool == true
        switch kind {
        case .confirm: return .bool(!isCancelled && response?["confirmed"]?.bool == true)
        case .select, .input, .editor: return isCancelled ? nil : response?["value"]
        }
    }

    /// The answer in words, as the command reports it; somebody cancelled where there is none, or nobody was there.
    static func report(_ kind: Kind, _ value: JSON?) -> String {
        let words =
            switch value {
            case .string(let text) where kind != .editor: text
            case let value?: value.text
            case nil: "no answer"
            }
        return "\(kind.rawValue): \(words)"
    }
}
