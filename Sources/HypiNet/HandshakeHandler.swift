import HypiWire
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Takes one HTTP request and either answers it or turns the connection into a WebSocket.
///
/// NIO's upgrader computes the accept key; deciding and answering stay here, so that a refusal is a proper HTTP answer
/// and nothing of the WebSocket exists before the policy has agreed.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The handlers that go when the WebSocket comes.
    struct Codec {
        var valve: HeadValve
        var decoder: ByteToMessageHandler<HTTPRequestDecoder>
        var encoder: HTTPResponseEncoder
    }

    private enum State {
        case waiting
        /// The head is here; what becomes of it is decided after a delay.
        case delayed(HTTPRequestHead)
        /// The answer is 101, and the pipeline is being rebuilt.
        case switching
        case answered
    }

    private struct Acceptance {
        var subprotocol: String?
        var options: WebSocket.Options
        /// What is agreed about compression, and the field that says so.
        var deflate: (agreement: DeflateAgreement, field: String)?
        var makeEndpoint: @Sendable (HandshakeRequest, any EventLoop) -> any WebSocketEndpoint
    }

    private static let extensions = "sec-websocket-extensions"

    private let gate: ConnectionGate
    private let codec: Codec
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    private var delay: Scheduled<Void>?

    init(gate: ConnectionGate, codec: Codec) {
        self.gate = gate
        self.codec = codec
    }

    func handlerAdded(context: ChannelHandlerContext) {
        closeAfter(gate.handshakeTimeout, context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        cancelTimers()
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelTimers()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .waiting = state, case .head(let head) = unwrapInboundIn(data) else { return }
        receive(head, context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError || error is HeadValve.Fault else { return context.close(promise: nil) }
        switch state {
        case .waiting: answer(.badRequest, to: .GET, context)
        case .delayed(let head): answer(.badRequest, to: head.method, context)
        case .switching, .answered: context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // While we switch, no WebSocket is there to say goodbye either.
        if event is ServerStop { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func cancelTimers() {
        deadline?.cancel()
        delay?.cancel()
    }

    private func closeAfter(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: time) { context.close(promise: nil) }
    }

    private func receive(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let request = HandshakeRequest(head: head, remote: context.remoteAddress, local: context.localAddress)
        switch gate.route(request) {
        case .notFound: answer(.notFound, to: head.method, context)
        case .answer(let status, let body): answer(status: status, body: body, to: head.method, context)
        case .webSocket(let subprotocol, let options, let makeEndpoint):
            guard codec.valve.isHeadThrough, head.isUnambiguous else {
                return answer(.badRequest, to: head.method, context)
            }
            let acceptance = Acceptance(subprotocol: subprotocol, options: options, makeEndpoint: makeEndpoint)
            switch gate.judge(request, at: .now()) {
            case .enters: enter(head, request, acceptance, context)
            case .refused(let refusal): answer(refusal, to: head.method, context)
            case .delayed(let refusal):
                state = .delayed(head)
                codec.valve.expect(.undecided)
                delay = context.eventLoop.assumeIsolated().scheduleTask(in: gate.refusalDelay) {
                    if let refusal { return self.answer(refusal, to: head.method, context) }
                    self.enter(head, request, acceptance, context)
                }
            }
        }
    }

    /// Upgrades a request that the policy lets in, if it is a proper one and there is room.
    private func enter(
        _ head: HTTPRequestHead, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        if let refusal = mistake(in: head, request) { return answer(refusal, to: head.method, context) }
        var acceptance = acceptance
        if acceptance.options.compresses {
            guard let offers = ExtensionList(head.headers[Self.extensions]) else {
                return answer(.badRequest, to: head.method, context)
            }
            acceptance.deflate = DeflateAgreement.answer(to: offers)
        }
        guard gate.promote(context.channel) else { return answer(.full, to: head.method, context) }
        upgrade(head, request, acceptance, context)
    }

    /// What RFC 6455 section 4.2.1 asks for and the request lacks.
    private func mistake(in head: HTTPRequestHead, _ request: HandshakeRequest) -> Refusal? {
        guard request.isUpgrade else { return .upgradeRequired }
        guard head.method == .GET, head.hasWebSocketKey else { return .badRequest }
        return head.headers["sec-websocket-version"] == ["13"] ? nil : .upgradeRequired
    }

    // MARK: Switching

    private func upgrade(
        _ head: HTTPRequestHead, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        codec.valve.expect(.undecided)
        var extra = HTTPHeaders()
        if let subprotocol = acceptance.subprotocol { extra.add(name: "Sec-WebSocket-Protocol", value: subprotocol) }
        if let field = acceptance.deflate?.field { extra.add(name: "Sec-WebSocket-Extensions", value: field) }
        let headers = extra
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(headers) },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
        upgrader.buildUpgradeResponse(
            channel: context.channel, upgradeRequest: head, initialResponseHeaders: ["Connection": "upgrade"]
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let headers): self.switchProtocols(headers, request, acceptance, context)
            case .failure: self.answer(.badRequest, to: head.method, context)
            }
        }
    }

    private func switchProtocols(
        _ headers: HTTPHeaders, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        state = .switching
        codec.valve.expect(.frames)
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        // The codec goes first: it would choke on the frames that an endpoint may send as soon as it is made.
        let pipeline = context.pipeline.syncOperations
        _ = pipeline.removeHandler(codec.encoder)
        pipeline.removeHandler(codec.decoder).assumeIsolated().whenComplete { _ in
            self.becomeWebSocket(request, acceptance, context)
        }
    }

    private func becomeWebSocket(
        _ request: HandshakeRequest, _ acceptance: Acceptance, _ context: ChannelHandlerContext
    ) {
        deadline?.cancel()
        // Gone meanwhile: nobody is told of a connection that never was.
        guard context.channel.isActive else { return }
        let pipeline = context.pipeline.syncOperations
        let endpoint = acceptance.makeEndpoint(request, context.eventLoop)
        let socket = WebSocket(
            role: .server, options: acceptance.options, deflate: acceptance.deflate?.agreement,
            channel: context.channel, endpoint: endpoint)
        do {
            try pipeline.addHandler(socket, position: .after(self))
        } catch {
            // The pipeline is going down with its channel; there is nobody to answer any more.
            return context.close(promise: nil)
        }
        _ = pipeline.removeHandler(context: context)
        _ = pipeline.removeHandler(codec.valve)
    }

    // MARK: Plain answers

    private func answer(_ refusal: Refusal, to method: HTTPMethod, _ context: ChannelHandlerContext) {
        answer(status: refusal.status, body: refusal.message, to: method, context)
    }

    private func answer(status: Int, body: String, to method: HTTPMethod, _ context: ChannelHandlerContext) {
        state = .answered
        codec.valve.expect(.dropped)
        let text = ByteBuffer(string: body + "\n")
        var headers: HTTPHeaders = [
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": String(text.readableBytes),
            "Connection": "close", "Cache-Control": "no-store",
        ]
        if status == 401 { headers.add(name: "WWW-Authenticate", value: "Bearer") }
        if status == 426 {
            headers.replaceOrAdd(name: "Connection", value: "upgrade, close")
            headers.add(name: "Upgrade", value: "websocket")
            headers.add(name: "Sec-WebSocket-Version", value: "13")
        }
        if status == 429 || status == 503 { headers.add(name: "Retry-After", value: "60") }
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(text))), promise: nil) }
        // Only our half is closed at first: ending it all while the peer still sends (a body, say) would reset the
        // connection and could take the answer with it.
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            context.close(mode: .output, promise: nil)
        }
        closeAfter(.seconds(Limits.closeSeconds), context)
    }
}

extension HTTPRequestHead {
    /// Whether the fields that decisions are made from stand there once, and no body follows.
    ///
    /// RFC 6455 section 4.2.1 asks for HTTP/1.1 and a `Host`; of a field that stands there twice, we and whoever is in
    /// front of us might look at different ones.
    var isUnambiguous: Bool {
        version.major == 1 && version.minor >= 1 && headers["host"].count == 1 && headers["transfer-encoding"].isEmpty
            && headers["content-length"].allSatisfy { $0 == "0" }
            && headers["origin"].count <= 1 && headers["authorization"].count <= 1
    }

    /// Whether there is a key of 16 bytes in base64 (RFC 6455 section 4.2.1).
    var hasWebSocketKey: Bool {
        let keys = headers["sec-websocket-key"]
        guard keys.count == 1, let key = keys.first, key.utf8.count == 24, key.hasSuffix("==") else { return false }
        return key.utf8.dropLast(2).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
    }
}
