public import NIOCore

/// A conversation a line at a time, for terminals without a screen: `TERM=dumb`, a pipe behind the chat.
///
/// Each line is a prompt, and its answer streams before the next line is read; a question of the agent takes the next
/// line as its answer.
public struct PlainLoop: Sendable {
    private let agent: AgentEndpoint
    private let patience: Duration
    private let group: any EventLoopGroup
    private let output: FilterOutput

    /// A loop with an agent.
    ///
    /// - Parameters:
    ///   - agent: The agent.
    ///   - patience: How long to try to come back to it.
    ///   - group: Where connections' loops come from.
    ///   - output: Where answers and remarks go.
    public init(_ agent: AgentEndpoint, patience: Duration, on group: any EventLoopGroup, output: FilterOutput) {
        self.agent = agent
        self.patience = patience
        self.group = group
        self.output = output
    }

    /// Talks until the input ends or a person types `/detach`.
    ///
    /// - Parameters:
    ///   - descriptor: Where lines come from.
    ///   - describe: Turns what went wrong with one prompt into words; the loop goes on.
    /// - Throws: What reading or the output throw.
    public func run(reading descriptor: CInt, describe: @Sendable (any Error) -> String) async throws {
        var input = InputRecords(descriptor: descriptor)
        var dialog: DialogRequest?
        output.note("\(agent.name): a line is a prompt; /detach or the end of input leaves, the agent goes on")
        while let line = try await input.next() {
            let text = String(buffer: line)
            if text == "/detach" { return }
            var options = PromptFilter.Options(prompt: text)
            if dialog != nil { options = .init(prompt: nil, policy: DialogPolicy(answers: [text])) }
            let connection = AgentConnection(to: agent, patience: patience, on: group)
            do {
                dialog = nil
                try await PromptFilter(options, on: connection, output: output).run()
            } catch AgentFault.needsAnswer(let question) {
                dialog = question
                output.note("the agent asks: \(question.summary)")
            } catch let fault as AgentFault {
                output.note(describe(fault))
            }
        }
    }
}
