import HypiNet
import HypiWire
import Logging
import NIOCore
import NIOPosix

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

/// One pi: its three pipes as channels of the hub's loop, its process group, its end.
///
/// pi's stdout is always read, however slow viewers are: a pi that is not read keeps its output in memory without
/// bound, or stalls. Should this process be killed, pi sees the end of its stdin and ends by itself, or its
/// ``PiKeeper`` ends it.
final class PiProcess: PiInput {
    /// Bytes that may wait for pi to read its stdin; beyond it commands are dropped and logged, since a pi that reads
    /// nothing would not have answered them either.
    private static let inputLimit = 64 << 20

    private let input: any Channel
    private let output: any Channel
    private let errors: any Channel
    private let lifeline: any Channel
    private let tail: StderrTail
    private let logger: Logger
    private var waitingByteCount = 0
    /// The keeper's process id, and the group's that it shares with pi; `nil` until they have been started and after
    /// they ended.
    fileprivate(set) var pid: pid_t?

    private init(
        input: any Channel, output: any Channel, errors: any Channel, lifeline: any Channel, tail: StderrTail,
        logger: Logger
    ) {
        self.input = input
        self.output = output
        self.errors = errors
        self.lifeline = lifeline
        self.tail = tail
        self.logger = logger
    }

    /// Writes one record to pi's stdin.
    func write(line: ByteBuffer) {
        guard waitingByteCount < Self.inputLimit else {
            return logger.warning("pi does not read its commands; one was dropped")
        }
        var bytes = line
        bytes.writeString("\n")
        let count = bytes.readableBytes
        waitingByteCount += count
        input.writeAndFlush(bytes).assumeIsolated().whenComplete { _ in self.waitingByteCount -= count }
    }

    /// Ends pi's stdin: it finishes its turn and exits.
    func closeInput() {
        input.close(promise: nil)
    }

    /// Sends a signal to pi's process group.
    func signal(_ number: CInt) {
        if let pid { kill(-pid, number) }
    }

    /// The end of what pi wrote to stderr.
    var lastWords: String {
        tail.text
    }
}

extension PiProcess {
    /// What pi is started with.
    struct Command: Sendable {
        var executable: String
        var arguments: [String]
        var environment: [String: String]
        var folder: AgentFolder
        /// The program that is to be pi's ``PiKeeper``, and the time pi has when the bridge is gone.
        var keeper: String
        var grace: Duration
    }

    /// What the owner of a pi does with it; called on its loop.
    protocol Owner: AnyObject {
        /// The process exists.
        func piStarted(_ process: PiProcess)
        /// Bytes of its stdout.
        func piWrote(_ bytes: ByteBuffer)
        /// Its stdout ended.
        func piOutputEnded()
    }

    /// Starts pi and waits for its end.
    ///
    /// - Returns: How it ended.
    /// - Throws: ``PiSocketError/cannotStart(command:reason:)``.
    static func run(
        _ command: Command, on eventLoop: any EventLoop, owner: NIOLoopBound<any Owner>, children: OwnChildren,
        logger: Logger
    ) async throws(PiSocketError) -> PiExit {
        // A pi that was started and cannot be watched would never be seen to end.
        guard DescriptorRoom.has(DescriptorRoom.forChild) else {
            throw .cannotStart(command: command.executable, reason: "too many open files")
        }
        do {
            let pipes = try Pipes()
            let outputEnded = eventLoop.makePromise(of: Void.self)
            let keeperEnded = eventLoop.makePromise(of: Void.self)
            let process = try await open(
                pipes, on: eventLoop, owner: owner, outputEnded: outputEnded, keeperEnded: keeperEnded, logger: logger)
            do {
                let keeper = try start(command, pipes, children)
                eventLoop.execute {
                    process.value.pid = keeper.pid
                    owner.value.piStarted(process.value)
                }
                try await keeperEnded.futureResult.get()
                // Before it is collected: its number may be another process's right after.
                try await eventLoop.submit { process.value.pid = nil }.get()
                let status = keeper.wait()
                children.ended(keeper.pid)
                await drain(process, outputEnded.futureResult)
                return try await eventLoop.submit { exit(status, process.value) }.get()
            } catch {
                try await eventLoop.submit { process.value.closeAll() }.get()
                throw error
            }
        } catch {
            throw .cannotStart(command: command.executable, reason: reason(error))
        }
    }

