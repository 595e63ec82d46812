import HypiWire
import NIOCore
import PiAdapter

/// The dialogs that wait for a person; pure.
///
/// Source: pi's `docs/rpc-extension-ui.md`.
struct DialogBook {
    /// One open dialog.
    struct Dialog {
        /// pi's id of it.
        var id: String
        /// The request as pi wrote it.
        var line: ByteBuffer
        /// When pi answers it itself, in milliseconds after it opened.
        var timeoutMilliseconds: Int?
    }

    /// The dialogs, in the order they opened.
    private(set) var open: [Dialog] = []

    /// Takes an `extension_ui_request`; answers the dialog if it is one that waits for an answer.
    mutating func opened(_ record: PiRecord) -> Dialog? {
        guard let json = try? record.json(), let id = json["id"]?.string, let method = json["method"]?.string,
            ["select", "confirm", "input", "editor"].contains(method)
        else { return nil }
        let dialog = Dialog(id: id, line: record.line, timeoutMilliseconds: json["timeout"]?.int)
        open.append(dialog)
        return dialog
    }

    /// Closes a dialog; false if it was not open, so that only the first answer counts.
    mutating func close(_ id: String) -> Bool {
        guard let index = open.firstIndex(where: { $0.id == id }) else { return false }
        open.remove(at: index)
        return true
    }

    /// Forgets all; answers the ids that were open.
    mutating func closeAll() -> [String] {
        defer { open = [] }
        return open.map(\.id)
    }
}
