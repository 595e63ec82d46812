import HypiNet
import HypiWire
import NIOCore

/// One end of a relay: passes the frames of its socket to the other end, and takes those of the other.
///
/// The two ends may live on different loops. What is on its way between them is counted, and the sender's socket is not
/// read while that is too much or the receiver's socket is full; so a viewer that stops reading fills the agent's outbox
/// and not our memory.
///
/// ```
/// socket -> received(frame:) -> batch -> other end's loop -> deliver -> other socket
///    ^                                                         |
///    +------ pause / resume <- delivered <---------------------+
/// ```
///
/// What one read brings goes on as one batch and in one write: of short frames that come in a flood, hopping and writing
/// cost more than everything else.
final class RelaySide: WebSocketEndpoint {
    /// Frames pass one by one, pings and pongs among them.
    let receivesFrames = true
    /// A long frame passes as it comes, so that what a relay holds does not depend on how long frames are.
    let receivesParts = true

    /// Who is at the socket of an end.
    enum Party: Sendable {
        /// Somebody who looks at an agent.
        case viewer
        /// The agent.
        case agent
    }

    private enum State {
        /// The other end is not known yet.
        case alone
        case joined(RelayEnd)
        /// This end is over; the other is told when it is known.
        case ended(Closure)
    }

    private let party: Party
    private let onOpened: (RelaySide) -> Void
    private var state = State.alone
    /// Frames that came before the other end was known.
    ///
    /// The socket is read until then, so that a peer that leaves is noticed, but not beyond ``Limits/relayBytes``.
    private var waiting: [Frame] = []
    /// Frames of the read that is under way.
    private var batch: [Frame] = []
    private var waitingByteCount = 0
    private(set) var socket: WebSocket?
    private var byteCountUnderWay = 0
    private var otherIsWritable = true

    /// An end without a socket.
    ///
    /// - Parameters:
    ///   - party: Who is at the socket.
    ///   - onOpened: Finds the other end; called once, when the socket is there.
    init(_ party: Party, onOpened: @escaping (RelaySide) -> Void) {
        self.party = party
        self.onOpened = onOpened
    }

    /// This end, for the loop of the other; to be asked for on this end's loop, when it has its socket.
    func end(on eventLoop: any EventLoop) -> RelayEnd {
        RelayEnd(side: NIOLoopBound(self, eventLoop: eventLoop))
    }

    // MARK: Joining

    /// The other end is there: what has waited goes to it.
    func join(_ other: RelayEnd) {
        switch state {
        case .alone:
            state = .joined(other)
            forward(waiting, to: other)
            waiting = []
            updateReading()
        case .ended(let closure):
            other.perform { $0.close(closure) }
        case .joined:
            break
        }
    }

    // MARK: From the socket

    func opened(_ socket: WebSocket) {
        self.socket = socket
        onOpened(self)
    }

    func received(_ message: Message) {}

    func received(frame: Frame) {
        switch state {
        case .alone:
            waiting.append(frame)
            waitingByteCount += frame.payload.readableBytes
            if waitingByteCount > Limits.relayBytes || waiting.count > Limits.relayFrames { socket?.pauseReading() }
        case .joined: batch.append(frame)
        case .ended: break
        }
    }

    func readEnded() {
        guard case .joined(let other) = state, !batch.isEmpty else { return }
        let frames = batch
        batch = []
        forward(frames, to: other)
    }

    func writabilityChanged() {
        guard case .joined(let other) = state else { return }
        let isWritable = socket?.isWritable ?? false
        other.perform { $0.otherChanged(isWritable: isWritable) }
    }

    func closed(_ closure: Closure) {
        readEnded()
        socket = nil
        waiting = []
        let words = closure.code == .abnormal ? lostWords : closure
        if case .joined(let other) = state { other.perform { $0.close(words) } }
        state = .ended(words)
    }

    /// What the other end hears when a connection ended without a close frame, whose code may not be sent.
    private var lostWords: Closure {
        switch party {
        case .viewer: Closure(code: .goingAway, reason: "the viewer's connection was lost")
        case .agent: Closure(code: .badGateway, reason: "the agent's connection was lost")
        }
    }

    private func forward(_ frames: [Frame], to other: RelayEnd) {
        guard let socket, !frames.isEmpty else { return }
        let count = frames.reduce(0) { $0 + $1.payload.readableBytes }
        byteCountUnderWay += count
        let origin = end(on: socket.eventLoop)
        updateReading()
        other.perform { other in
            let isWritable = other.deliver(frames)
            origin.perform { $0.delivered(count, isWritable: isWritable) }
        }
    }

    // MARK: From the other end

    /// - Returns: Whether this end takes more.
    private func deliver(_ frames: [Frame]) -> Bool {
        guard let socket else { return true }
        socket.send(frames)
        return socket.isWritable || !socket.isOpen
    }

    private func delivered(_ byteCount: Int, isWritable: Bool) {
        byteCountUnderWay -= byteCount
        otherChanged(isWritable: isWritable)
    }

    private func otherChanged(isWritable: Bool) {
        otherIsWritable = isWritable
        updateReading()
    }

    private func updateReading() {
        guard case .joined = state, let socket, socket.isOpen else { return }
        if otherIsWritable && byteCountUnderWay <= Limits.relayBytes {
            socket.resumeReading()
        } else {
            socket.pauseReading()
        }
    }

    // MARK: Closing

    /// Closes this end with the words of the other; reads again, or the answer to the close would not be seen.
    func close(_ closure: Closure) {
        guard let socket else { return }
        socket.resumeReading()
        socket.close(closure.code, reason: closure.reason)
    }
}

/// One end of a relay, as other loops hold it.
struct RelayEnd: Sendable {
    fileprivate let side: NIOLoopBound<RelaySide>

    /// The loop the end lives on.
    var eventLoop: any EventLoop { side.eventLoop }

    /// Does something with the end on its loop: at once if this is its loop, and in order in any case.
    func perform(_ body: @escaping @Sendable (RelaySide) -> Void) {
        if eventLoop.inEventLoop {
            body(side.value)
        } else {
            eventLoop.execute { body(side.value) }
        }
    }

    /// Joins two ends; both are read from then on.
    static func join(_ one: RelayEnd, _ other: RelayEnd) {
        one.perform { $0.join(other) }
        other.perform { $0.join(one) }
    }
}
