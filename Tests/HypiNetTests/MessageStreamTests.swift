@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@Suite("MessageStream and RegistryClient, over sockets")
struct MessageStreamTests {
    private static let group = MultiThreadedEventLoopGroup.singleton
    private static let options = WebSocketClient.Options(timeout: .seconds(60))

    /// A handwritten server that has accepted one client, and what `connect` made of it.
    private func accept<Client: Sendable>(
        _ connect: @escaping @Sendable (WebSocketURL) async throws -> Client
    ) async throws -> (client: Client, peer: RawPeer) {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/ws")
        async let client = connect(url)
        let peer = RawPeer(try await listener.next(), isClient: false)
        await peer.connection.send(SwitchingAnswer(to: try await peer.readHead()).text)
        await listener.stop()
        return (try await client, peer)
    }

    private func stream(byteLimit: Int = Limits.streamBytes) async throws -> (client: MessageStream, peer: RawPeer) {
        try await accept {
            try await MessageStream.connect(to: $0, options: Self.options, byteLimit: byteLimit, on: Self.group)
        }
    }

    private func registry(keepsEvents: Bool = false) async throws -> (client: RegistryClient, peer: RawPeer) {
        try await accept {
            try await RegistryClient.connect(to: $0, options: Self.options, keepsEvents: keepsEvents, on: Self.group)
        }
    }

    @Test("messages come in order, and end with a normal close")
    func order() async throws {
        let (stream, peer) = try await stream()
        for text in ["a", "b", "c"] { await peer.send(0x81, text: text) }
        await peer.send(0x88, [3, 232])
        var texts: [String] = []
        for try await payload in stream.messages { texts.append(String(buffer: payload)) }
        #expect(texts == ["a", "b", "c"])
        await peer.connection.close()
    }

    @Test("any other end is thrown, with the peer's reason, behind the last message")
    func lost() async throws {
        let (stream, peer) = try await stream()
        await peer.send(0x81, text: "last")
        await peer.send(0x88, [3, 245] + Array("full".utf8))
        await peer.connection.close()
        var messages = stream.messages.makeAsyncIterator()
        #expect(try await messages.next() == ByteBuffer(string: "last"))
        let closure = Closure(code: .tryAgainLater, reason: "full")
        await #expect(throws: MessageStream.ConnectionLost(closure: closure)) { try await messages.next() }
    }

    @Test("who does not read makes the server wait, and loses nothing")
    func backpressure() async throws {
        let (stream, peer) = try await stream(byteLimit: 1 << 20)
        let total = 64
        let payload = [UInt8](repeating: 65, count: 1 << 20)
        let frame = RawPeer.frame(0x82, payload, mask: nil)
        let sending = Task {
            for _ in 0..<total { await peer.connection.send(frame) }
            await peer.send(0x88, [3, 232])
        }
        var count = 0
        for try await message in stream.messages {
            #expect(message.readableBytes == payload.count)
            count += 1
        }
        #expect(count == total)
        await sending.value
        await peer.connection.close()
    }

    @Test("closing waits until the server has agreed; a reader that goes away closes too")
    func closing() async throws {
        let (stream, peer) = try await stream()
        stream.send(ByteBuffer(string: "sent before"))
        async let closed: Void = stream.closeAndWait(.goingAway, reason: "done")
        let frames = try await peer.frames(2)
        #expect(frames[0].text == "sent before" && frames[1].closeCode == 1001)
        await peer.send(0x88, [3, 233])
        await peer.connection.close()
        await closed
        let (other, otherPeer) = try await self.stream()
        let reader = Task { for try await _ in other.messages {} }
        reader.cancel()
        #expect(try await otherPeer.frames(1).map(\.closeCode) == [1000])
        await otherPeer.connection.close()
        _ = await reader.result
    }

    // MARK: RegistryClient

    private func requestID(_ frame: RawPeer.WireFrame) throws -> Int {
        try #require(try JSON(parsing: frame.text)["id"]?.int)
    }

