import CTerminal

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The descriptors of a process under test, and the call that starts it.
struct Plumbing {
    struct Fault: Error {
        var action: String
        var code: CInt
    }

    private(set) var ourInput: CInt = -1
    private(set) var ourOutput: CInt = -1
    private(set) var ourErrors: CInt?
    private var theirs: [CInt] = []
    private var terminalName = ""
    private let hasTerminal: Bool
    private let isInputClosed: Bool

    init(input: TestProcess.Input, terminal: TestProcess.Terminal) throws {
        if case .closed = input { isInputClosed = true } else { isInputClosed = false }
        switch terminal {
        case .size(let columns, let rows):
            hasTerminal = true
            var buffer = [CChar](repeating: 0, count: 256)
            let master = hypi_open_terminal(&buffer, CInt(buffer.count))
            guard master >= 0 else { throw Fault(action: "open a terminal", code: errno) }
            terminalName = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let slave = open(terminalName, O_RDWR | O_NOCTTY | O_CLOEXEC)
            guard slave >= 0 else { throw Fault(action: "open \(terminalName)", code: errno) }
            var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
            _ = ioctl(slave, UInt(TIOCSWINSZ), &size)
            ourOutput = master
            ourInput = fcntl(master, F_DUPFD_CLOEXEC, 0)
            theirs = [slave, slave, slave]
        case .none:
            hasTerminal = false
            let output = try Self.pipe()
            let errors = try Self.pipe()
            (ourOutput, ourErrors) = (output.read, errors.read)
            theirs = [-1, output.write, errors.write]
            if case .pipe = input {
                let pipe = try Self.pipe()
                ourInput = pipe.write
                theirs[0] = pipe.read
            }
        }
    }

    func spawn(
        _ executable: String, _ arguments: [String], _ environment: [String: String], _ cwd: String?
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if hasTerminal {
            // Opened by the session leader, it becomes the controlling terminal.
            posix_spawn_file_actions_addopen(&actions, 0, terminalName, O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
        } else {
            if isInputClosed {
                posix_spawn_file_actions_addclose(&actions, 0)
            } else if theirs[0] >= 0 {
                posix_spawn_file_actions_adddup2(&actions, theirs[0], 0)
            } else {
                posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            }
            posix_spawn_file_actions_adddup2(&actions, theirs[1], 1)
            posix_spawn_file_actions_adddup2(&actions, theirs[2], 2)
        }
        if let cwd { hypi_spawn_in(&actions, cwd) }
        // What this process has open is nothing to a program that may count its descriptors.
        hypi_spawn_with_three(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // The thread we are on may block signals, which the program would inherit.
        var unblocked = sigset_t()
        sigemptyset(&unblocked)
        posix_spawnattr_setsigmask(&attributes, &unblocked)
        // POSIX_SPAWN_SETSID for a terminal, else POSIX_SPAWN_SETPGROUP; and POSIX_SPAWN_SETSIGDEF and SETSIGMASK.
        posix_spawnattr_setflags(&attributes, (hasTerminal ? 0x80 : 0x02) | 0x04 | 0x08)
        var words = ([executable] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, &attributes, &words, &variables)
        guard code == 0 else { throw Fault(action: "start \(executable)", code: code) }
        return pid
    }

    func closeTheirs() {
        for descriptor in Set(theirs) where descriptor >= 0 { close(descriptor) }
    }

    private static func makePipe(_ ends: inout [CInt]) -> CInt {
        #if canImport(Glibc)
            Glibc.pipe(&ends)
        #else
            Darwin.pipe(&ends)
        #endif
    }

    private static func pipe() throws -> (read: CInt, write: CInt) {
        var ends: [CInt] = [-1, -1]
        guard Self.makePipe(&ends) == 0 else { throw Fault(action: "make a pipe", code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}
