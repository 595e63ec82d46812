import CPlatform
import HypiWire
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A chat on this process's terminal, from its first frame to the terminal's own settings again.
public struct ChatSession: Sendable {
    /// How a chat ended.
    public enum Ending: Sendable {
        /// The person left; the agent goes on.
        case left
        /// A signal came; the terminal is restored and the signal is to be raised again.
        case signal(CInt)
        /// The agent has ended; what brings it back, where that is known.
        case gone(comeBack: Revival?)
        /// The agent has ended and is to be brought back with this session.
        case revive(sessionFile: String?)
    }

    /// The terminal cannot be used; why.
    public struct TerminalFault: Error, Sendable, Equatable {
        /// The system's reason.
        public var reason: String
    }

    /// Whether the line editor this was built with can share the screen with a conversation.
    public static var isSupported: Bool { LineEditor.isSupported }

    private let agent: AgentEndpoint
    private let surroundings: Chat.Surroundings

    /// A chat with an agent.
    ///
    /// - Parameters:
    ///   - agent: The agent.
    ///   - returnCommand: What to type to come back.
    ///   - historyFolder: Where typed lines are kept; it must exist. `nil` keeps none.
    ///   - editorCommand: The person's editor.
    ///   - temporaryFolder: Where the text lies while it is edited.
    ///   - isColoured: Whether colours and attributes may be used.
    ///   - hasLinks: Whether the terminal takes links.
    ///   - enterKey: What Enter does while the agent works.
    ///   - home: This person's home folder.
    ///   - shorten: How a folder is written for this person, `~/src` for example.
    public init(
        _ agent: AgentEndpoint, returnCommand: String, historyFolder: String?, editorCommand: String?,
        temporaryFolder: String, isColoured: Bool, hasLinks: Bool, enterKey: EnterKey, home: String?,
        shorten: @escaping @Sendable (String) -> String
    ) {
        self.agent = agent
        surroundings = Chat.Surroundings(
            name: agent.name, node: agent.node, returnCommand: returnCommand, historyFolder: historyFolder,
            editorCommand: editorCommand, temporaryFolder: temporaryFolder, shorten: shorten, isColoured: isColoured,
            hasLinks: hasLinks, enterKey: enterKey, home: home, canRevive: agent.node != nil)
    }

    /// Talks until the person leaves.
    ///
    /// - Parameter connection: The conversation, which must have no bound on its patience.
    /// - Returns: How it ended; the terminal is as it was.
    /// - Throws: ``TerminalFault``, or why the agent cannot be talked to.
    public func run(on connection: AgentConnection) async throws -> Ending {
        _ = hypi_use_unicode()
        guard hypi_guard_terminal(STDIN_FILENO) == 0 else {
            throw TerminalFault(reason: String(cString: strerror(errno)).lowercased())
        }
        defer { hypi_restore_terminal() }
        let chat = try makeChat()
        let thread = try TerminalThread(chat)
        let ending = await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                do {
                    try await connection.run { await chat.handle($0) }
                } catch {
                    await chat.end(.failed(error))
                }
            }
            tasks.addTask { await Self.deliver(chat, connection) }
            let ending = await thread.ended
            await connection.close()
            tasks.cancelAll()
            return ending
        }
        thread.finish()
        switch ending {
        case .left: return .left
        case .signal(let number): return .signal(number)
        case .gone(let comeBack): return .gone(comeBack: comeBack)
        case .revive(let sessionFile): return .revive(sessionFile: sessionFile)
        case .failed(let error): throw error
        }
    }

    private func makeChat() throws(TerminalFault) -> Chat {
        do {
            let loop = try TerminalLoop(keyboard: STDIN_FILENO)
            return try Chat(surroundings, loop: loop, terminal: STDOUT_FILENO)
        } catch let fault as TerminalLoop.Fault {
            throw TerminalFault(reason: String(cString: strerror(fault.code)).lowercased())
        } catch let fault as LineEditor.Fault {
            throw TerminalFault(reason: String(cString: strerror(fault.code)).lowercased())
        } catch {
            throw TerminalFault(reason: "\(error)")
        }
    }

    /// Does what may wait for a disk.
    private static func offLoop<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(work)
    }

    /// Sends what the chat gives out, in its order.
    private static func deliver(_ chat: Chat, _ connection: AgentConnection) async {
        for await outgoing in chat.outgoing {
            switch outgoing {
            case .command(let command, let id, let files):
                do {
                    // A file may lie on a slow disk; keys and events go on meanwhile.
                    let whole = files.isEmpty ? command : try await offLoop { try AttachedFile.add(files, to: command) }
                    try await connection.send(whole, id: id)
                } catch let fault as ExternalEditor.Fault {
                    await chat.refused(id, fault.reason)
                } catch {
                    await chat.refused(id, "too much waits for the agent; try again later")
                }
            case .listFolder(let folder):
                guard let names = try? await offLoop({ FolderListing.names(in: folder) }) else { break }
                await chat.took(names: names)
            case .frame(let frame): await connection.send(frame: frame)
            case .answer(let dialog, let answer): await connection.answer(dialog, answer)
            }
        }
    }
}

/// The thread that the chat lives on.
private final class TerminalThread: Sendable {
    private let chat: Chat
    private let outcome: AsyncStream<Chat.Ending>

    init(_ chat: Chat) throws(ChatSession.TerminalFault) {
        self.chat = chat
        let (outcome, outlet) = AsyncStream.makeStream(of: Chat.Ending.self)
        self.outcome = outcome
        let body = Unmanaged.passRetained(
            ThreadBody {
                chat.runLoop()
                outlet.yield(chat.assumeIsolated { $0.finish() })
                outlet.finish()
                chat.loop.serveJobs()
            })
        #if canImport(Glibc)
            var thread = pthread_t()
        #else
            var thread: pthread_t?
        #endif
        let code = pthread_create(
            &thread, nil,
            { argument in
                #if canImport(Glibc)
                    guard let argument else { return nil }
                #endif
                Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            body.release()
            throw ChatSession.TerminalFault(reason: String(cString: strerror(code)).lowercased())
        }
        #if canImport(Glibc)
            pthread_detach(thread)
        #else
            if let thread { pthread_detach(thread) }
        #endif
    }

    /// How the chat ended, once the terminal is free.
    var ended: Chat.Ending {
        get async { await outcome.first { _ in true } ?? .left }
    }

    /// Ends the thread; the chat must not be called any more.
    func finish() {
        chat.loop.close()
    }
}

private final class ThreadBody {
    let run: () -> Void

    init(_ run: @escaping () -> Void) {
        self.run = run
    }
}
