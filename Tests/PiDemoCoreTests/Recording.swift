import Foundation
import HypiWire

/// One recorded run of a real pi.
struct Recording {
    /// What was written to pi's stdin, in order.
    var input: [String] = []
    /// What pi wrote to stdout, in order.
    var output: [JSON] = []
    /// Both, in order.
    var lines: [(isInput: Bool, text: String)] = []

    init(_ name: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = folder.appendingPathComponent("Fixtures/pi-rpc/\(name).jsonl")
        let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        for line in text.split(separator: "\n") {
            let entry = try JSON(parsing: String(line))
            guard let content = entry["line"]?.string else { continue }
            switch entry["dir"]?.string {
            case "in":
                input.append(content)
                lines.append((true, content))
            case "out":
                output.append(try JSON(parsing: content))
                lines.append((false, content))
            default: break
            }
        }
    }

    static let all = [
        "01-startup", "02-text", "03-thinking", "04-tools", "05-busy", "06-idle-followup", "07-abort", "08-errors",
        "09-dialogs", "10-commands", "11-malformed", "12-unicode", "real-0.58.3/04b-tools-failing",
        "real-0.58.3/06b-abort-tool", "real-0.58.3/07c-retry-exhausted", "real-0.58.3/07d-retry-aborted",
        "real-0.58.3/08b-ui-timeout", "real-0.58.3/08e-ui-parallel-and-errors",
        "real-0.58.3/09a-commands", "real-0.58.3/09c-auto-compaction-threshold", "real-0.58.3/10-malformed",
    ]
}

/// What a record is made of: a name for each object in it, and its keys in order.
struct Shape: Hashable, CustomStringConvertible {
    let name: String
    let keys: [String]

    var description: String {
        "\(name): \(keys.joined(separator: ", "))"
    }

    /// The shapes of the objects in a record.
    static func all(in record: JSON) -> Set<Shape> {
        var shapes: Set<Shape> = []
        let type = record["type"]?.string ?? "?"
        let detail = record["method"]?.string ?? record["command"]?.string ?? ""
        let success = record["success"]?.bool.map { $0 ? " ok" : " failed" } ?? ""
        // What an extension command's dialog is called is its own affair, and a response's id is optional.
        shapes.insert(
            Shape(name: "\(type) \(type == "response" ? "" : detail)\(success)", keys: keys(record, without: ["id"])))
        if type == "response", let data = record["data"] { add(data, "\(detail).data", &shapes) }
        for key in ["message", "result", "partialResult", "assistantMessageEvent"] {
            if let value = record[key], value.object != nil { add(value, key, &shapes) }
        }
        for message in (record["messages"] ?? record["data"]?["messages"])?.array ?? [] {
            add(message, "message", &shapes)
        }
        return shapes
    }

    private static func add(_ value: JSON, _ name: String, _ shapes: inout Set<Shape>) {
        let kind = value["role"]?.string ?? (name == "assistantMessageEvent" ? value["type"]?.string : nil) ?? ""
        shapes.insert(Shape(name: "\(name) \(kind)", keys: keys(value, without: [])))
        for block in value["content"]?.array ?? [] {
            shapes.insert(Shape(name: "block \(block["type"]?.string ?? "?")", keys: keys(block, without: [])))
        }
        for part in ["usage", "model", "tokens", "partial", "toolCall"] where value[part]?.object != nil {
            add(value[part] ?? .null, part, &shapes)
        }
        if let cost = value["cost"], cost.object != nil { add(cost, "cost \(name)", &shapes) }
    }

    private static func keys(_ value: JSON, without left: Set<String>) -> [String] {
        (value.object?.members ?? []).map(\.key).filter { !left.contains($0) }
    }
}

/// The order of records in short: one word each, updates of one message taken together.
func sequence(_ records: [JSON]) -> [String] {
    var words: [String] = []
    for record in records {
        let type = record["type"]?.string ?? "?"
        let word: String
        switch type {
        case "response": word = "response \(record["command"]?.string ?? "") \(record["success"]?.text ?? "")"
        case "message_start": word = "\(type) \(record["message"]?["role"]?.string ?? "")"
        case "message_end":
            word =
                "\(type) \(record["message"]?["role"]?.string ?? "") \(record["message"]?["stopReason"]?.string ?? "")"
        case "extension_ui_request": word = "\(type) \(record["method"]?.string ?? "")"
        default: word = type
        }
        let isRepeated = (type == "message_update" || type == "tool_execution_update") && words.last == word
        if !isRepeated { words.append(word) }
    }
    return words
}
