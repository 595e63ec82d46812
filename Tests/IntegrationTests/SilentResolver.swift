import Foundation
import HypiTestSupport
import NIOPosix

/// A name server that takes questions and answers none, on port 53 of a loopback address of its own.
final class SilentResolver: Sendable {
    /// What a resolv.conf names.
    let address: String
    private let descriptor: CInt

    /// Binds an address; `nil` where the port is not ours to have.
    init?() {
        let last = UInt8.random(in: 2...250)
        address = "127.53.53.\(last)"
        descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = in_port_t(53).bigEndian
        name.sin_addr.s_addr = in_addr_t(0x7F35_3500 | UInt32(last)).bigEndian
        let code = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard code == 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Waits for a question.
    func hear() async throws {
        let count = try await NIOThreadPool.singleton.runIfActive { [descriptor] in
            var buffer = [UInt8](repeating: 0, count: 512)
            return recv(descriptor, &buffer, buffer.count, 0)
        }
        guard count > 0 else { throw DeadlinePassed("nobody asked the resolver") }
    }
}
