import ArgumentParser
import Foundation
import HypiNet
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
            try "from-file\n".write(toFile: home + "/other", atomically: true, encoding: .utf8)
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
}
