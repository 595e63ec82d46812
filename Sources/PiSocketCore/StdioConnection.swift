import HypiNet
import HypiWire
import NIOCore
import NIOPosix
import PiAdapter

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// This process's own standard input and output as one more viewer, in pi's own protocol.
///
/// A program that embeds `pi --mode rpc` runs the bridge in its place and notices nothing; everybody else can watch. The
/// descriptors may be pipes, files or terminals, so they are read and written by threads that may block. The end of
/// standard input is for pi what it would be without us: it finishes what it does, and ends.
final class StdioConnection: ViewerOutput {
    private static let readBytes = 64 << 10
    /// One thread that reads and one that writes; they live as long as the process.
    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }()

    private let viewer: Viewer
    private let hub: SessionHub
    private let eventLoop: any EventLoop
    private let inputEnded: () -> Void
    private var splitter = RecordSplitter(limit: Limits.recordBytes)
    private var isReading = false
    private var isWriting = false
    private(set) var isOpen = true

    /// A connection of a viewer; `inputEnded` is called once, when no more commands come or nobody reads the answers.
    init(_ viewer: Viewer, hub: SessionHub, on eventLoop: any EventLoop, inputEnded: @escaping () -> Void) {
        self.viewer = viewer
        self.hub = hub
        self.eventLoop = eventLoop
        self.inputEnded = inputEnded
    }

    // MARK: Output

    /// One write is under way at a time; its end is what makes room.
    var isWritable: Bool {
        isOpen && !isWriting
    }

    func write(frames: ByteBuffer) {
        isWriting = true
        Self.threads.runIfActive(eventLoop: eventLoop) { Self.writeAll(frames) }
            .assumeIsolated().whenComplete { result in
                self.isWriting = false
                guard case .success(true) = result else { return self.end() }
                self.viewer.pump()
            }
    }

    func close(_ code: CloseCode, reason: String, deadline: TimeAmount) {
        end()
    }

    private func end() {
        guard isOpen else { return }
        isOpen = false
        viewer.ended()
        inputEnded()
    }

    private static let isTerminal = isatty(STDOUT_FILENO) == 1

    private static func writeAll(_ records: ByteBuffer) -> Bool {
        // A terminal would obey what stands in an answer.
        let bytes = isTerminal ? ByteBuffer(string: String(buffer: records).withEscapedControlCharacters) : records
        return bytes.withUnsafeReadableBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[offset...])
                #if canImport(Glibc)
                    let count = Glibc.write(STDOUT_FILENO, rest.baseAddress, rest.count)
                #else
                    let count = Darwin.write(STDOUT_FILENO, rest.baseAddress, rest.count)
                #endif
                if count < 0 {
                    guard waits(for: STDOUT_FILENO, Int16(POLLOUT)) else { return false }
                } else {
                    offset += count
                }
            }
            return true
        }
    }

    // MARK: Input

    /// Reads commands, from when there is a pi to take them.
    func startReading() {
        guard !isReading else { return }
        isReading = true
        readOn()
    }

    /// The next read begins when the last one's commands have been taken.
    private func readOn() {
        Self.threads.runIfActive(eventLoop: eventLoop) { Self.readSome() }.assumeIsolated().whenSuccess { bytes in
            guard self.isOpen else { return }
            guard bytes.readableBytes > 0 else {
                if case .record(let last)? = self.splitter.finish() { self.take(last) }
                return self.inputEnded()
            }
            self.splitter.append(bytes)
            while let output = self.splitter.next() {
                if case .record(let line) = output { self.take(line) }
            }
            self.readOn()
        }
    }

    private func take(_ line: ByteBuffer) {
        guard let command = (try? JSON(parsing: line))?.object, let type = command["type"]?.string else {
            return hub.passOn(line)
        }
        if type == "extension_ui_response" { return hub.answerDialog(command) }
        hub.command(command, from: viewer, originalID: command["id"]?.buffer)
    }

    /// What is there, or nothing at the end.
    private static func readSome() -> ByteBuffer {
        var bytes = ByteBuffer()
        while true {
            var hasFailed = false
            bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: readBytes) { buffer in
                let count = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                hasFailed = count < 0
                return max(0, count)
            }
            guard hasFailed, waits(for: STDIN_FILENO, Int16(POLLIN)) else { return bytes }
        }
    }

    /// After a call that brought nothing: whether it is worth another try, once the descriptor is ready.
    private static func waits(for descriptor: CInt, _ events: Int16) -> Bool {
        guard errno == EINTR || errno == EAGAIN else { return false }
        var request = pollfd(fd: descriptor, events: events, revents: 0)
        return poll(&request, 1, -1) >= 0 || errno == EINTR
    }
}
