public import ArgumentParser
public import HypiNet
public import HypiWire
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How a program reaches the hypivisor; the same options everywhere.
public struct EndpointOptions: ParsableArguments, Sendable {
    /// The registry's URL.
    @Option(help: ArgumentHelp("Registry to talk to (HYPIVISOR_WS).", valueName: "url"))
    public var hypivisor: String?

    /// The token file.
    @Option(help: ArgumentHelp("File with the token (HYPI_TOKEN_FILE).", valueName: "file"), completion: .file())
    public var tokenFile: String?

    /// The authorities that are trusted.
    @Option(
        help: ArgumentHelp("Authorities to trust on wss:// (HYPI_CA_FILE).", valueName: "file"), completion: .file())
    public var caFile: String?

    /// The certificate that is trusted.
    @Option(help: ArgumentHelp("The one certificate to trust (HYPI_TLS_PIN).", valueName: "sha256"))
    public var tlsPin: String?

    /// Whether the token may go to another machine unencrypted.
    @Flag(help: "Send the token over plain ws:// to another machine.")
    public var insecure = false

    /// Options that were not given.
    public init() {}

    /// The port hypivisor listens on unless told otherwise.
    public static let defaultPort = 31415

    /// Refuses a promise that the URL cannot keep: without TLS nobody shows a certificate that could be looked at.
    ///
    /// Only what was typed counts. A pin in the environment or the config file is for those servers that have TLS.
    ///
    /// - Throws: ``Failure`` with status 64.
    public func checkTrust(in url: WebSocketURL) throws(Failure) {
        guard !url.isSecure, tlsPin != nil || caFile != nil else { return }
        throw Failure(.usage, "\(tlsPin != nil ? "--tls-pin" : "--ca-file") goes with wss:// only, not with \(url)")
    }

    /// The registry endpoint: the option, else `HYPIVISOR_WS`, else the config file, else what a hypivisor of this
    /// person has announced, else the default port on loopback.
    ///
    /// - Throws: ``Failure`` with status 64 or 78 if what was given is no URL.
    public func registry(_ environment: Environment) throws(Failure) -> WebSocketURL {
        try resolve(environment).url
    }

    /// Hands a registry's URL with a token in it to what we start by the environment: anybody may read a command line.
    ///
    /// To be called before anything is started.
    ///
    /// - Returns: Whether there is such a URL; it is not to be passed on as an option then.
    public func passesURLSecretly() -> Bool {
        guard let hypivisor, hypivisor.contains("token=") else { return false }
        setenv("HYPIVISOR_WS", hypivisor, 1)
        return true
    }

    /// The token a client shows to that registry: one in its URL, else as ``TokenSource`` finds it.
    ///
    /// - Throws: ``Failure`` with status 78.
    public func token(_ environment: Environment) throws(Failure) -> Token? {
        if let token = try resolve(environment).token { return token }
        // HYPI_TOKEN and HYPI_TOKEN_FILE are stronger than the config file, as the environment always is.
        let isInEnvironment = environment["HYPI_TOKEN"] != nil || environment["HYPI_TOKEN_FILE"] != nil
        let configured = isInEnvironment ? nil : try ConfigFile(environment: environment)["token-file"]
        return try TokenSource(environment: environment, optionFile: tokenFile ?? configured).clientToken()
    }

    /// How a client connects.
    ///
    /// - Parameters:
    ///   - environment: The program's environment.
    ///   - url: Where to; `nil`: to the registry.
    /// - Returns: The options.
    /// - Throws: ``Failure`` with status 64 or 78.
    public func clientOptions(
        _ environment: Environment, to url: WebSocketURL? = nil
    ) throws(Failure) -> WebSocketClient.Options {
        let isConfigured = try ConfigFile(environment: environment).flag("insecure")
        let target = if let url { url } else { try registry(environment) }
        return WebSocketClient.Options(
            token: try token(environment), isInsecureAllowed: insecure || isConfigured,
            trust: try trust(environment, in: target))
    }

    /// Whom to believe: a pin before authorities, and only where neither was given the pin that a hypivisor of this machine
    /// has announced.
    private func trust(_ environment: Environment, in url: WebSocketURL) throws(Failure) -> TLSTrust {
        guard url.isSecure else { return TLSTrust() }
        let config = try ConfigFile(environment: environment)
        let pinned = config.settings(of: "tls-pin").first
        // Each source is asked for both: a pin in the file must not defeat an authority on the command line.
        for (pin, file, source, status) in [
            (tlsPin, caFile, "--tls-pin", ExitStatus.usage),
            (environment["HYPI_TLS_PIN"], environment["HYPI_CA_FILE"], "HYPI_TLS_PIN", .configuration),
            (pinned?.value, config["ca-file"], "\(pinned?.place ?? ""): 'tls-pin'", .configuration),
        ] where pin != nil || file != nil {
            guard let pin else { return TLSTrust(authorityFile: try Self.trusted(file)) }
            guard let parsed = TLSPin(pin) else {
                throw Failure(
                    status, "\(source) is not a SHA-256 fingerprint", hint: "64 digits, as hypivisor prints them")
            }
            return TLSTrust(authorityFile: file, pin: parsed)
        }
        return TLSTrust(pin: try DiscoveryFile(environment: environment).pin(of: url))
    }

    /// A file of authorities: one who can write it is an authority, too.
    private static func trusted(_ file: String?) throws(Failure) -> String? {
        guard let file else { return nil }
        do {
            try FileTrust.check(file, for: .trusted)
        } catch {
            throw error.failure(.configuration)
        }
        return file
    }

    private func resolve(_ environment: Environment) throws(Failure) -> (url: WebSocketURL, token: Token?) {
        if let hypivisor { return try Self.parse(hypivisor, from: "--hypivisor", .usage) }
        if let text = environment["HYPIVISOR_WS"] { return try Self.parse(text, from: "HYPIVISOR_WS", .configuration) }
        if let setting = try ConfigFile(environment: environment).settings(of: "hypivisor").first {
            return try Self.parse(setting.value, from: "\(setting.place): 'hypivisor'", .configuration)
        }
        let announced = try DiscoveryFile(environment: environment).read()
        return (announced ?? WebSocketURL(host: "127.0.0.1", port: Self.defaultPort, path: "/ws"), nil)
    }

    /// Takes a full URL, or `host[:port]`, or a version 1 URL with the token in its query.
    private static func parse(
        _ text: String, from source: String, _ status: ExitStatus
    ) throws(Failure) -> (url: WebSocketURL, token: Token?) {
        let full = text.contains("://") ? text : "ws://" + text + (text.contains(":") ? "" : ":\(defaultPort)")
        guard var url = WebSocketURL(full) else {
            throw Failure(status, "\(source) is not a WebSocket URL", hint: "such as ws://127.0.0.1:\(defaultPort)/ws")
        }
        let token = url.query.flatMap { PercentCoding.value(of: "token", inQuery: $0) }.flatMap { Token($0) }
        url.query = nil
        if url.path == "/" { url.path = "/ws" }
        return (url, token)
    }
}