    private static func start(
        _ command: Command, _ pipes: Pipes, _ children: OwnChildren
    ) throws(Errno) -> KeeperProcess {
        defer { pipes.closeChildEnds() }
        children.willStart()
        do throws(Errno) {
            let keeper = try KeeperProcess(command, pipes)
            children.started(keeper.pid)
            return keeper
        } catch {
            children.didNotStart()
            throw error
        }
    }

    /// Reads what pi wrote before it ended.
    ///
    /// A tool that outlived it may hold the pipe open, so this
    /// ends after a moment of silence at the latest.
    private static func drain(_ process: NIOLoopBound<PiProcess>, _ ended: EventLoopFuture<Void>) async {
        let deadline = process.eventLoop.makePromise(of: Void.self)
        ended.cascade(to: deadline)
        let timer = process.eventLoop.scheduleTask(in: .seconds(1)) { process.value.output.close(promise: nil) }
        // The promise only succeeds.
        try? await deadline.futureResult.get()
        timer.cancel()
    }

    /// What a status of wait(2) says; WIFEXITED and its kin are macros, which Swift does not import.
    private static func exit(_ status: CInt, _ process: PiProcess) -> PiExit {
        process.closeAll()
        let number = Int(status & 0x7F)
        guard number == 0 else { return PiExit(signal: number, lastWords: process.lastWords) }
        return PiExit(code: Int(status >> 8 & 0xFF), lastWords: process.lastWords)
    }

    private func closeAll() {
        input.close(promise: nil)
        output.close(promise: nil)
        errors.close(promise: nil)
        lifeline.close(promise: nil)
    }

    private static func open(
        _ pipes: Pipes, on eventLoop: any EventLoop, owner: NIOLoopBound<any Owner>,
        outputEnded: EventLoopPromise<Void>, keeperEnded: EventLoopPromise<Void>, logger: Logger
    ) async throws -> NIOLoopBound<PiProcess> {
        let input = try await NIOPipeBootstrap(group: eventLoop)
            .takingOwnershipOfDescriptor(output: pipes.ourInput.rawValue).get()
        let output = try await NIOPipeBootstrap(group: eventLoop)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 65536, maximum: Pipes.outputBytes)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let reader = PipeReader(
                        take: { owner.value.piWrote($0) },
                        end: {
                            owner.value.piOutputEnded()
                            outputEnded.succeed()
                        })
                    try channel.pipeline.syncOperations.addHandler(reader)
                }
            }
            .takingOwnershipOfDescriptor(input: pipes.ourOutput.rawValue).get()
        let tail = try await eventLoop.submit { NIOLoopBound(StderrTail(logger: logger), eventLoop: eventLoop) }.get()
        let errors = try await NIOPipeBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let reader = PipeReader(take: { tail.value.append($0) }, end: {})
                    try channel.pipeline.syncOperations.addHandler(reader)
                }
            }
            .takingOwnershipOfDescriptor(input: pipes.ourErrors.rawValue).get()
        let lifeline = try await NIOPipeBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let reader = PipeReader(take: { _ in }, end: { keeperEnded.succeed() })
                    try channel.pipeline.syncOperations.addHandler(reader)
                }
            }
            .takingOwnershipOfDescriptor(input: pipes.ourLifeline.rawValue).get()
        return try await eventLoop.submit {
            let process = PiProcess(
                input: input, output: output, errors: errors, lifeline: lifeline, tail: tail.value, logger: logger)
            return NIOLoopBound(process, eventLoop: eventLoop)
        }.get()
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as Errno: "\(error)".lowercased()
        default: "\(error)"
        }
    }
}

/// Hands on what a pipe brings.
private final class PipeReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let take: (ByteBuffer) -> Void
    private let end: () -> Void

    init(take: @escaping (ByteBuffer) -> Void, end: @escaping () -> Void) {
        self.take = take
        self.end = end
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
