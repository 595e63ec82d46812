import ArgumentParser
import ChatCore
import HypiTool
import HypiWire

/// Sit down beside a running agent: a chat on a terminal, a filter in a script.
@main
struct HypiAttachCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypi-attach",
        abstract: "Talk with a running agent.",
        discussion: """
            On a terminal it is a chat. With -p, or with text on standard input, it sends one prompt and streams the \
            answer to standard output. TARGET is an id or the start of one, a name, or a folder; ws://HOST:PORT goes \
            straight to a pi-socket; - reads nodes as NDJSON from standard input.

            exit: 0 answered; 1 the agent refused, failed or was aborted; 64 usage; 69 unreachable; 75 the agent needs \
            an answer (--answer, --deny); 77 the token was refused; 124 --timeout passed
            """,
        version: Version.current)

    @OptionGroup var options: AttachOptions
    @OptionGroup var endpoint: EndpointOptions

    func validate() throws {
        try options.check()
    }

    func run() async throws {
        try await ToolRun.run("hypi-attach") {
            let attachment = Attachment(options: options, endpoint: endpoint, environment: .current())
            do {
                return try await attachment.run()
            } catch let fault as AgentFault {
                throw Failure(agent: fault)
            } catch let error as InputRecords.ReadError {
                throw Failure(.inputOutput, "cannot read standard input: \(error.reason)")
            } catch let fault as ChatSession.TerminalFault {
                throw Failure(.system, "cannot use the terminal: \(fault.reason)")
            }
        }
    }
}
