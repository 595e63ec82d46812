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

    /// An agent that was named.
    enum Named: Sendable {
        /// By its URL.
        case direct(AgentEndpoint)
        /// As the registry knows it.
        case node(Node)

        /// What people call it.
        var name: String {
            switch self {
            case .direct(let endpoint): endpoint.name
            case .node(let node): node.id
            }
        }
    }

    /// The agent, through its hypivisor or straight at its pi-socket.
    func resolve(mayAsk: Bool) async throws -> AgentEndpoint {
        if let agent = try direct() { return agent }
        return try agent(try await node(mayAsk: mayAsk))
    }

    /// The agent that the word names.
    func named() async throws -> Named {
        if let agent = try direct() { return .direct(agent) }
        return .node(try await node(mayAsk: false))
    }

    /// How an agent is reached.
    func endpoint(of named: Named) throws -> AgentEndpoint {
        switch named {
        case .direct(let endpoint): endpoint
        case .node(let node): try agent(node)
        }
    }

    /// The registry's entry of the agent.
    func node(mayAsk: Bool) async throws -> Node {
        let nodes = try await listNodes()
        if let word { return try self.node(called: word, in: nodes) }
        switch nodes.count {
        case 0: throw Failure(.failure, "no agent is running", hint: "start one with 'hypi-spawn DIR'")
        case 1: return nodes[0]
        default:
            if let here = nodeOfThisFolder(in: nodes) { return here }
            return try mayAsk ? ask(nodes) : refuse(nodes)
        }
    }

    private func listNodes() async throws -> [Node] {
        try await RegistryClient.with(registry(), options: client(), on: group) { try await $0.listNodes() }
    }

    /// The agent a word means; where it means several, a person at a terminal chooses.
    private func node(called word: String, in nodes: [Node]) throws -> Node {
        do throws(TargetWord.Fault) {
            return try TargetWord(word).resolve(in: nodes, from: .current(environment))
        } catch {
            guard case .ambiguous(_, let candidates) = error, isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1
            else { throw error }
            return try ask(candidates)
        }
    }

    /// The one agent that runs in this folder of this machine; `nil` if none or several do.
    private func nodeOfThisFolder(in nodes: [Node]) -> Node? {
        let folder = WorkingFolder.current(environment)
        // A folder that was deleted is nobody's.
        guard let path = try? folder.absolute(".") else { return nil }
        let paths = Set([path, folder.existing(".") ?? path])
        let machine = Environment.machine()
        let here = nodes.filter { $0.status == .active && $0.machine == machine && paths.contains($0.cwd) }
        return here.count == 1 ? here[0] : nil
    }

    /// The agents on standard input: nodes as `hypi-ls` prints them, records with an `id`, or target words, one a line.
    ///
    /// - Throws: `AgentFault.badInput` for a record that names no agent.
    func namedOnInput() async throws -> [Named] {
        var input = InputRecords(descriptor: STDIN_FILENO)
        var agents: [Named] = []
        var listed: [Node]?
        while let line = try await input.next() {
            do {
                let text = String(buffer: line).trimmed
                var word = text
                if text.hasPrefix("{") {
                    let record = try JSON(parsing: text)
                    if let node = try? Node(json: record) {
                        agents.append(.node(node))
                        continue
                    }
                    guard let id = record["id"]?.string, !id.isEmpty else {
                        throw AgentFault.badInput(line: input.lineNumber, reason: "a record has no 'id'")
                    }
                    word = id
                }
                if let agent = try TargetChoice(
                    word, endpoint: endpoint, environment: environment, group: group
                ).direct() {
                    agents.append(.direct(agent))
                    continue
                }
                let nodes = if let listed { listed } else { try await listNodes() }
                listed = nodes
                agents.append(.node(try TargetWord(word).resolve(in: nodes, from: .current(environment))))
            } catch let error as JSONError {
                throw AgentFault.badInput(line: input.lineNumber, reason: "\(error)")
            } catch let fault as TargetWord.Fault {
                throw AgentFault.badInput(line: input.lineNumber, reason: Failure(fault).line)
            }
        }
        return agents
    }

    /// Starts an agent that has ended again, in its folder and with its session.
    func revive(_ ended: AgentEndpoint, sessionFile: String?) async throws -> AgentEndpoint {
        guard let node = ended.node else { throw AgentFault.gone(reason: "nothing is known of it") }
        var request: JSONObject = ["path": .string(node.cwd)]
        request["resume"] = sessionFile.map(JSON.string)
        request["name"] = node.name.map(JSON.string)
        let parameters = request
        return try await RegistryClient.with(registry(), options: client(), on: group) { registry in
            let started = try await registry.request("spawn_agent", parameters)
            let id = started["id"]?.string
            guard let node = try await registry.listNodes().first(where: { $0.id == id }) else {
                throw AgentFault.gone(reason: "it was started and has not registered")
            }
            return try agent(node)
        }
    }

    /// Asks the registry to have an agent end.
    ///
    /// - Parameters:
    ///   - node: The agent.
    ///   - waits: Whether to return only when it has ended.
    /// - Throws: ``Failure`` if the connection to the hypivisor was lost meanwhile; what the registry refuses.
    func stop(_ node: Node, waits: Bool) async throws {
        // A version 1 agent ignores the request.
        _ = try agent(node)
        let process = node.machine == Environment.machine() ? node.pid.flatMap { RunningProcess($0) } : nil
        let hasEnded = try await RegistryClient.with(registry(), options: client(), keepsEvents: waits, on: group) {
            client in
            _ = try await client.request("stop_agent", ["id": .string(node.id)])
            guard waits else { return true }
            for await event in client.events {
                switch event.event {
                case .nodeOffline(node.id), .nodeRemoved(node.id): return true
                default: continue
                }
            }
            return false
        }
        guard hasEnded else {
            throw Failure(.unreachable, "the connection to the hypivisor was lost while the agent was stopping")
        }
        // The registration ends a moment before the process does.
        if waits { await process?.ended(within: .seconds(5)) }
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

extension String {
    /// The text without the white space around it.
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
