import Foundation
import HypiWire
import NIOCore
import PiAdapter
import Testing

/// The records that a real pi wrote in one run.
struct Recording: CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    /// The lines of its stdout that are records.
    func records() throws -> [PiRecord] {
        try String(contentsOfFile: Self.folder + "/" + name, encoding: .utf8).split(separator: "\n").compactMap {
            entry in
            let json = try JSON(parsing: String(entry))
            guard json["dir"] == "out", let line = json["line"]?.string else { return nil }
            return PiRecord(line: ByteBuffer(string: line))
        }
    }

    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().path + "/Fixtures/pi-rpc"

    static let all: [Recording] = {
        let names = (FileManager.default.enumerator(atPath: folder)?.allObjects as? [String]) ?? []
        return names.filter { $0.hasSuffix(".jsonl") }.sorted().map(Recording.init)
    }()
}

extension PiRecord {
    init?(_ text: String) {
        self.init(line: ByteBuffer(string: text))
    }
}
