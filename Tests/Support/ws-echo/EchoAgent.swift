import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOPosix

extension WebSocketEcho {
    /// `ws-echo agent`: registers with a hypivisor and echoes to whoever it relays.
    struct Agent: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Register with a hypivisor and echo to viewers.")

        @OptionGroup var endpoint: EndpointOptions
        @Option(help: "The agent's id.") var id = "echo"
        @Flag(help: "Have viewers come through tunnels that we open, instead of being dialled.") var tunnel = false

        func run() async throws {
            try await ToolRun.run("ws-echo agent") {
                let environment = Environment.current()
                let (url, options) = (try endpoint.registry(environment), try endpoint.clientOptions(environment))
                let server = try await WebSocketEcho.listen(port: 0, token: options.token)
                try await RegistryClient.with(
                    url.with(path: url.path, query: "role=agent"), options: options, keepsEvents: true,
                    on: MultiThreadedEventLoopGroup.singleton
                ) { registry in
                    _ = try await registry.request("register", node(port: server.port))
                    try StandardOutput.write(record: ["url": .string("\(url.with(path: "/ws/agent/\(id)"))")])
                    for await event in registry.events {
                        guard case .openTunnel(let tunnel, _) = event.event else { continue }
                        _ = WebSocketClient.connect(
                            to: url.with(path: "/ws/tunnel/\(tunnel)"), options: unbounded(options),
                            on: MultiThreadedEventLoopGroup.singleton.next()
                        ) { Echo() }
                    }
                }
                return .success
            }
        }

        private func unbounded(_ options: WebSocketClient.Options) -> WebSocketClient.Options {
            var options = options
            options.socket.outboxLimit = nil
            return options
        }

        private func node(port: Int) -> JSONObject {
            var node: JSONObject = [
                "id": .string(id), "machine": "echo", "cwd": "/echo", "port": .int(port), "instance": "echo",
            ]
            if tunnel { node["tunnel"] = true }
            return node
        }
    }
}
