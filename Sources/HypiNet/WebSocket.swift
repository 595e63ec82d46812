public import HypiWire
public import NIOCore

/// One open WebSocket connection, from the side of a server or a client.
///
/// It checks what the peer sends, answers pings, runs the close handshake with a deadline, pings a quiet peer, and
/// bounds what waits to be written. It belongs to its event loop: every call must come from there.
///
/// ```
/// bytes -> FrameDecoder -> MessageAssembler -> endpoint
/// endpoint -> FrameEncoder -> bytes
/// ```
public final class WebSocket: ChannelInboundHandler, RemovableChannelHandler {
    /// Bytes, before the frames are cut.
    public typealias InboundIn = ByteBuffer
    /// Bytes of finished frames.
    public typealias OutboundOut = ByteBuffer

    enum State {
        case open
        /// We sent a close frame and wait for the peer's.
        case closing
        /// Both close frames are done, or never will be: the channel is on its way down.
        case ended
    }

    let role: Role
    private let options: Options
    /// Let go of at the end, since it usually holds the socket.
    private var endpoint: (any WebSocketEndpoint)?
    private var decoder: FrameDecoder
    private var assembler: MessageAssembler
    var state = State.open
    var closure: Closure?
    var context: ChannelHandlerContext?
    let pulse: Pulse
    private var isReadingPaused = false
    var closeTimer: Scheduled<Void>?
    /// Our close frame on its way out.
    var closeSent: EventLoopFuture<Void>?
    private var outbox = Outbox()
    /// The mask of the frame that is being sent.
    private var frameMask: UInt32?
    /// Bytes of that frame that have still to be given to us.
    var missingByteCount = 0
    /// Frames are being handed on: what is written meanwhile is flushed once, behind the last of them.
    private var isDecoding = false
    private var needsFlush = false
    /// The newest ping that came while the peer did not read; older ones need no answer (RFC 6455 section 5.5.3).
    private var owedPong: ByteBuffer?

    /// The loop everything about this connection happens on.
    public let eventLoop: any EventLoop
    /// The peer's address, as text without a port; empty where there is none.
    public let peerAddress: String
    /// Whose program the peer is.
    public let peerOwner: PeerOwner

    /// What was agreed about compressed messages; `nil`: there are none.
    private let deflate: DeflateAgreement?

    init(
        role: Role, options: Options, deflate: DeflateAgreement? = nil, channel: any Channel,
        endpoint: any WebSocketEndpoint
    ) {
        self.role = role
        self.deflate = deflate
        self.options = options
        self.endpoint = endpoint
        eventLoop = channel.eventLoop
        peerAddress = channel.remoteAddress?.ipAddress ?? ""
        peerOwner = PeerOwner(local: channel.localAddress, remote: channel.remoteAddress)
        pulse = Pulse(interval: options.heartbeat, eventLoop: channel.eventLoop)
        // A frame that cannot be part of a message we take need not come in whole before it is refused.
        let messageFrame = max(options.messageLimit, Limits.controlPayloadBytes)
        let frameLimit = endpoint.receivesFrames ? Limits.frameBytes : min(messageFrame, Limits.frameBytes)
        decoder = FrameDecoder(
            role: role, frameLimit: frameLimit, partBytes: endpoint.receivesParts ? Limits.framePartBytes : nil,
            allowsCompression: deflate != nil)
        assembler = MessageAssembler(
            messageLimit: options.messageLimit, assembles: !endpoint.receivesFrames,
            peerKeepsContext: deflate?.keepsContext(of: role == .server ? .client : .server) ?? false)
    }

    /// The logarithm of the window with which messages to this peer may be compressed in one stream, by a server.
    ///
    /// `nil`: they must not be.
    public var deflateWindowBits: Int? {
        role == .server ? deflate?.serverWindowBits : nil
    }

    /// Whether the connection takes frames and the kernel and the channel have room for more.
    public var isWritable: Bool {
        state == .open && context?.channel.isWritable == true
    }

