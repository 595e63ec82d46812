import Foundation
import HypiTestSupport
import HypiNet
import HypiWire

/// A real terminal with a person in front of it: tmux shows what the screen looks like, not only which bytes went there.
final class ChatScreen: Sendable {
    private let server = "hypi-" + UUID().uuidString.prefix(8).lowercased()
    private let environment: [String: String]

    /// Whether tmux is here; `apt-get install tmux` brings it.
    static let isAvailable = path != nil
    private static let path = ["/usr/bin/tmux", "/usr/local/bin/tmux", "/opt/homebrew/bin/tmux"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// Opens a terminal with a shell in it.
    init(_ fixture: Fixture, columns: Int = 80, rows: Int = 24, environment extra: [String: String] = [:]) async throws
    {
        environment = fixture.environment.merging(["LANG": "C.UTF-8", "PS1": "$ ", "SHELL": "/bin/sh"]) { $1 }.merging(
            extra
        ) { $1 }
        _ = try await tmux(
            ["-f", "/dev/null", "-u", "new-session", "-d", "-x", "\(columns)", "-y", "\(rows)", "exec sh -i"])
        try await waitForRow { $0.hasPrefix("$") }
    }

    /// Runs a tmux command.
    @discardableResult
    func tmux(_ arguments: [String], input: String? = nil) async throws -> String {
        let process = try TestProcess(
            Self.path ?? "tmux", ["-L", server] + arguments, environment: environment,
            input: input == nil ? .null : .pipe)
        if let input { process.send(input) }
        process.closeInput()
        let result = try await process.finish()
        guard result.exit == .status(0) else { throw DeadlinePassed("tmux \(arguments): \(result.errors)") }
        return result.output
    }

    /// Types text, without Enter.
    func type(_ text: String) async throws {
        try await tmux(["send-keys", "-l", "--", text])
    }

    /// Presses keys by their names: `Enter`, `C-c`, `Up`.
    func press(_ keys: String...) async throws {
        try await tmux(["send-keys"] + keys)
    }

    /// Types a line and presses Enter.
    func enter(_ text: String) async throws {
        try await type(text)
        try await press("Enter")
    }

    /// Pastes, with brackets if the program asked for them.
    func paste(_ text: String) async throws {
        try await tmux(["load-buffer", "-"], input: text)
        try await tmux(["paste-buffer", "-p"])
    }

    func resize(columns: Int, rows: Int) async throws {
        try await tmux(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    }

    /// What is on the screen, without blank rows at the end.
    func rows() async throws -> [String] {
        var rows = try await tmux(["capture-pane", "-p"]).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
        while rows.last?.isEmpty == true { rows.removeLast() }
        return rows
    }

    /// The screen and everything that scrolled out of it, with wrapped rows joined again.
    func everything() async throws -> String {
        try await tmux(["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// Waits until the screen fulfils a condition; a screen has no event to wait for, so it is looked at.
    @discardableResult
    func wait(
        _ what: String, timeout: Duration = .seconds(8), until isFulfilled: @Sendable ([String]) -> Bool
    ) async throws -> [String] {
        let deadline = ContinuousClock.now + timeout * Effort.patience
        while true {
            let rows = try await rows()
            if isFulfilled(rows) { return rows }
            guard ContinuousClock.now < deadline else {
                throw DeadlinePassed("\(what); the screen was:\n\(rows.joined(separator: "\n"))")
            }
            // A screen tells nobody that it has changed.
            try await Task.sleep(for: .milliseconds(40))
        }
    }

    /// Waits for a row.
    @discardableResult
    func waitForRow(_ isWanted: @Sendable (String) -> Bool) async throws -> [String] {
        try await wait("a row") { $0.contains(where: isWanted) }
    }

    /// Waits for a text anywhere on the screen.
    @discardableResult
    func waitFor(_ text: String) async throws -> [String] {
        try await wait("'\(text)'") { $0.contains { $0.contains(text) } }
    }

    func close() async {
        _ = try? await tmux(["kill-server"])
    }
}

extension ChatScreen {
    /// Starts an agent and opens a terminal beside it.
    static func beside(
        rate: Int = 0, columns: Int = 80, rows: Int = 24, environment: [String: String] = [:],
        _ body: @Sendable (Fixture, ChatScreen, WebSocketURL) async throws -> Void
    ) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let folder = try fixture.makeFolder("project/src")
        try "x".write(toFile: folder + "/main.swift", atomically: true, encoding: .utf8)
        let agent = try await fixture.startAgent(
            cwd: fixture.home + "/project",
            environment: ["HYPI_PI": Fixture.executable("pi-demo") + " --rate \(rate)"])
        let screen = try await ChatScreen(fixture, columns: columns, rows: rows, environment: environment)
        do {
            try await body(fixture, screen, agent.url)
        } catch {
            await screen.close()
            throw error
        }
        await screen.close()
        agent.process.signal(SIGTERM)
    }

    /// Sits down beside the agent.
    func attach(_ url: WebSocketURL, _ options: String = "") async throws {
        try await enter("clear; hypi-attach \(options) \(url)")
        try await wait("the conversation") { rows in
            rows.last == ">" && rows.contains { $0.hasPrefix("/help lists commands") }
        }
    }

    /// The words on the screen and in the scrollback, however they were broken into rows.
    func words() async throws -> String {
        try await everything().words
    }

    /// Sends a prompt that is not on the screen yet, and waits for the end of its answer.
    @discardableResult
    func ask(_ text: String) async throws -> [String] {
        try await enter(text)
        let deadline = ContinuousClock.now + .seconds(8) * Effort.patience
        // On a small screen it has scrolled away before anybody looks.
        // A command of the person's own is shown with its mark once it has ended.
        let shown = text.hasPrefix("!") ? " $ " + text.dropFirst().prefix(12) : "\n› " + text.prefix(12)
        while try await !everything().contains(shown) {
            guard ContinuousClock.now < deadline else { throw DeadlinePassed("the prompt '\(text)'") }
        }
        return try await waitForEnd()
    }

    /// Waits until the agent has answered and the line is empty.
    @discardableResult
    func waitForEnd(timeout: Duration = .seconds(20)) async throws -> [String] {
        try await wait("the end of the answer", timeout: timeout) { rows in
            rows.last == ">"
                && !rows.contains { row in
                    row.hasPrefix("queued: ") || row.hasPrefix("sending: ")
                        || "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(row.prefix(1))
                            && !row.isEmpty
                }
        }
    }
}

extension String {
    /// The text with single blanks for white space of any kind.
    var words: String {
        split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
