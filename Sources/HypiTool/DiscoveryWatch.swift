public import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
    import Dispatch
#endif

/// Hears at once when a hypivisor announces itself in the ``DiscoveryFile``; nothing is polled.
///
/// Linux has few of these for each person (128 `inotify` instances by default, shared with every other program of
/// theirs), so one is held only while somebody waits for a hypivisor.
public final class DiscoveryWatch: Sendable {
    private let end: @Sendable () -> Void

    private init(end: @escaping @Sendable () -> Void) {
        self.end = end
    }

    /// Watches from now on; the folder is made if it is missing.
    ///
    /// - Parameters:
    ///   - file: What is watched.
    ///   - eventLoop: Where the system's events are read.
    ///   - announced: Called for every announcement, on any thread.
    /// - Returns: The watch, which lasts until ``stop()``.
    /// - Throws: ``PrivateFile/Fault`` if the folder cannot be made or watched, or what NIO makes of it.
    public static func start(
        _ file: DiscoveryFile, on eventLoop: any EventLoop, _ announced: @escaping @Sendable () -> Void
    ) async throws -> DiscoveryWatch {
        let slash = file.path.lastIndex(of: "/") ?? file.path.startIndex
        let folder = String(file.path[..<slash])
        try PrivateFile.makeFolder(folder)
        #if canImport(Glibc)
            let name = Array(file.path[slash...].dropFirst().utf8)
            let channel = try await inotify(folder, name, eventLoop, announced)
            return DiscoveryWatch { channel.close(promise: nil) }
        #else
            let source = try source(folder, announced)
            return DiscoveryWatch { source.cancel() }
        #endif
    }

    /// Watches no longer.
    public func stop() {
        end()
    }

    #if canImport(Glibc)
        private static func inotify(
            _ folder: String, _ name: [UInt8], _ eventLoop: any EventLoop, _ announced: @escaping @Sendable () -> Void
        ) async throws -> any Channel {
            let descriptor = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
            // The file is replaced by a rename, never written in place.
            guard descriptor >= 0, inotify_add_watch(descriptor, folder, UInt32(IN_MOVED_TO)) >= 0 else {
                let code = errno
                close(descriptor)
                throw PrivateFile.Fault(action: "watch", path: folder, code: code)
            }
            do {
                return try await NIOPipeBootstrap(group: eventLoop)
                    // The system refuses to read less than one whole event, of 272 bytes at most.
                    .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(RenameReader(name, announced))
                        }
                    }
                    .takingOwnershipOfDescriptor(input: descriptor).get()
            } catch {
                close(descriptor)
                throw error
            }
        }
    #else
        private static func source(
            _ folder: String, _ announced: @escaping @Sendable () -> Void
        ) throws -> any DispatchSourceFileSystemObject {
            let descriptor = open(folder, O_EVTONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw PrivateFile.Fault(action: "watch", path: folder, code: errno) }
            let source = DispatchSource.makeFileSystemObjectSource(fileDescriptor: descriptor, eventMask: .write)
            source.setEventHandler(handler: announced)
            source.setCancelHandler { close(descriptor) }
            source.resume()
            return source
        }
    #endif
}

#if canImport(Glibc)
    /// Reads what `inotify(7)` says: `wd, mask, cookie, length` of 32 bits each, and a name filled up with NUL.
    private final class RenameReader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let name: [UInt8]
        private let announced: @Sendable () -> Void

        init(_ name: [UInt8], _ announced: @escaping @Sendable () -> Void) {
            self.name = name
            self.announced = announced
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            while let (_, mask, _, length) = bytes.readMultipleIntegers(
                endianness: .host, as: (Int32, UInt32, UInt32, UInt32).self),
                let text = bytes.readBytes(length: Int(length))
            {
                // Events that did not fit into the system's queue may have been ours.
                let isLost = mask & UInt32(IN_Q_OVERFLOW) != 0
                if isLost || text.prefix(while: { $0 != 0 }).elementsEqual(name) { announced() }
            }
        }
    }
#endif
