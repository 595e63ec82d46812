import Foundation
import HypiNet
import HypiTestSupport
import HypiWire

/// A TCP connection that does only what a test says: it may speak HTTP, shake hands, and then never read again.
///
/// Calls block; only the test's own thread waits.
final class RawPeer: @unchecked Sendable {
    // Sendable because the only state is a descriptor that is set once.
    private let descriptor: CInt

    /// Connects to a port on loopback.
    init(port: Int) throws {
        #if canImport(Glibc)
            descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
            descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw DeadlinePassed("cannot connect to \(port): \(errno)") }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends text.
    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(descriptor, bytes, bytes.count)
    }

    /// Reads what there is, at most so much; empty at the end.
    func read(atMost count: Int = 1 << 16) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &buffer, count, 0)
        return got > 0 ? Array(buffer[..<got]) : []
    }

    /// Reads to the end of the connection and returns the last bytes.
    func readToEnd(keeping tail: Int = 256) -> [UInt8] {
        var last: [UInt8] = []
        while case let bytes = read(), !bytes.isEmpty { last = Array((last + bytes).suffix(tail)) }
        return last
    }

    /// Reads until the last bytes are these, or to the end, and returns the last bytes.
    func read(until end: [UInt8]) -> [UInt8] {
        var last: [UInt8] = []
        while !last.suffix(end.count).elementsEqual(end), case let bytes = read(), !bytes.isEmpty {
            last = Array((last + bytes).suffix(256))
        }
        return last
    }

    /// Asks for one path and returns the whole answer.
    static func get(_ path: String, port: Int, method: String = "GET") throws -> String {
        let peer = try RawPeer(port: port)
        peer.send("\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\r\n")
        return String(decoding: peer.readToEnd(keeping: 1 << 16), as: UTF8.self)
    }

    /// Opens a WebSocket and reads no further than the answer's first piece.
    static func upgraded(port: Int, path: String = "/ws", token: Token) throws -> RawPeer {
        let peer = try RawPeer(port: port)
        peer.send(
            "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                + "Authorization: Bearer \(token.secret)\r\n\r\n")
        let answer = String(decoding: peer.read(), as: UTF8.self)
        guard answer.hasPrefix("HTTP/1.1 101") else { throw DeadlinePassed("no upgrade: \(answer)") }
        return peer
    }
}
