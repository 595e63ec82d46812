import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOCore
import NIOPosix

extension WebSocketEcho {
    /// `ws-echo cases URL`: asks a fuzzing server how many cases it has, runs each, and has the reports written.
    struct Cases: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Run the cases of Autobahn's fuzzing server.")

        @Argument(help: "The server's ws:// URL.") var url: String
        @Option(help: "Our name in the reports.") var agent = "ws-echo"

        func run() async throws {
            try await ToolRun.run("ws-echo cases") {
                let server = try WebSocketEcho.parse(url)
                let count = try await count(server)
                for number in 1...max(1, count) {
                    let query = "case=\(number)&agent=\(PercentCoding.encode(agent))"
                    // How a case ends is the server's business: it writes the report.
                    _ = try await WebSocketEcho.echo(server.with(path: "/runCase", query: query))
                }
                let reports = server.with(path: "/updateReports", query: "agent=\(PercentCoding.encode(agent))")
                _ = try await WebSocketEcho.echo(reports)
                try StandardOutput.write(record: ["cases": .int(count)])
                return .success
            }
        }

        private func count(_ server: WebSocketURL) async throws -> Int {
            let stream = try await MessageStream.connect(
                to: server.with(path: "/getCaseCount"), on: MultiThreadedEventLoopGroup.singleton)
            var answer = ""
            for try await message in stream.messages { answer += String(buffer: message) }
            guard let count = Int(answer) else { throw Failure(.peerProtocol, "not a number of cases: \(answer)") }
            return count
        }
    }
}
