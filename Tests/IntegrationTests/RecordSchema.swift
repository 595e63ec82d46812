import Foundation
import HypiWire

/// One of the schemas in specs/schemas, and what a record breaks of it.
///
/// The keywords that these schemas use, and no others: a keyword it does not know is a fault of the test.
struct RecordSchema {
    private let schema: JSON

    init(_ name: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appendingPathComponent("specs/schemas/\(name).json")
        schema = try JSON(parsing: try String(contentsOf: file, encoding: .utf8))
    }

    /// What is wrong with each line of some output; empty if every line is a valid record.
    func faults(inLines output: String) throws -> [String] {
        try output.split(separator: "\n").flatMap { line in
            try faults(in: try JSON(parsing: String(line)))
        }
    }

    func faults(in value: JSON) throws -> [String] {
        try faults(in: value, schema, at: "")
    }

    private func faults(in value: JSON, _ schema: JSON, at path: String) throws -> [String] {
        try (schema.object?.members ?? []).flatMap { keyword -> [String] in
            try faults(in: value, keyword.key, keyword.value, schema, at: path).map {
                "\(path.isEmpty ? "/" : path): \($0)"
            }
        }
    }

    private func faults(
        in value: JSON, _ keyword: String, _ rule: JSON, _ schema: JSON, at path: String
    ) throws -> [String] {
        switch keyword {
        case "$schema", "$id", "title", "description": return []
        case "type": return Self.isType(rule.string ?? "", value) ? [] : ["not of type \(rule.text): \(value.text)"]
        case "enum": return rule.array?.contains(value) == true ? [] : ["not one of \(rule.text): \(value.text)"]
        case "minLength": return (value.string?.count ?? 0) >= (rule.int ?? 0) ? [] : ["too short"]
        case "minimum": return (value.double ?? 0) >= (rule.double ?? 0) ? [] : ["less than \(rule.text)"]
        case "maximum": return (value.double ?? 0) <= (rule.double ?? 0) ? [] : ["more than \(rule.text)"]
        case "pattern":
            let isMatch = try value.string?.firstMatch(of: Regex(rule.string ?? "")) != nil
            return isMatch ? [] : ["does not match \(rule.text): \(value.text)"]
        case "required":
            return (rule.array ?? []).compactMap(\.string).filter { value[$0] == nil }.map { "lacks '\($0)'" }
        case "properties":
            return try (rule.object?.members ?? []).flatMap { property in
                try value[property.key].map { try faults(in: $0, property.value, at: "\(path)/\(property.key)") } ?? []
            }
        case "additionalProperties":
            let known = schema["properties"]
            return (value.object?.members ?? []).filter { known?[$0.key] == nil }.map { "has '\($0.key)'" }
        case "items":
            return try (value.array ?? []).enumerated().flatMap { try faults(in: $1, rule, at: "\(path)/\($0)") }
        case "oneOf":
            let matches = try (rule.array ?? []).count { try faults(in: value, $0, at: path).isEmpty }
            return matches == 1 ? [] : ["meets \(matches) of oneOf"]
        case "$ref":
            let name = (rule.string ?? "").replacing(".json", with: "")
            return try RecordSchema(name).faults(in: value)
        default: return ["the schema uses '\(keyword)', which this test does not know"]
        }
    }

    private static func isType(_ name: String, _ value: JSON) -> Bool {
        switch name {
        case "object": value.object != nil
        case "array": value.array != nil
        case "string": value.string != nil
        case "boolean": value.bool != nil
        case "integer": value.int != nil
        case "number": value.double != nil
        default: false
        }
    }
}
