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
        /// The server agreed, and the pipeline is being rebuilt.
        case switching
        case done
    }

    private struct Codec {
        var valve: HeadValve
        var encoder: HTTPRequestEncoder
        var decoder: ByteToMessageHandler<HTTPResponseDecoder>
    }

    private static let wordBytes = 512

    private let url: WebSocketURL
    private let options: WebSocketClient.Options
    private let deadline: NIODeadline
    private let opened: EventLoopPromise<Void>
    private let makeEndpoint: @Sendable () -> any WebSocketEndpoint
    private let key = NIOWebSocketClientUpgrader.randomRequestKey()
    private let codec: Codec
    private var state = State.waiting
    private var timer: Scheduled<Void>?
    private var deflate: DeflateAgreement?

    /// Starts the handshake on a connected channel; `opened` is completed whatever happens.
    static func start(
        on channel: any Channel, url: WebSocketURL, options: WebSocketClient.Options, deadline: NIODeadline,
        opened: EventLoopPromise<Void>, makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) throws {
        let codec = Codec(
            valve: HeadValve(), encoder: HTTPRequestEncoder(),
            decoder: ByteToMessageHandler(HTTPResponseDecoder(informationalResponseStrategy: .forward)))
        let handshake = ClientHandshake(
            url: url, options: options, deadline: deadline, opened: opened, makeEndpoint: makeEndpoint, codec: codec)
        try channel.pipeline.syncOperations.addHandlers([codec.valve, codec.encoder, codec.decoder, handshake])
    }

    private init(
        url: WebSocketURL, options: WebSocketClient.Options, deadline: NIODeadline, opened: EventLoopPromise<Void>,
        makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint, codec: Codec
    ) {
        self.url = url
        self.options = options
        self.deadline = deadline
        self.opened = opened
        self.makeEndpoint = makeEndpoint
        self.codec = codec
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            if case .refused = self.state { self.finishRefusal(context) }
            self.fail(.timedOut(self.url), context)
        }
        let target = url.path + (url.query.map { "?" + $0 } ?? "")
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: requestHeaders)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// The pipeline goes down: whoever waits must hear of it on every path.
    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        opened.fail(ConnectError.unreachable(url, reason: Self.endedEarly))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .waiting:
            if case .head(let head) = unwrapInboundIn(data) { receive(head, context) }
        case .refused(let status, let words):
            switch unwrapInboundIn(data) {
            case .head: break
            case .body(let bytes): collect(bytes, status, words, context)
            case .end: finishRefusal(context)
            }
        case .switching, .done: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .refused = state { finishRefusal(context) }
        fail(.unreachable(url, reason: Self.endedEarly), context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of a refusal that is cut off, what came of it counts.
        if case .refused = state { return finishRefusal(context) }
        switch error {
        case HTTPParserError.invalidEOFState: fail(.unreachable(url, reason: Self.endedEarly), context)
        case let error as TLSError where error != .truncated: fail(.untrusted(url, error), context)
        case is HTTPParserError, is HeadValve.Fault: fail(.notWebSocket(url), context)
        default: fail(.unreachable(url, reason: TransportFault.reason(error)), context)
        }
    }

    private static let endedEarly = "the connection ended during the handshake"

    private var requestHeaders: HTTPHeaders {
        var headers: HTTPHeaders = [
            "Host": url.authority, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13", "User-Agent": "hyper-pi/\(Version.current)",
        ]
        if !options.subprotocols.isEmpty {
            headers.add(name: "Sec-WebSocket-Protocol", value: options.subprotocols.joined(separator: ", "))
        }
        if options.socket.compresses { headers.add(name: "Sec-WebSocket-Extensions", value: DeflateAgreement.name) }
        if let token = options.token { headers.add(name: "Authorization", value: "Bearer \(token.secret)") }
        return headers
    }

    // MARK: The answer

    private func receive(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
        guard head.status == .switchingProtocols else {
            // An informational answer comes before the real one; all heads together have one limit.
            if (100..<200).contains(head.status.code) { return codec.valve.expect(.head) }
            state = .refused(status: Int(head.status.code), words: "")
            return codec.valve.expect(.body)
        }
        guard isAgreement(head), agreesOnExtensions(head) else { return fail(.notWebSocket(url), context) }
        state = .switching
        codec.valve.expect(.frames)
        // The codec goes first: it would choke on the frames that an endpoint may send as soon as it is made.
        let pipeline = context.pipeline.syncOperations
        _ = pipeline.removeHandler(codec.encoder)
        pipeline.removeHandler(codec.decoder).assumeIsolated().whenComplete { _ in self.becomeWebSocket(context) }
    }

    /// Whether the server agreed to what we asked for and to nothing else (RFC 6455 section 4.1).
    private func isAgreement(_ head: HTTPResponseHead) -> Bool {
        let upgrader = NIOWebSocketClientUpgrader(requestKey: key) { channel, _ in
            channel.eventLoop.makeSucceededVoidFuture()
        }
        let chosen = head.headers["sec-websocket-protocol"]
        return codec.valve.isHeadThrough && head.headers.asksForWebSocket
            && upgrader.shouldAllowUpgrade(upgradeResponse: head)
            && chosen.count <= 1 && chosen.allSatisfy(options.subprotocols.contains)
    }

    /// Whether the server agreed to no extension but the one that was offered, and to that as its own rules allow.
    private func agreesOnExtensions(_ head: HTTPResponseHead) -> Bool {
        let fields = head.headers["sec-websocket-extensions"]
        guard !fields.isEmpty else { return true }
        guard options.socket.compresses, let list = ExtensionList(fields) else { return false }
        deflate = DeflateAgreement(answer: list)
        return deflate != nil
    }

    private func collect(_ bytes: ByteBuffer, _ status: Int, _ words: String, _ context: ChannelHandlerContext) {
        let text = String(decoding: bytes.readableBytesView.prefix(Self.wordBytes), as: UTF8.self)
        let words = words + text.withoutControlCharacters
        state = .refused(status: status, words: words)
        // Nobody reads more of it.
        if words.utf8.count >= Self.wordBytes { finishRefusal(context) }
    }

    private func finishRefusal(_ context: ChannelHandlerContext) {
        guard case .refused(let status, let words) = state else { return }
        let end = words.lastIndex { $0 != " " }.map(words.index(after:)) ?? words.startIndex
        fail(.refused(url, status: status, message: String(words[..<end])), context)
    }

    private func becomeWebSocket(_ context: ChannelHandlerContext) {
        timer?.cancel()
        guard case .switching = state, context.channel.isActive else {
            return fail(.unreachable(url, reason: Self.endedEarly), context)
        }
        let pipeline = context.pipeline.syncOperations
        let endpoint = makeEndpoint()
        let socket = WebSocket(
            role: .client, options: options.socket, deflate: deflate, channel: context.channel, endpoint: endpoint)
        do {
            try pipeline.addHandler(socket, position: .after(self))
        } catch {
            return fail(.unreachable(url, reason: TransportFault.reason(error)), context)
        }
        state = .done
        opened.succeed()
        _ = pipeline.removeHandler(context: context)
        _ = pipeline.removeHandler(codec.valve)
    }

    private func fail(_ error: ConnectError, _ context: ChannelHandlerContext) {
        if case .done = state { return }
        state = .done
        codec.valve.expect(.dropped)
        timer?.cancel()
        opened.fail(error)
        context.close(promise: nil)
    }
}

extension HTTPHeaders {
    /// Whether both fields of RFC 6455 section 4.1 and 4.2.1 are there.
    var asksForWebSocket: Bool {
        self[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
            && self[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
    }
}
