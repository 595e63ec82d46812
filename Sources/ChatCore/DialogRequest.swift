import HypiWire

/// What an extension asks of a person, or tells one (pi's `docs/rpc-extension-ui.md`).
public struct DialogRequest: Sendable, Equatable {
    /// What is asked.
    public enum Question: Sendable, Equatable {
        /// One of several texts.
        case select([String])
        /// Yes or no.
        case confirm(String)
        /// A line of text.
        case input(placeholder: String)
        /// A longer text.
        case editor(prefill: String)
        /// Nothing: a notification of a kind (`info`, `warning`, `error`).
        case notify(kind: String)
        /// Nothing: a text for the input line.
        case editorText(String)
        /// Nothing that a terminal shows: a status, a widget, a title.
        case display
    }

    /// Names the dialog in its answer.
    public var id: String
    /// The question's headline, or the notification's text.
    public var title: String
    /// What is asked.
    public var question: Question
    /// Milliseconds until pi takes the default; `nil` if it waits.
    public var timeout: Int?

    /// A request from its record; `nil` for what is none.
    init?(_ record: JSON) {
        let record = record["payload"]?.object == nil ? record : record["payload"] ?? record
        guard let id = record["id"]?.string, let method = record["method"]?.string else { return nil }
        self.id = id
        title = record["title"]?.string ?? record["message"]?.string ?? ""
        timeout = record["timeout"]?.int
        switch method {
        case "select": question = .select((record["options"]?.array ?? []).map { $0.string ?? $0.text })
        case "confirm": question = .confirm(record["message"]?.string ?? "")
        case "input": question = .input(placeholder: record["placeholder"]?.string ?? "")
        case "editor": question = .editor(prefill: record["prefill"]?.string ?? "")
        case "notify": question = .notify(kind: record["notifyType"]?.string ?? "info")
        case "set_editor_text": question = .editorText(record["text"]?.string ?? "")
        default: question = .display
        }
    }

    /// Whether pi waits for an answer.
    public var needsAnswer: Bool {
        switch question {
        case .select, .confirm, .input, .editor: true
        case .notify, .editorText, .display: false
        }
    }

    /// The question in one line, with what may be answered.
    public var summary: String {
        switch question {
        case .select(let options): "\(title) [\(options.joined(separator: " | "))]"
        case .confirm(let message): (message.isEmpty ? title : "\(title): \(message)") + " [y/n]"
        case .input(let placeholder): placeholder.isEmpty ? title : "\(title) (\(placeholder))"
        case .editor: "\(title) [text]"
        case .notify, .editorText, .display: title
        }
    }
}

/// What a person answers.
public enum DialogAnswer: Sendable, Equatable {
    /// A chosen option, or a text.
    case value(String)
    /// Yes or no.
    case confirmed(Bool)
    /// No answer.
    case cancelled

    /// Reads what a person typed as an answer to a question.
    ///
    /// An option is named by its number or its text; yes and no by their first letter.
    ///
    /// - Returns: `nil` if it is no answer to this question.
    public init?(_ text: String, to request: DialogRequest) {
        switch request.question {
        case .select(let options):
            if options.contains(text) {
                self = .value(text)
            } else if let number = Int(text), options.indices.contains(number - 1) {
                self = .value(options[number - 1])
            } else {
                return nil
            }
        case .confirm:
            switch text.lowercased() {
            case "y", "yes", "true": self = .confirmed(true)
            case "n", "no", "false": self = .confirmed(false)
            default: return nil
            }
        case .input, .editor: self = .value(text)
        case .notify, .editorText, .display: return nil
        }
    }

    /// The frame for the agent.
    func frame(id: String) -> JSON {
        switch self {
        case .value(let text): ["type": "extension_ui_response", "id": .string(id), "value": .string(text)]
        case .confirmed(let flag): ["type": "extension_ui_response", "id": .string(id), "confirmed": .bool(flag)]
        case .cancelled: ["type": "extension_ui_response", "id": .string(id), "cancelled": true]
        }
    }
}
