import CPlatform

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A running ``PiKeeper``, as its parent sees it.
///
/// Its end is told by a pipe that it alone holds, so that nobody has to look for it: swift-subprocess would wake up every
/// second for as long as it runs.
struct KeeperProcess {
    /// Its process id, and its group's.
    let pid: pid_t

    /// Starts a keeper, in a group of its own, in the folder where pi is to work.
    ///
    /// A group of its own, so that a Ctrl-C at our terminal does not reach pi, and a signal of ours reaches its tools.
    ///
    /// - Throws: Why it cannot be started.
    init(_ command: PiProcess.Command, _ pipes: Pipes) throws(Errno) {
        pid = try command.folder.withDescriptor { (folder) throws(Errno) in
            try Self.start(command, in: folder, pipes)
        }
    }

    private static func start(
        _ command: PiProcess.Command, in folder: CInt, _ pipes: Pipes
    ) throws(Errno) -> pid_t {
        var child = hypi_child()
        hypi_begin_child(&child, nil, 0, Int16(POSIX_SPAWN_SETPGROUP))
        defer { hypi_end_child(&child) }
        let fault = hypi_spawn_in_folder(&child.actions, folder)
        guard fault == 0 else { throw Errno(rawValue: fault) }
        // In this order: the last one's number may be that of another pipe, which has got its own by then.
        let ends = [pipes.childInput, pipes.childOutput, pipes.childErrors, pipes.childLifeline]
        for (number, end) in ends.enumerated() {
            posix_spawn_file_actions_adddup2(&child.actions, end.rawValue, CInt(number))
        }
        let words = PiKeeper.words(
            grace: command.grace, program: command.executable, arguments: command.arguments)
        let code = withCStrings([PiKeeper.name] + words) { words in
            withCStrings(command.environment.map { "\($0)=\($1)" }) { environment in
                var pid: pid_t = 0
                let code = posix_spawn(
                    &pid, command.keeper, &child.actions, &child.attributes, words, environment)
                return code == 0 ? .success(pid) : Result<pid_t, Errno>.failure(Errno(rawValue: code))
            }
        }
        return try code.get()
    }

    /// Takes leave of it, which has ended or is just about to.
    ///
    /// - Returns: How it has ended, in the words of wait(2).
    func wait() -> CInt {
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
    ) -> Value {
        let copies = strings.map { (string: String) in strdup(string) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