    /// Whether the connection is open: no close frame has been sent or received.
    public var isOpen: Bool {
        state == .open
    }

    // MARK: Writing

    /// Sends a text message.
    public func send(text: ByteBuffer) {
        send(message: text, opcode: .text)
    }

    /// Sends a JSON value as a text message.
    public func send(json: JSON) {
        send(text: json.buffer)
    }

    /// Sends one message of a kind, cut into frames where it is long.
    public func send(message payload: ByteBuffer, opcode: Frame.Opcode) {
        guard payload.readableBytes > Limits.frameBytes else {
            send(Frame(opcode: opcode, payload: payload))
            return
        }
        var rest = payload
        var opcode = opcode
        while let piece = rest.readSlice(length: min(rest.readableBytes, Limits.frameBytes)), piece.readableBytes > 0 {
            send(Frame(isFinal: rest.readableBytes == 0, opcode: opcode, payload: piece))
            opcode = .continuation
        }
    }

    /// Sends one frame, or a piece of one; nothing happens once the connection is closing.
    ///
    /// Between the pieces of a frame nothing else may be sent: pings of ours wait, and a close becomes an end without one.
    public func send(_ frame: Frame) {
        guard state == .open else { return }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(frame.payload.readableBytes + 14)
        append(frame, to: &bytes)
        write(bytes: bytes)
    }

    /// Sends frames one behind the other in one write; for a relay, which gets many at once.
    public func send(_ frames: [Frame]) {
        guard state == .open else { return }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(frames.reduce(0) { $0 + $1.payload.readableBytes + 14 })
        for frame in frames { append(frame, to: &bytes) }
        write(bytes: bytes)
    }

    private func append(_ frame: Frame, to bytes: inout ByteBuffer) {
        if frame.isBeginning { frameMask = mask() }
        missingByteCount = frame.missingByteCount
        FrameEncoder.write(frame, mask: frameMask, to: &bytes)
    }

    /// Writes bytes that are finished, unmasked frames already; for servers that encode once for many viewers.
    ///
    /// On a connection that we dialled (a tunnel) every frame is masked first, which costs a copy.
    ///
    /// - Parameter bytes: Whole frames.
    public func write(frames bytes: ByteBuffer) {
        guard role == .client else { return write(bytes: bytes) }
        var decoder = FrameDecoder(role: .client, allowsCompression: deflate != nil)
        decoder.append(bytes)
        var masked = ByteBuffer()
        masked.reserveCapacity(bytes.readableBytes + bytes.readableBytes / 4)
        do throws(FrameFault) {
            while let frame = try decoder.next() { FrameEncoder.write(frame, mask: mask(), to: &masked) }
        } catch {
            return close(.internalError, reason: "not whole unmasked frames")
        }
        write(bytes: masked)
    }

    private func write(bytes: ByteBuffer) {
        guard state == .open, let context else { return }
        if let limit = options.outboxLimit {
            guard outbox.hasRoom(bytes.readableBytes, limit: limit) else {
                return close(.tryAgainLater, reason: "reads too slowly", deadline: .seconds(60))
            }
            context.write(wrapOutboundOut(bytes), promise: outbox.add(bytes.readableBytes, on: eventLoop))
        } else {
            outbox.add(bytes.readableBytes)
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
        if isDecoding { needsFlush = true } else { context.flush() }
    }

    func flushWhatIsDue() {
        guard needsFlush else { return }
        needsFlush = false
        context?.flush()
    }

    func mask() -> UInt32? {
        role == .client ? UInt32.random(in: .min ... .max) : nil
    }

    // MARK: Reading

    /// Stops reading from the peer, so that it feels the backpressure.
    public func pauseReading() {
        setAutoRead(false)
    }

    /// Reads again.
    public func resumeReading() {
        setAutoRead(true)
    }

    private func setAutoRead(_ isOn: Bool) {
        guard let context, context.channel.isActive, isReadingPaused == isOn else { return }
        isReadingPaused = !isOn
        context.channel.setOption(.autoRead, value: isOn).assumeIsolated().whenFailure { [weak self] _ in
            self?.drop()
        }
    }

    // MARK: Channel events

    /// Takes the place in the pipeline; the endpoint hears of it at once.
    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        pulse.start { [weak self] in self?.beat() }
        endpoint?.opened(self)
    }

