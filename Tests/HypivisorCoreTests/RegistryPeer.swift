import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

/// A registry connection of a test: sends what it likes, reads what comes.
final class RegistryPeer: Sendable {
    private let stream: MessageStream
    private let inbox = Inbox<JSON>()
    private let reader: Task<Closure, Never>

    /// Connects to `/ws`.
    static func connect(to url: WebSocketURL, query: String? = nil, token: Token?) async throws -> RegistryPeer {
        let options = WebSocketClient.Options(token: token)
        let stream = try await MessageStream.connect(
            to: url.with(path: url.path, query: query), options: options, on: MultiThreadedEventLoopGroup.singleton)
        return RegistryPeer(stream)
    }

    private init(_ stream: MessageStream) {
        self.stream = stream
        let inbox = inbox
        reader = Task {
            defer { inbox.finish() }
            do {
                for try await payload in stream.messages { inbox.append(try JSON(parsing: payload)) }
                return Closure(code: .normal)
            } catch let lost as MessageStream.ConnectionLost {
                return lost.closure
            } catch {
                return Closure(code: .abnormal, reason: "\(error)")
            }
        }
    }

    func send(_ json: JSON) {
        stream.send(json)
    }

    func send(text: String) {
        stream.send(ByteBuffer(string: text))
    }

    /// The next frame.
    func next(_ what: String = "a frame") async throws -> JSON {
        try #require(try await inbox.next(what))
    }

    /// The next event of a kind; what comes before is left out.
    func event(_ name: String) async throws -> JSON {
        try #require(try await inbox.next("event \(name)") { $0["event"]?.string == name })
    }

    /// Asks, and waits for the whole answer; events before it are left out.
    func ask(_ method: String, _ params: JSONObject? = nil, id: JSON = "q") async throws -> JSON {
        var request: JSONObject = ["id": id, "method": .string(method)]
        request["params"] = params.map(JSON.object)
        send(.object(request))
        return try #require(try await inbox.next("answer to \(method)") { $0["event"] == nil })
    }

    /// The result of an answer that must be one.
    func result(_ method: String, _ params: JSONObject? = nil) async throws -> JSON {
        let answer = try await ask(method, params)
        return try #require(answer["result"], "\(answer.text)")
    }

    /// The code of an answer that must be a refusal.
    func refusal(_ method: String, _ params: JSONObject? = nil) async throws -> String {
        let answer = try await ask(method, params)
        #expect(answer["error"]?.string?.isEmpty == false, "\(answer.text)")
        return try #require(answer["code"]?.string, "\(answer.text)")
    }

    /// What the server closed the connection with.
    func closure() async throws -> Closure {
        try await within(.seconds(10), "the end of the connection") { await self.reader.value }
    }

    func close() async {
        await stream.closeAndWait()
    }

    /// The parameters of a registration.
    static func node(_ id: String, port: Int = 4000, _ more: JSONObject = [:]) -> JSONObject {
        var node: JSONObject = [
            "id": .string(id), "machine": "desk", "cwd": .string("/home/u/\(id)"), "port": .int(port),
            "status": "active",
        ]
        for member in more.members { node[member.key] = member.value }
        return node
    }
}
