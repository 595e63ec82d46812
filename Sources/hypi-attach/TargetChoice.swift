import ChatCore
import HypiNet
import HypiTool
import HypiWire
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Which agent is meant, and how it is reached.
struct TargetChoice: Sendable {
    private let word: String?
    private let endpoint: EndpointOptions
    private let environment: Environment
    private let group: any EventLoopGroup

    init(_ word: String?, endpoint: EndpointOptions, environment: Environment, group: any EventLoopGroup) {
        self.word = word
        self.endpoint = endpoint
        self.environment = environment
        self.group = group
    }

    /// The agent, behind its hypivisor or straight at its pi-socket.
    func resolve(mayAsk: Bool) async throws -> AgentEndpoint {
        if let agent = try direct() { return agent }
        return try agent(try await node(mayAsk: mayAsk))
    }

    /// The registry's entry of the agent.
    func node(mayAsk: Bool) async throws -> Node {
        let nodes = try await RegistryClient.with(registry(), options: client(), on: group) { try await $0.listNodes() }
        if let word { return try TargetWord(word).resolve(in: nodes, from: .current(environment)) }
        switch nodes.count {
        case 0: throw Failure(.failure, "no agent is running", hint: "start one with 'hypi-spawn DIR'")
        case 1: return nodes[0]
        default: return try mayAsk ? ask(nodes) : refuse(nodes)
        }
    }

    /// The agents whose nodes stand on standard input, as `hypi-ls` prints them.
    func fromInput() async throws -> [AgentEndpoint] {
        var input = InputRecords(descriptor: STDIN_FILENO)
        var agents: [AgentEndpoint] = []
        while let line = try await input.next() {
            do {
                agents.append(try agent(try Node(json: try JSON(parsing: line))))
            } catch {
                throw AgentFault.badInput(line: input.lineNumber, reason: "\(error)")
            }
        }
        return agents
    }

    /// Asks the registry to have an agent end.
    func stop(_ node: Node) async throws {
        _ = try await RegistryClient.with(registry(), options: client(), on: group) {
            try await $0.request("stop_agent", ["id": .string(node.id)])
        }
    }

    private func agent(_ node: Node) throws -> AgentEndpoint {
        // A version 1 agent takes any frame it does not know for a prompt, our hello among them.
        let isVersion2 = node.version != nil || node.startedAt != nil || node.activity != nil || node.tunnel != nil
        guard isVersion2 else { throw AgentFault.oldAgent }
        return AgentEndpoint(node: node, registry: try registry(), options: try client())
    }

    /// The agent that was named by its URL; `nil` if it was named otherwise.
    func direct() throws -> AgentEndpoint? {
        guard let text = word, text.contains("://") else { return nil }
        guard var url = WebSocketURL(text) else {
            throw Failure(.usage, "'\(text)' is not a WebSocket URL", hint: "such as ws://127.0.0.1:4000")
        }
        try endpoint.checkTrust(in: url)
        var options = try endpoint.clientOptions(environment, to: url)
        if let query = url.query, let shown = PercentCoding.value(of: "token", inQuery: query) {
            options.token = Token(shown)
            url.query = nil
        }
        return AgentEndpoint(direct: url, options: options)
    }

    private func registry() throws -> WebSocketURL {
        let url = try endpoint.registry(environment)
        try endpoint.checkTrust(in: url)
        return url
    }

    private func client() throws -> WebSocketClient.Options {
        try endpoint.clientOptions(environment)
    }

    // MARK: Choosing

    private func line(_ node: Node) -> String {
        [node.id, node.name, node.activity?.rawValue, node.cwd].compactMap { $0 }.joined(separator: "  ")
            .withoutControlCharacters
    }

    private func refuse(_ nodes: [Node]) throws -> Node {
        for node in nodes { Diagnostic.print("hypi-attach", line(node)) }
        throw Failure(.usage, "\(nodes.count) agents are running", hint: "say which: hypi-attach TARGET")
    }

    private func ask(_ nodes: [Node]) throws -> Node {
        for (index, node) in nodes.enumerated() { Diagnostic.print("\(index + 1)", line(node)) }
        let question = Array("agent [1-\(nodes.count)]: ".utf8)
        // Where the terminal takes no question it will give no answer either, which is looked at below.
        _ = write(STDERR_FILENO, question, question.count)
        guard let text = readLine(), let number = Int(text), nodes.indices.contains(number - 1) else {
            throw Failure(.usage, "no agent was chosen")
        }
        return nodes[number - 1]
    }
}
