import DequeModule
import HypiWire
import NIOCore
import PiAdapter

/// The dialogs that wait for a person.
///
/// Source: pi's `docs/rpc-extension-ui.md`.
struct DialogBook {
    /// One open dialog.
    struct Dialog {
        /// pi's id of it.
        var id: JSON
        /// The request as pi wrote it.
        var line: ByteBuffer
        /// When pi answers it itself, counted from when it opened.
        var timeout: TimeAmount?
    }

    /// Kinds of requests that nobody answers.
    private static let announcements: Set<String> = [
        "notify", "setStatus", "setWidget", "setTitle", "set_editor_text",
    ]
    /// The longest time a dialog's own timeout is taken for; beyond it pi has given up the dialog's meaning anyway.
    private static let longestTimeoutMilliseconds = 7 * 24 * 3_600_000
    /// Requests of a kind that we do not know, and that may take an answer; beyond it the oldest is forgotten.
    private static let strangerLimit = 64

    /// The dialogs, in the order they opened.
    private(set) var open: [Dialog] = []
    private var strangers: Deque<JSON> = []
    private var timers: [JSON: Scheduled<Void>] = [:]
    private var piTimers: [JSON: Scheduled<Void>] = [:]

    /// Takes an `extension_ui_request`; answers the dialog if it is one that waits for an answer.
    mutating func opened(_ record: PiRecord) -> Dialog? {
        guard let json = try? record.json(), let id = json["id"], let method = json["method"]?.string,
            !Self.announcements.contains(method)
        else { return nil }
        guard ["select", "confirm", "input", "editor"].contains(method) else {
            // A newer pi: what it is, viewers may know; that it waits, we do not.
            strangers.append(id)
            if strangers.count > Self.strangerLimit { strangers.removeFirst() }
            return nil
        }
        let timeout = json["timeout"]?.int.map { min(max($0, 0), Self.longestTimeoutMilliseconds) }
        let dialog = Dialog(
            id: id, line: ByteBuffer(bytes: record.line.readableBytesView),
            timeout: timeout.map { .milliseconds(Int64(clamping: $0)) })
        open.append(dialog)
        return dialog
    }

    /// Closes a dialog; false if it was not open, so that only the first answer counts.
    mutating func close(_ id: JSON) -> Bool {
        timers.removeValue(forKey: id)?.cancel()
        piTimers.removeValue(forKey: id)?.cancel()
        if let index = open.firstIndex(where: { $0.id == id }) {
            open.remove(at: index)
            return true
        }
        guard let index = strangers.firstIndex(of: id) else { return false }
        strangers.remove(at: index)
        return true
    }

    /// Forgets all; answers the ids that were open.
    mutating func closeAll() -> [JSON] {
        cancelTimers()
        for timer in piTimers.values { timer.cancel() }
        (piTimers, strangers) = ([:], [])
        defer { open = [] }
        return open.map(\.id)
    }

    // MARK: Timers

    /// The open dialogs for which no timer of ours runs.
    var idsWithoutTimer: [JSON] {
        open.map(\.id).filter { timers[$0] == nil }
    }

    /// Keeps the timer of `--ui-timeout`.
    mutating func setTimer(_ timer: Scheduled<Void>, of id: JSON) {
        timers[id] = timer
    }

    /// Keeps the timer of the dialog's own timeout.
    mutating func setPiTimer(_ timer: Scheduled<Void>, of id: JSON) {
        piTimers[id] = timer
    }

    /// Somebody is there again.
    mutating func cancelTimers() {
        for timer in timers.values { timer.cancel() }
        timers = [:]
    }
}