    @Test("answers find their askers in whatever order they come; a refusal is thrown")
    func answers() async throws {
        let (client, peer) = try await registry()
        let running = Task { try await client.run() }
        async let first = client.request("first")
        var frames = try await peer.frames(1)
        let second = Task { try await client.request("second", ["x": 1]) }
        frames = try await peer.frames(2)
        #expect(try JSON(parsing: frames[1].text)["params"]?["x"]?.int == 1)
        let ids = try frames.map(requestID)
        await peer.send(0x81, text: #"{"id":999,"result":"nobody's"}"#)
        await peer.send(0x81, text: #"{"id":\#(ids[1]),"error":"no","code":"busy"}"#)
        await peer.send(0x81, text: #"{"id":\#(ids[0]),"result":[1]}"#)
        #expect(try await first == [1])
        await #expect(throws: RegistryFault(.busy, "no")) { try await second.value }
        await peer.send(0x88, [3, 232])
        await peer.connection.close()
        try await running.value
    }

    @Test("when the connection is lost, everybody who waits hears of it, and whoever asks later too")
    func lossWhileWaiting() async throws {
        let (client, peer) = try await registry()
        let running = Task { try await client.run() }
        let askers = (0..<3).map { _ in Task { try await client.request("slow") } }
        _ = try await peer.frames(3)
        await peer.connection.close()
        for asker in askers {
            await #expect(throws: MessageStream.ConnectionLost.self) {
                try await within(.seconds(30), "an error") { try await asker.value }
            }
        }
        await #expect(throws: MessageStream.ConnectionLost.self) { try await client.request("later") }
        await #expect(throws: MessageStream.ConnectionLost.self) { try await running.value }
    }

    @Test("a request that is cancelled waits no longer; its late answer hurts nobody")
    func cancellation() async throws {
        let (client, peer) = try await registry()
        let running = Task { try await client.run() }
        let asker = Task { try await client.request("slow") }
        let id = try requestID(try await peer.frames(1)[0])
        asker.cancel()
        await #expect(throws: CancellationError.self) { try await asker.value }
        await peer.send(0x81, text: #"{"id":\#(id),"result":1}"#)
        async let next = client.request("next")
        let nextID = try requestID(try await peer.frames(2)[1])
        await peer.send(0x81, text: #"{"id":\#(nextID),"result":2}"#)
        #expect(try await next == 2)
        await peer.connection.close()
        _ = await running.result
    }

    @Test("events come with their cursors; more than can be kept end the connection")
    func events() async throws {
        let (client, peer) = try await registry(keepsEvents: true)
        let running = Task { try await client.run() }
        await peer.send(0x81, text: #"{"event":"init","nodes":[],"protocol_version":"1","cursor":"b.1"}"#)
        await peer.send(0x81, text: #"{"event":"unknown_one"}"#)
        await peer.send(0x81, text: #"{"event":"node_removed","id":"n","cursor":"b.2"}"#)
        var events = client.events.makeAsyncIterator()
        #expect(await events.next()?.cursor == "b.1")
        let removed = await events.next()
        #expect(removed?.event == .nodeRemoved(id: "n") && removed?.cursor == "b.2")
        let one = peer.frame(0x81, Array(#"{"event":"node_removed","id":"n"}"#.utf8))
        await peer.connection.send((0...Limits.registryEvents).flatMap { _ in one })
        await #expect(throws: RegistryClient.ProtocolFault(reason: "events come faster than they are read")) {
            try await running.value
        }
        await peer.connection.close()
    }

    @Test("a frame that is not JSON breaks the protocol, for whoever waits as well")
    func notJSON() async throws {
        let (client, peer) = try await registry()
        let running = Task { try await client.run() }
        let asker = Task { try await client.request("x") }
        _ = try await peer.frames(1)
        await peer.send(0x81, text: "{")
        await #expect(throws: RegistryClient.ProtocolFault.self) { try await asker.value }
        await #expect(throws: RegistryClient.ProtocolFault.self) { try await running.value }
        await peer.connection.close()
    }

    @Test("an answer that is here stands, however the server then ends")
    func rudeServer() async throws {
        let (task, peer) = try await accept { url in
            Task {
                try await RegistryClient.with(url, options: Self.options, on: Self.group) { try await $0.request("x") }
            }
        }
        let id = try requestID(try await peer.frames(1)[0])
        await peer.send(0x81, text: #"{"id":\#(id),"result":"here"}"#)
        _ = try await peer.frames(2)
        await peer.connection.close()
        #expect(try await task.value == "here")
    }
}
