import ArgumentParser
import ChatCore
import HypiTool
import HypiWire

/// Sit down beside a running agent: a chat on a terminal, a filter in a script.
@main
struct HypiAttachCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypi-attach",
        abstract: "Talk with a running agent: a chat on a terminal, a filter in a script.",
        usage: "hypi-attach [options] [target ...]", version: "hypi-attach \(Version.current)")

    @OptionGroup var options: AttachOptions
    @OptionGroup var endpoint: EndpointOptions

    func validate() throws {
        try options.check()
    }

    func run() async throws {
        try await ToolRun.run("hypi-attach") {
            let attachment = Attachment(options: options, endpoint: endpoint, environment: .taken())
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
