import CPlatform
import Dispatch
import HypiWire
import NIOCore

/// A stand-in for `pi --mode rpc` with no model, no network and no key.
///
/// ```
/// stdin -> reader thread -> record splitter -> Agent -> stdout
///                                              |   ^
///                                              v   | output
///                                              shells, each in a session of its own
/// ```
public enum PiDemo {
    /// The longest line that is taken from stdin; a longer one is answered as if it were not JSON.
    private static let recordLimit = 64 << 20
    /// How many lines may wait for the agent; the reader then waits too, and stdin fills up.
    private static let waitingLines = 64

    /// Speaks pi's RPC protocol on stdin and stdout until stdin ends and what is under way is done.
    ///
    /// - Parameter options: What the program was started with.
    /// - Returns: The exit status: 0, or 1 if the session could not be opened. A reader of stdout that goes away and
    ///   `/crash` end the process with 1 from within; signals keep their default action, as in pi.
    public static func run(_ options: DemoOptions) async -> Int32 {
        System.ignoreBrokenPipes()
        // As Node does: a tool that outlives us must not hold open what our parent left to us.
        hypi_keep_descriptors()
        let agent: Agent
        do {
            agent = try Agent(options)
        } catch {
            System.diagnose("\(error)")
            return 1
        }
        let room = DispatchSemaphore(value: waitingLines)
        let (lines, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        // A thread of its own: stdin may be a file, a pipe or a terminal, and a blocking read serves all.
        DispatchQueue(label: "pi-demo.stdin").async {
            readLines { line in
                room.wait()
                continuation.yield(line)
            }
            continuation.finish()
        }
        for await line in lines {
            await agent.receive(line)
            room.signal()
        }
        await agent.finish()
        return 0
    }

    private static func readLines(_ receive: ([UInt8]) -> Void) {
        var splitter = RecordSplitter(limit: recordLimit)
        while let bytes = try? System.readSome(from: 0), !bytes.isEmpty {
            splitter.append(ByteBuffer(bytes: bytes))
            while let output = splitter.next() { receive(line(output)) }
        }
        if let last = splitter.finish() { receive(line(last)) }
    }

    private static func line(_ output: RecordSplitter.Output) -> [UInt8] {
        switch output {
        case .record(let buffer): Array(buffer.readableBytesView)
        case .oversized(let byteCount): Array("a line of \(byteCount) bytes".utf8)
        }
    }
}

extension PiDemo {
    /// What `--version` prints.
    public static let version = "pi-demo \(Version.current)"

    /// Says in one line on stderr which arguments mean nothing here; says nothing where there are none.
    ///
    /// - Parameter arguments: Arguments meant for a real pi.
    public static func report(ignored arguments: [String]) {
        guard !arguments.isEmpty else { return }
        System.diagnose("ignoring \(arguments.joined(separator: " "))")
    }
}
