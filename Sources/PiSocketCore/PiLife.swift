import HypiNet
import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// pi from its first start to its last end, over its crashes.
struct PiLife: Sendable {
    let options: PiSocketOptions
    let bridge: NIOLoopBound<Bridge>
    let children: OwnChildren
    let logger: Logger

    /// Runs pi, and runs it again after a crash as long as that is allowed.
    ///
    /// - Throws: ``PiSocketError``; pi is not running then.
    func run() async throws {
        var crashes = CrashCount()
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        var sessionFile: String?
        while true {
            let command = try piCommand(sessionFile: sessionFile)
            let owner: NIOLoopBound<any PiProcess.Owner> = try await bridge.eventLoop.submit {
                NIOLoopBound(bridge.value, eventLoop: bridge.eventLoop)
            }.get()
            let exit = try await PiProcess.run(
                command, on: bridge.eventLoop, owner: owner, children: children, logger: logger)
            logger.info("pi has ended: \(exit.how)")
            let (isStopping, isUp, file) = try await bridge.eventLoop.submit {
                (bridge.value.isStopping, bridge.value.isUp, bridge.value.sessionFile)
            }.get()
            guard isUp || isStopping else {
                let question = try await bridge.eventLoop.submit { bridge.value.openQuestion }.get()
                throw PiSocketError.endedEarly(
                    command: command.executable, how: exit.how,
                    complaint: question.map { "an extension asked '\($0)', and pi takes no answer while it starts" }
                        ?? exit.complaint)
            }
            let restarts =
                !isStopping && !exit.isClean && options.restart == .onFailure
                && crashes.mayRestart(at: ContinuousClock.now)
            try await bridge.eventLoop.submit { bridge.value.piExited(exit, isRestarting: restarts) }.get()
            guard restarts else {
                if isStopping || exit.isClean { return }
                throw PiSocketError.ended(how: exit.how, complaint: exit.complaint)
            }
            await endOrphans()
            sessionFile = file
            // The backoff: a pi that crashes at once must not be started as fast as the machine can.
            try await Task.sleep(for: backoff.next(using: &generator))
            guard try await bridge.eventLoop.submit({ !bridge.value.isStopping }).get() else { return }
        }
    }

    private func piCommand(sessionFile: String?) throws -> PiProcess.Command {
        if let fault = options.folder.fault { throw PiSocketError.cannotUse(fault) }
        let words = options.piCommand
        guard let name = words.first, let path = Executable.find(name, path: options.piEnvironment["PATH"]) else {
            throw PiSocketError.cannotStart(command: words.first ?? "", reason: "not found in PATH")
        }
        // pi is started in its folder.
        if let fault = Executable.fault(path.hasPrefix("/") ? path : options.cwd + "/" + path) {
            throw PiSocketError.cannotStart(command: name, reason: fault)
        }
        var arguments = Array(words.dropFirst()) + ["--mode", "rpc"]
        if let file = options.extensionFile { arguments += ["-e", file] }
        arguments += sessionFile.map { PiArguments.resuming($0, options.piArguments) } ?? options.piArguments
        return PiProcess.Command(
            executable: path, arguments: arguments, environment: options.piEnvironment, folder: options.folder,
            keeper: options.keeper, grace: options.grace)
    }

    /// Ends the tools that pi has left behind: first politely.
    func endOrphans() async {
        var asked: Set<pid_t> = []
        var killed: Set<pid_t> = []
        for attempt in 0..<60 {
            // A hook that is being started has no pid yet and must not be taken for an orphan: look again.
            if let own = children.known {
                let isAnythingLeft =
                    attempt < 20
                    ? OrphanReaper.sweep(except: own, signal: SIGTERM, done: &asked)
                    : OrphanReaper.sweep(except: own, signal: SIGKILL, done: &killed)
                guard isAnythingLeft else { return }
            }
            do {
                // There is no event for the end of a process that somebody else started.
                try await Task.sleep(for: .milliseconds(50))
            } catch {
                return
            }
        }
        logger.warning("processes that pi left behind do not end")
    }
}