    /// Lets go of the pipeline.
    public func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    /// Cuts bytes into frames and hands on what they amount to.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        pulse.sawPeer()
        guard state != .ended else { return }
        endpoint?.heard()
        decoder.append(unwrapInboundIn(data))
        isDecoding = true
        do throws(FrameFault) {
            while state != .ended, let frame = try decoder.next() {
                try handle(frame, context)
            }
        } catch {
            fail(error, context)
        }
        endpoint?.readEnded()
        isDecoding = false
        flushWhatIsDue()
    }

    /// Closes the connection when its server stops.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let stop = event as? ServerStop else { return context.fireUserInboundEventTriggered(event) }
        close(stop.closure.code, reason: stop.closure.reason)
    }

    /// Passes on that the peer reads faster or slower.
    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let payload = owedPong {
            owedPong = nil
            send(Frame(opcode: .pong, payload: payload))
        }
        if state == .open { endpoint?.writabilityChanged() }
        context.fireChannelWritabilityChanged()
    }

    /// The connection is gone.
    public func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    /// A fault of the transport ends this connection and nothing else.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closure = closure ?? Closure(code: .abnormal, reason: TransportFault.reason(error))
        drop()
    }

    private func handle(_ frame: Frame, _ context: ChannelHandlerContext) throws(FrameFault) {
        if !frame.isBeginning {
            if state == .open { endpoint?.received(frame: frame) }
            return
        }
        let output = try assembler.accept(frame)
        switch output {
        case .close(let closure): finishClose(closure, context)
        case .message, .partial, .ping, .pong:
            guard state == .open else { return }
            deliver(output, frame)
        }
    }

    private func deliver(_ output: MessageAssembler.Output, _ frame: Frame) {
        if endpoint?.receivesFrames == true {
            guard frame.opcode != .pong || frame.payload != pulse.payload else { return }
            endpoint?.received(frame: frame)
            return
        }
        switch output {
        case .message(let message): endpoint?.received(message)
        case .ping(let payload): answerPing(payload)
        case .pong, .partial, .close: break
        }
    }

    private func answerPing(_ payload: ByteBuffer) {
        if context?.channel.isWritable == false { flushWhatIsDue() }
        guard context?.channel.isWritable == true else {
            owedPong = payload
            return
        }
        send(Frame(opcode: .pong, payload: payload))
    }

    private func end() {
        guard context != nil else { return }
        state = .ended
        pulse.stop()
        closeTimer?.cancel()
        context = nil
        let endpoint = endpoint
        self.endpoint = nil
        endpoint?.closed(closure ?? Closure(code: .abnormal))
    }

    private func beat() {
        // While we do not read on purpose, silence says nothing about the peer; and a peer that takes what waits for
        // it is alive, though our ping may stand at the end of a long queue.
        let waiting = bufferedByteCount
        if isReadingPaused || outbox.hasMoved(waiting: waiting) { pulse.sawPeer() }
        // Nor while it waits for the rest of a frame that we have not been given: it cannot be asked in its middle.
        if missingByteCount > 0 && waiting == 0 { pulse.sawPeer() }
        switch pulse.next() {
        case .rest: break
        case .ping: ping()
        case .giveUp:
            closure = Closure(code: .abnormal, reason: "no sign of life")
            drop()
        }
    }

    /// Asks the peer for a sign of life out of turn.
    ///
    /// Nothing happens in the middle of a frame. On the loop only.
    public func ping() {
        if missingByteCount == 0 { send(Frame(opcode: .ping, payload: pulse.payload)) }
    }

    /// Bytes that the channel holds because the kernel has no room for them.
    private var bufferedByteCount: Int {
        // A channel that cannot say is taken to hold none: then only what the peer sends counts.
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}
