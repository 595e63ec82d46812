import ArgumentParser
import Foundation
import HypiNet
import HypiTestSupport
import HypiTool
import HypiWire
import Testing

@Suite("EndpointOptions")
struct EndpointOptionsTests {
    /// A home with a config file, gone with the body.
    private func withHome(config: String?, _ body: (String) throws -> Void) throws {
        let home = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: home + "/.config/hyper-pi", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home) }
        try config?.write(toFile: home + "/.config/hyper-pi/config", atomically: true, encoding: .utf8)
        try body(home)
    }

    @Test("a flag is stronger than the environment, that than the config file, that than the defaults")
    func order() throws {
        try withHome(config: "# mine\n hypivisor =  ws://config:1/ws \n\ntimeout = 2m\nno-color = yes\n") { home in
            let flag = try EndpointOptions.parse(["--hypivisor", "ws://flag:2/ws"])
            let none = try EndpointOptions.parse([])
            let plain = Environment(["HOME": home])
            let variable = Environment(["HOME": home, "HYPIVISOR_WS": "env:3"])
            #expect(try flag.registry(variable).host == "flag")
            #expect(try none.registry(variable) == WebSocketURL("ws://env:3/ws"))
            #expect(try none.registry(plain).host == "config")
            #expect(try TimeoutOptions.parse([]).timeLimit(plain, usual: .seconds(10)) == .seconds(120))
            #expect(try TimeoutOptions.parse(["--timeout", "0"]).timeLimit(plain, usual: .seconds(10)) == nil)
        }
        try withHome(config: nil) { home in
            let none = try EndpointOptions.parse([])
            #expect(try none.registry(Environment(["HOME": home])).description == "ws://127.0.0.1:31415/ws")
            #expect(
                try TimeoutOptions.parse([]).timeLimit(Environment(["HOME": home]), usual: .seconds(10)) == .seconds(10)
            )
        }
    }

    @Test("the token file of the config file gives way to HYPI_TOKEN")
    func token() throws {
        try withHome(config: nil) { home in
            try Fixture.writeSecret("from-file\n", to: home + "/other")
            try "token-file = \(home)/other".write(
                toFile: home + "/.config/hyper-pi/config", atomically: true, encoding: .utf8)
            let none = try EndpointOptions.parse([])
            #expect(try none.token(Environment(["HOME": home]))?.secret == "from-file")
            #expect(try none.token(Environment(["HOME": home, "HYPI_TOKEN": "env"]))?.secret == "env")
        }
    }

    @Test("a line that is no setting is named with its number and status 78")
    func badLine() throws {
        try withHome(config: "timeout = 5\nhypivisor ws://x/ws\n") { home in
            let failure = #expect(throws: Failure.self) {
                try EndpointOptions.parse([]).registry(Environment(["HOME": home]))
            }
            #expect(failure?.status == .configuration)
            #expect(failure?.message == "\(home)/.config/hyper-pi/config:2: not a setting")
        }
    }

    @Test(
        "times are seconds unless they say otherwise",
        arguments: [
            ("30", 30_000), ("1.5", 1_500), ("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("0", 0),
        ])
    func times(text: String, milliseconds: Int) {
        #expect(TimeSpan(argument: text)?.duration == .milliseconds(milliseconds))
    }

    @Test("what is no time is refused", arguments: ["", "s", "-1", "5 s", "1e3", "inf", "9999999999h", "٣"])
    func noTimes(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }

    private static let pins = (0..<4).map { String(repeating: "\($0)a", count: 32) }

    /// What a client with these options believes of `wss://there:1/ws`.
    private func trust(
        _ arguments: [String], _ environment: [String: String], url: String = "wss://there:1/ws"
    ) throws -> TLSTrust {
        let target: WebSocketURL = try #require(WebSocketURL(url))
        return try EndpointOptions.parse(arguments).clientOptions(Environment(environment), to: target).trust
    }

    @Test("trust is that of the flags, else of the environment, else of the config file, else what was announced here")
    func trust() throws {
        try withHome(config: "tls-pin = \(Self.pins[2])\nca-file = /config.pem\n") { home in
            let all = ["HOME": home, "HYPI_TLS_PIN": Self.pins[1], "HYPI_CA_FILE": "/env.pem"]
            try DiscoveryFile(environment: Environment(all)).write(
                try #require(WebSocketURL("wss://there:1/ws")), pin: TLSPin(Self.pins[3]))
            let flags = ["--tls-pin", Self.pins[0], "--ca-file", "/flag.pem"]
            #expect(try trust(flags, all) == TLSTrust(authorityFile: "/flag.pem", pin: TLSPin(Self.pins[0])))
            #expect(try trust([], all) == TLSTrust(authorityFile: "/env.pem", pin: TLSPin(Self.pins[1])))
            let config = TLSTrust(authorityFile: "/config.pem", pin: TLSPin(Self.pins[2]))
            #expect(try trust([], ["HOME": home]) == config)
            try "no-color = yes".write(toFile: home + "/.config/hyper-pi/config", atomically: true, encoding: .utf8)
            #expect(try trust([], ["HOME": home]) == TLSTrust(pin: TLSPin(Self.pins[3])))
        }
    }

    @Test("an authority of a stronger source is not defeated by a pin of a weaker one, nor mixed with it")
    func mixedTrust() throws {
        try withHome(config: "tls-pin = \(Self.pins[2])") { home in
            let environment = ["HOME": home, "HYPI_TLS_PIN": Self.pins[1]]
            try DiscoveryFile(environment: Environment(environment)).write(
                try #require(WebSocketURL("wss://there:1/ws")), pin: TLSPin(Self.pins[3]))
            #expect(try trust(["--ca-file", "/flag.pem"], environment) == TLSTrust(authorityFile: "/flag.pem"))
            let variable = ["HOME": home, "HYPI_CA_FILE": "/env.pem"]
            #expect(try trust([], variable) == TLSTrust(authorityFile: "/env.pem"))
            #expect(try trust(["--tls-pin", Self.pins[0]], variable) == TLSTrust(pin: TLSPin(Self.pins[0])))
            #expect(try trust([], ["HOME": home]) == TLSTrust(pin: TLSPin(Self.pins[2])))
        }
    }

    @Test("an announced pin is believed of the very host and port that was announced, over TLS, and of no other")
    func announcedPin() throws {
        try withHome(config: nil) { home in
            let environment = ["HOME": home]
            let file = try DiscoveryFile(environment: Environment(environment))
            #expect(try trust([], environment) == TLSTrust(), "nothing announced: the system's authorities")
            let pin = try #require(TLSPin(Self.pins[3]))
            try file.write(try #require(WebSocketURL("wss://there:1/ws")), pin: pin)
            #expect(try trust([], environment) == TLSTrust(pin: pin))
            for other in ["wss://there:2/ws", "wss://elsewhere:1/ws", "ws://there:1/ws"] {
                #expect(try trust([], environment, url: other) == TLSTrust(), "\(other)")
            }
            try file.write(try #require(WebSocketURL("ws://there:1/ws")), pin: pin)
            #expect(try trust([], environment) == TLSTrust(), "announced without TLS")
            try PrivateFile.replace(file.path, with: "wss://there:1/ws nonsense\n")
            #expect(try trust([], environment) == TLSTrust(), "no pin is no trust")
        }
    }

    @Test("a pin that is none is refused with its source, and is never passed over for a weaker one")
    func badPin() throws {
        try withHome(config: "tls-pin = short") { home in
            for (arguments, environment, source, status) in [
                (["--tls-pin", "short"], [:], "--tls-pin", .usage),
                ([], ["HYPI_TLS_PIN": "short"], "HYPI_TLS_PIN", .configuration),
                ([], [:], "\(home)/.config/hyper-pi/config:1: 'tls-pin'", .configuration),
            ] as [([String], [String: String], String, HypiTool.ExitStatus)] {
                let failure = #expect(throws: Failure.self) {
                    try trust(arguments, environment.merging(["HOME": home]) { $1 })
                }
                #expect(failure?.status == status)
                #expect(failure?.message == "\(source) is not a SHA-256 fingerprint")
            }
            let plain = try trust([], ["HOME": home], url: "ws://there:1/ws")
            #expect(plain == TLSTrust(), "nobody asks without TLS")
        }
    }
}
