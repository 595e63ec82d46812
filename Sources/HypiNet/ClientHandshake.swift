import HypiWire
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Sends the upgrade request and either becomes a WebSocket or says why not.
final class ClientHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        case waiting
        /// The server refuses; its words are collected up to a bound.
        case refused(status: Int, words: String)
        /// The server's head agreed; the socket comes at the end of the response.
        case accepted
        /// Whatever comes now are bytes of frames, kept until the HTTP decoder has gone.
        case done
    }

    private let url: WebSocketURL
    private let options: WebSocketClient.Options
    private let deadline: NIODeadline
    private let opened: EventLoopPromise<Void>
    private let makeEndpoint: @Sendable () -> any WebSocketEndpoint
    private let key = NIOWebSocketClientUpgrader.randomRequestKey()
    private let codec: (encoder: HTTPRequestEncoder, decoder: ByteToMessageHandler<HTTPResponseDecoder>)
    private var state = State.waiting
    private var timer: Scheduled<Void>?
    private var early: [NIOAny] = []

    /// The pipeline of a connection that is about to shake hands.
    static func handlers(
        url: WebSocketURL, options: WebSocketClient.Options, deadline: NIODeadline, opened: EventLoopPromise<Void>,
        makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) throws -> [any ChannelHandler] {
        let encoder = HTTPRequestEncoder()
        let decoder = ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes))
        let handshake = ClientHandshake(
            url: url, options: options, deadline: deadline, opened: opened, makeEndpoint: makeEndpoint,
            codec: (encoder, decoder))
        return [encoder, decoder, handshake]
    }

    private init(
        url: WebSocketURL, options: WebSocketClient.Options, deadline: NIODeadline, opened: EventLoopPromise<Void>,
        makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint,
        codec: (encoder: HTTPRequestEncoder, decoder: ByteToMessageHandler<HTTPResponseDecoder>)
    ) {
        self.url = url
        self.options = options
        self.deadline = deadline
        self.opened = opened
        self.makeEndpoint = makeEndpoint
        self.codec = codec
    }

    func channelActive(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.fail(.timedOut(self.url), context)
        }
        var headers: HTTPHeaders = [
            "Host": url.authority, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13", "User-Agent": "hyper-pi/\(Version.current)",
        ]
        if !options.subprotocols.isEmpty {
            headers.add(name: "Sec-WebSocket-Protocol", value: options.subprotocols.joined(separator: ", "))
        }
        if let token = options.token { headers.add(name: "Authorization", value: "Bearer \(token.secret)") }
        let target = url.path + (url.query.map { "?" + $0 } ?? "")
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .done = state {
            early.append(data)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head)
        case .body(let bytes): collect(bytes)
        case .end: finish(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .refused = state { finish(context) }
        fail(.unreachable(url, reason: "the connection ended during the handshake"), context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError {
            fail(.notWebSocket(url), context)
        } else {
            fail(.unreachable(url, reason: TransportFault.reason(error)), context)
        }
    }

    private func receive(_ head: HTTPResponseHead) {
        let upgrader = NIOWebSocketClientUpgrader(requestKey: key) { channel, _ in
            channel.eventLoop.makeSucceededVoidFuture()
        }
        guard head.status == .switchingProtocols else {
            state = .refused(status: Int(head.status.code), words: "")
            return
        }
        let chosen = head.headers.first(name: "sec-websocket-protocol")
        let isOffered = chosen.map(options.subprotocols.contains) ?? true
        let isRight = upgrader.shouldAllowUpgrade(upgradeResponse: head) && isOffered
        state = isRight ? .accepted : .refused(status: 0, words: "")
    }

    private func collect(_ bytes: ByteBuffer) {
        guard case .refused(let status, let words) = state, words.utf8.count < 512 else { return }
        let text = String(decoding: bytes.readableBytesView.prefix(512), as: UTF8.self)
        state = .refused(status: status, words: words + text.withoutControlCharacters)
    }

    private func finish(_ context: ChannelHandlerContext) {
        switch state {
        case .accepted: becomeWebSocket(context)
        case .refused(status: 0, _): fail(.notWebSocket(url), context)
        case .refused(let status, let words): fail(.refused(url, status: status, message: words), context)
        case .waiting, .done: break
        }
    }

    private func becomeWebSocket(_ context: ChannelHandlerContext) {
        state = .done
        timer?.cancel()
        let pipeline = context.pipeline.syncOperations
        _ = pipeline.removeHandler(codec.encoder)
        // The decoder looks at what is written as well, and it is still busy with the response: the endpoint, which may
        // write at once, comes when the decoder has gone.
        pipeline.removeHandler(codec.decoder).assumeIsolated().whenComplete { _ in self.addSocket(context) }
    }

    private func addSocket(_ context: ChannelHandlerContext) {
        let endpoint = makeEndpoint()
        let socket = WebSocket(role: .client, options: options.socket, channel: context.channel, endpoint: endpoint)
        do {
            try context.pipeline.syncOperations.addHandler(socket, position: .after(self))
        } catch {
            opened.fail(ConnectError.unreachable(url, reason: TransportFault.reason(error)))
            context.close(promise: nil)
            return
        }
        opened.succeed()
        for data in early { context.fireChannelRead(data) }
        early = []
        _ = context.pipeline.syncOperations.removeHandler(context: context)
    }

    private func fail(_ error: ConnectError, _ context: ChannelHandlerContext) {
        if case .done = state { return }
        state = .done
        timer?.cancel()
        opened.fail(error)
        context.close(promise: nil)
    }
}
