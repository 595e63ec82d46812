import UnixSignals

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What is known about the terminal behind standard output.
public struct Terminal: Sendable {
    /// Its size in characters.
    public struct Size: Sendable, Equatable {
        /// Columns.
        public var columns: Int
        /// Rows.
        public var rows: Int

        /// A size.
        public init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    /// Whether standard output is one.
    public let isPresent: Bool
    /// Whether colours and cursor movements are welcome: a terminal that is not `dumb`, and no `NO_COLOR`
    /// (no-color.org).
    public let isColored: Bool
    /// Whether the cursor can be moved: a terminal that is not `dumb`.
    public let canMoveCursor: Bool
    private let columns: Int?

    /// The terminal as the environment and the system describe it.
    ///
    /// - Parameters:
    ///   - environment: The program's environment: `TERM`, `NO_COLOR`, `COLUMNS`.
    ///   - isColorRefused: Whether `--no-color` was given.
    ///   - isPresent: Whether standard output is a terminal.
    public init(
        environment: Environment, isColorRefused: Bool = false, isPresent: Bool = StandardOutput.isTerminal
    ) {
        self.isPresent = isPresent
        canMoveCursor = isPresent && environment["TERM"] != "dumb" && environment["TERM"] != nil
        isColored = canMoveCursor && environment["NO_COLOR"] == nil && !isColorRefused
        columns = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The size right now; `nil` where there is no terminal and `COLUMNS` says nothing, so that nothing is cut.
    ///
    /// The terminal itself knows better than `COLUMNS`, which a shell may have exported before a resize.
    public func size() -> Size? {
        var window = winsize()
        if isPresent, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 {
            return Size(columns: Int(window.ws_col), rows: window.ws_row > 0 ? Int(window.ws_row) : 24)
        }
        return columns.map { Size(columns: $0, rows: 24) }
    }

    /// Runs `body` whenever the window has changed its size, until the task is cancelled.
    public static func onResize(_ body: @Sendable () async throws -> Void) async rethrows {
        for await _ in await UnixSignalsSequence(trapping: .sigwinch) {
            try await body()
        }
    }
}
