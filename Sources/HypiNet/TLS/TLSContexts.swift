import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The rules of clients that were made before: reading the system's authorities takes milliseconds, and a context serves
/// any number of connections.
///
/// A file of authorities is read again when it has changed; the system's are read once.
final class TLSContexts: Sendable {
    private struct Key: Hashable {
        var trust: TLSTrust
        /// Which file, as it was: device, number, length and times.
        var stamp: [Int]
    }

    /// How many are kept; beyond it all are forgotten, and made again as they are needed.
    private static let limit = 64

    /// Those of this process.
    static let shared = TLSContexts()

    /// A lock, because clients live on every loop; nothing is read under it.
    private let known = NIOLockedValueBox<[Key: TLSConfiguration]>([:])

    /// The rules for a trust; files are read on another thread.
    func configuration(_ trust: TLSTrust, on eventLoop: any EventLoop) -> EventLoopFuture<TLSConfiguration> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try self.configuration(trust) }
    }

    /// The same, read by the caller.
    func configuration(_ trust: TLSTrust) throws(TLSError) -> TLSConfiguration {
        let key = Key(trust: trust, stamp: trust.authorityFile.map(Self.stamp) ?? [])
        if let configuration = known.withLockedValue({ $0[key] }) { return configuration }
        let configuration = try TLSConfiguration(trust)
        known.withLockedValue { known in
            if known.count >= Self.limit { known = [:] }
            known[key] = configuration
        }
        return configuration
    }

    private static func stamp(_ path: String) -> [Int] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        #if canImport(Glibc)
            let (changed, written) = (status.st_ctim, status.st_mtim)
        #else
            let (changed, written) = (status.st_ctimespec, status.st_mtimespec)
        #endif
        return [
            Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino),
            Int(truncatingIfNeeded: status.st_size), changed.tv_sec, changed.tv_nsec, written.tv_sec, written.tv_nsec,
        ]
    }
}
