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
        var headLimit: RequestHeadLimit
        var decoder: ByteToMessageHandler<HTTPRequestDecoder>
        var encoder: HTTPResponseEncoder
    }

    private enum State {
        case waiting
        /// The head was accepted; the upgrade happens at the end of the request.
        case accepted(HTTPRequestHead, HandshakeRequest, Acceptance)
        case upgrading
        case answered
    }

    private struct Acceptance {
        var subprotocol: String?
        var options: WebSocket.Options
        var makeEndpoint: @Sendable (HandshakeRequest, any EventLoop) -> any WebSocketEndpoint
    }

    private let gate: ConnectionGate
    private let isFull: Bool
    private let codec: Codec
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    /// Bytes the client sent behind its request, before the WebSocket was in place.
    private var early: [NIOAny] = []

    init(gate: ConnectionGate, isFull: Bool, codec: Codec) {
        self.gate = gate
        self.isFull = isFull
        self.codec = codec
    }

    func handlerAdded(context: ChannelHandlerContext) {
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Limits.handshakeSeconds)) {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .upgrading = state {
            early.append(data)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head, context)
        case .body: if case .accepted = state { answer(.badRequest, context) }
        case .end:
            if case .accepted(let head, let request, let acceptance) = state {
                upgrade(head, request, acceptance, context)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer(.badRequest, context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ServerStop, !isUpgrading { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private var isUpgrading: Bool {
        if case .upgrading = state { true } else { false }
    }

    private func receive(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard case .waiting = state else { return }
        let request = HandshakeRequest(
            head: head, peerAddress: context.remoteAddress?.ipAddress ?? "",
            localAddress: context.localAddress?.ipAddress ?? "", localPort: context.localAddress?.port ?? 0)
        guard !isFull else { return answer(.full, context) }
        switch gate.route(request) {
        case .notFound: answer(.notFound, context)
        case .answer(let status, let body): answer(status: status, body: body, context)
        case .webSocket(let subprotocol, let options, let makeEndpoint):
            let acceptance = Acceptance(subprotocol: subprotocol, options: options, makeEndpoint: makeEndpoint)
            decide(head, request, acceptance, context)
        }
    }

    private func decide(
        _ head: HTTPRequestHead, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        let isThrottled = gate.refusals.isThrottled(request.peerAddress, at: .now())
        if let refusal = gate.policy.refusal(of: request, isThrottled: isThrottled) {
            if refusal.isAttempt { gate.refusals.record(request.peerAddress, at: .now()) }
            return answer(refusal, context)
        }
        guard request.isUpgrade else { return answer(.upgradeRequired, context) }
        guard request.method == "GET" else { return answer(.badRequest, context) }
        state = .accepted(head, request, acceptance)
    }

    private func upgrade(
        _ head: HTTPRequestHead, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        state = .upgrading
        var extra = HTTPHeaders()
        if let subprotocol = acceptance.subprotocol { extra.add(name: "Sec-WebSocket-Protocol", value: subprotocol) }
        let headers = extra
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(headers) },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
        upgrader.buildUpgradeResponse(
            channel: context.channel, upgradeRequest: head, initialResponseHeaders: ["Connection": "upgrade"]
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let headers): self.switchProtocols(headers, request, acceptance, context)
            case .failure: self.answer(.badRequest, context)
            }
        }
    }

    private func switchProtocols(
        _ headers: HTTPHeaders, _ request: HandshakeRequest, _ acceptance: Acceptance,
        _ context: ChannelHandlerContext
    ) {
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        deadline?.cancel()
        let endpoint = acceptance.makeEndpoint(request, context.eventLoop)
        let socket = WebSocket(
            role: .server, options: acceptance.options, channel: context.channel, endpoint: endpoint)
        let pipeline = context.pipeline.syncOperations
        // Before the socket comes: the endpoint may write at once, and those bytes are no HTTP any more.
        _ = pipeline.removeHandler(codec.headLimit)
        _ = pipeline.removeHandler(codec.encoder)
        do {
            try pipeline.addHandler(socket, position: .after(self))
        } catch {
            // The pipeline is going down with its channel; there is nobody to answer any more.
            context.close(promise: nil)
            return
        }
        // The decoder goes first and hands on what came behind the request; then this handler lets it through.
        let removed = pipeline.removeHandler(codec.decoder)
        removed.assumeIsolated().whenComplete { _ in
            for data in self.early { context.fireChannelRead(data) }
            self.early = []
            _ = context.pipeline.syncOperations.removeHandler(context: context)
        }
    }

    // MARK: Plain answers

    private func answer(_ refusal: Refusal, _ context: ChannelHandlerContext) {
        answer(status: refusal.status, body: refusal.message, context)
    }

    private func answer(status: Int, body: String, _ context: ChannelHandlerContext) {
        if case .answered = state { return }
        state = .answered
        let text = ByteBuffer(string: body + "\n")
        var headers: HTTPHeaders = [
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": String(text.readableBytes),
            "Connection": "close", "Cache-Control": "no-store",
        ]
        if status == 401 { headers.add(name: "WWW-Authenticate", value: "Bearer") }
        if status == 426 { headers.add(name: "Upgrade", value: "websocket") }
        if status == 429 || status == 503 { headers.add(name: "Retry-After", value: "60") }
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(text))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }
}
