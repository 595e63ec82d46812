import Foundation
import HypiWire
import NIOCore
import NIOPosix
import Testing

@testable import HypiTool

@Suite("Hearing of a hypivisor")
struct DiscoveryWatchTests {
    private let home = FileManager.default.temporaryDirectory.path + "/hypi-watch-" + UUID().uuidString
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func announce(_ file: DiscoveryFile, port: Int) throws {
        try file.write(WebSocketURL(host: "127.0.0.1", port: port, path: "/ws"))
    }

    @Test("every announcement is heard, the first one in a folder that was not there too, and nothing else is")
    func heard() async throws {
        defer { try? FileManager.default.removeItem(atPath: home) }
        let file = try DiscoveryFile(environment: Environment(["HOME": home]))
        let (heard, sink) = AsyncStream.makeStream(of: Int.self)
        // Says which announcement was in the file when it was heard: that one, or a later one.
        let watch = try await DiscoveryWatch.start(file, on: loop) { sink.yield((try? file.read())?.port ?? 0) }
        try PrivateFile.replace(home + "/.local/state/hyper-pi/other", with: "x")
        var ports = heard.makeAsyncIterator()
        for port in [1, 2] {
            try announce(file, port: port)
            #expect(await ports.next() == port)
        }
        watch.stop()
        // The loop has closed it before it does this.
        try await loop.submit {}.get()
        try announce(file, port: 3)
        sink.finish()
        #expect(await ports.next() == nil)
    }

    @Test("a folder that cannot be made is a fault with its name")
    func unwatchable() async throws {
        let file = try DiscoveryFile(environment: Environment(["HOME": "/dev/null"]))
        let fault = await #expect(throws: PrivateFile.Fault.self) { try await DiscoveryWatch.start(file, on: loop) {} }
        #expect(fault?.path.hasPrefix("/dev/null") == true)
    }
}
