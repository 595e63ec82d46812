import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// pi's parent, a process of its own between the bridge and pi: nothing that pi started outlives pi and the bridge.
///
/// pi's tools run in sessions of their own, out of reach of a signal to pi's group, and go on when pi is gone. A bridge
/// that is killed with SIGKILL cannot end them any more; the keeper, which shares pi's stdin, sees that nobody is left to
/// write to it, lets pi end its turn as long as the bridge would have, and then ends pi and whatever fell to it. It does
/// so too when pi ends first, and then ends as pi has ended, so that the bridge sees pi's own end. Where there is no
/// subreaper (macOS), tools that have left pi's group are not found.
///
/// ```
/// bridge --- stdin, stdout, stderr ---> pi ---> tools
///    \__ parent of __ keeper __ parent of __/      |
///                        ^------ fall to ----------/
/// ```
public enum PiKeeper {
    /// The name the process has, and by which the program knows that it is to be one.
    public static let name = "pi-keeper"
    /// The time orphans have to end when they are asked to.
    private static let patience = Duration.seconds(1)

    /// The command line of a keeper, behind its name.
    ///
    /// - Parameters:
    ///   - grace: The time pi has to end its turn once nobody is there to write to it.
    ///   - program: pi's path.
    ///   - arguments: pi's arguments.
    /// - Returns: The words, for ``run(_:)``.
    static func words(grace: Duration, program: String, arguments: [String]) -> [String] {
        ["\(grace.components.seconds * 1000 + grace.components.attoseconds / 1_000_000_000_000_000)", program]
            + arguments
    }

    /// Starts pi and stays until nothing of it is left; ends as pi has ended.
    ///
    /// - Parameter words: As ``words(grace:program:arguments:)`` made them.
    public static func run(_ words: [String]) -> Never {
        guard words.count > 1, let grace = Int64(words[0]) else { fail("no pi to start", status: 64) }
        hypi_name_process(name)
        // Our end is the bridge's to see, not pi's.
        hypi_keep_descriptors()
        _ = OrphanReaper.adopt()
        // A signal to pi's group is for pi; we have to be there when it has ended.
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] { signal(number, SIG_IGN) }
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0, fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0,
            hypi_forward_signal(SIGCHLD, ends[1]) == 0
        else { fail("cannot watch pi: \(String(cString: strerror(errno)).lowercased())", status: 71) }
        let pid = spawn(Array(words[1...]))
        releaseOutput()
        hypi_release_text()
        var keeping = Keeping(pi: pid, grace: .milliseconds(grace), wakeUps: ends[0])
        keeping.untilNothingIsLeft()
        end(as: keeping.status)
    }

    /// pi and its tools hold stdout and stderr; their end must not wait for us.
    private static func releaseOutput() {
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] { dup2(null, descriptor) }
        if null >= 0 { close(null) }
    }

    private static func spawn(_ words: [String]) -> pid_t {
        let signals = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD]
        var child = hypi_child()
        hypi_begin_child(&child, signals, CInt(signals.count), 0)
        defer { hypi_end_child(&child) }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { (word: String) in strdup(word) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, words[0], nil, &child.attributes, &arguments, environ)
        if code != 0 { fail("cannot start \(words[0]): \(String(cString: strerror(code)).lowercased())", status: 126) }
        return pid
    }

    private static func end(as status: CInt?) -> Never {
        // pi could not be ended at all.
        guard let status else { _exit(70) }
        // WIFEXITED and its kin are macros, which Swift does not import.
        let number = status & 0x7F
        guard number != 0 else { _exit(status >> 8 & 0xFF) }
        // pi has left its core, if any; ours would say nothing.
        hypi_dump_no_core()
        signal(number, SIG_DFL)
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        kill(getpid(), number)
        _exit(128 + number)
    }

    private static func fail(_ words: String, status: CInt) -> Never {
        let line = Array((words + "\n").utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }

    /// One pi that is being kept.
    private struct Keeping {
        /// What is waited for.
        private enum Stage {
            /// The end of pi.
            case running
            /// The end of pi, which nobody can talk to any more; until a time.
            case ending(ContinuousClock.Instant)
            /// The end of what was asked to end; until a time.
            case asking(ContinuousClock.Instant)
            /// The end of what was killed; until a time.
            case killing(ContinuousClock.Instant)

            var deadline: ContinuousClock.Instant? {
                switch self {
                case .running: nil
                case .ending(let time), .asking(let time), .killing(let time): time
                }
            }
        }

        let pi: pid_t
        let grace: Duration
        let wakeUps: CInt
        /// How pi has ended, in the words of wait(2).
        private(set) var status: CInt?
        private var stage = Stage.running
        private var asked: Set<pid_t> = []
        private var killed: Set<pid_t> = []

        init(pi: pid_t, grace: Duration, wakeUps: CInt) {
            self.pi = pi
            self.grace = grace
            self.wakeUps = wakeUps
        }

        mutating func untilNothingIsLeft() {
            // pi may have ended between the last look at its status and the last sweep.
            defer { collect() }
            while true {
                let isAlone = wait()
                collect()
                if case .running = stage, isAlone { stage = .ending(ContinuousClock.now + grace) }
                advance()
                switch stage {
                case .running, .ending: continue
                case .asking:
                    if !OrphanReaper.sweep(except: [], signal: SIGTERM, done: &asked, collects: false) { return }
                case .killing(let deadline):
                    if !OrphanReaper.sweep(except: [], signal: SIGKILL, done: &killed, collects: false) { return }
                    if ContinuousClock.now >= deadline { return }
                }
            }
        }

        private mutating func advance() {
            switch stage {
            case .running, .ending:
                if status != nil || stage.deadline.map({ ContinuousClock.now >= $0 }) == true {
                    stage = .asking(ContinuousClock.now + PiKeeper.patience)
                }
            case .asking(let deadline):
                if ContinuousClock.now >= deadline { stage = .killing(ContinuousClock.now + PiKeeper.patience * 2) }
            case .killing: break
            }
        }

        /// Waits until a child has ended, nobody can write to pi any more, or time is up.
        ///
        /// - Returns: Whether nobody can write to pi any more.
        private func wait() -> Bool {
            var requests = [pollfd(fd: wakeUps, events: Int16(POLLIN), revents: 0)]
            // The end of all writers stays readable, so it is asked for once.
            if case .running = stage { requests.append(pollfd(fd: STDIN_FILENO, events: 0, revents: 0)) }
            var milliseconds: CInt = -1
            if let deadline = stage.deadline {
                let left = (deadline - ContinuousClock.now).components
                milliseconds = CInt(
                    clamping: max(0, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000) + 1)
            }
            guard poll(&requests, nfds_t(requests.count), milliseconds) > 0 else { return false }
            if requests[0].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 256)
                _ = read(wakeUps, &bytes, bytes.count)
            }
            return requests.count > 1 && requests[1].revents != 0
        }

        /// Takes note of every child that has ended: pi, and orphans that ended by themselves.
        private mutating func collect() {
            var ended: CInt = 0
            while case let pid = waitpid(-1, &ended, WNOHANG), pid > 0 {
                if pid == pi { status = ended }
            }
        }
    }
}
