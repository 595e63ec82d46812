import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("Programs over TLS") struct TLSProgramTests {
    private func ready(_ process: TestProcess) async throws -> JSON {
        try JSON(parsing: try await process.line(0))
    }

    @Test("with --tls-self-signed this machine's tools and agents need no option; another one needs pin or certificate")
    func selfSigned() async throws {
        let (fixture, stranger) = (try Fixture(), try Fixture())
        defer {
            fixture.cleanUp()
            stranger.cleanUp()
        }
        let (process, url) = try await fixture.startHypivisor(["--port", "0", "--tls-self-signed"])
        let pin = try #require(try await ready(process)["tls_pin"]?.string)
        #expect(url.isSecure && TLSPin(pin) != nil)
        for file in ["tls-cert.pem", "tls-key.pem"] {
            let path = fixture.home + "/.config/hyper-pi/" + file
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(file)")
        }
        let agent = try await fixture.startAgent(["--id", "near"])
        let spawned = try await fixture.run("hypi-spawn", ["--name", "far", try fixture.makeFolder("work")])
        #expect(spawned.exit == .status(0), "\(spawned.errors)")
        let list = try await fixture.run("hypi-ls", ["--wait", "idle", "near"])
        #expect(list.exit == .status(0), "\(list.errors)")
        let said = try await fixture.run("hypi-attach", ["-p", "hello", "near"])
        #expect(said.exit == .status(0) && !said.output.isEmpty, "\(said.errors)")
        try await others(stranger, url, pin, try fixture.token(), fixture.home + "/.config/hyper-pi/tls-cert.pem")
        kill(agent.process.pid, SIGTERM)
        kill(process.pid, SIGTERM)
        #expect(try await process.waitForExit() == .status(0))
    }

    @Test("an authority that cannot be used is told of in one line, and ends no agent that has lost its hypivisor")
    func unusableAuthority() async throws {
        let (fixture, stranger, made) = (try Fixture(), try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            stranger.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("server")
        let (hypivisor, url) = try await fixture.startHypivisor(["--port", "0"] + pair.serverOptions)
        let base = ["HYPIVISOR_WS": "\(url)", "HYPI_TOKEN": try fixture.token().secret]
        let junk = stranger.home + "/junk.pem"
        try "no certificate".write(toFile: junk, atomically: true, encoding: .utf8)
        for file in [stranger.home + "/missing.pem", junk, stranger.home] {
            let listed = try await stranger.run("hypi-ls", ["--ca-file", file], environment: base)
            #expect(listed.exit == .status(78), "\(listed)")
            #expect(listed.errors.contains(file) && listed.errors.split(separator: "\n").count == 1, "\(listed)")
        }

        let authority = stranger.home + "/ca.pem"
        try FileManager.default.copyItem(atPath: made.authority, toPath: authority)
        let agent = try stranger.start(
            "pi-socket", ["--port", "0", "--id", "loyal"],
            environment: base.merging(["HYPI_CA_FILE": authority]) { $1 })
        _ = try await agent.line(0, timeout: .seconds(60))
        let found = try await fixture.run("hypi-ls", ["--wait", "ready", "loyal"])
        #expect(found.exit == .status(0), "\(found.errors)\(agent.errors.text)")
        try FileManager.default.removeItem(atPath: authority)
        hypivisor.signal(SIGKILL)
        _ = try await hypivisor.waitForExit()
        _ = try await fixture.startHypivisor(["--port", "\(url.port)"] + pair.serverOptions)
        try await agent.errors.wait("the reason why it is not registered") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("not registered: cannot use \(authority)")
        }
        try FileManager.default.copyItem(atPath: made.authority, toPath: authority)
        let again = try await fixture.run("hypi-ls", ["--wait", "ready", "loyal"])
        #expect(again.exit == .status(0), "\(again.errors)\(agent.errors.text)")
    }

    #if os(Linux)
        @Test("a program loads OpenSSL when it needs TLS, and not before") func loadsLate() async throws {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            for (options, isLoaded) in [([], false), (["--tls-self-signed"], true)] {
                let (process, _) = try await fixture.startHypivisor(["--port", "0"] + options)
                // The system gives out this file a page at a time, and Foundation takes a short read for its end.
                let search = try TestProcess(
                    "/bin/grep", ["-q", "libssl", "/proc/\(process.pid)/maps"], environment: fixture.environment)
                #expect(try await search.finish().exit == .status(isLoaded ? 0 : 1))
                kill(process.pid, SIGTERM)
                #expect(try await process.waitForExit() == .status(0))
            }
        }
    #endif

    private func others(
        _ stranger: Fixture, _ url: WebSocketURL, _ pin: String, _ token: Token, _ certificate: String
    ) async throws {
        let environment = ["HYPIVISOR_WS": "\(url)", "HYPI_TOKEN": token.secret]
        let refused = try await stranger.run("hypi-ls", environment: environment)
        #expect(refused.exit == .status(77))
        #expect(
            refused.errors == "hypi-ls: will not trust \(url): self-signed certificate "
                + "(see --ca-file, or --tls-pin if it is self-signed)\n")
        let wrong = String(repeating: "0", count: 64)
        let otherPin = try await stranger.run("hypi-ls", ["--tls-pin", wrong], environment: environment)
        #expect(otherPin.exit == .status(77) && otherPin.errors.contains("its certificate has another pin: \(pin)"))
        for arguments in [["--tls-pin", pin.uppercased()], ["--ca-file", certificate]] {
            let listed = try await stranger.run("hypi-ls", arguments, environment: environment)
            #expect(listed.exit == .status(0) && listed.output.contains("near"), "\(arguments): \(listed.errors)")
        }
        let noPin = try await stranger.run("hypi-ls", ["--tls-pin", "x"], environment: environment)
        #expect(noPin.exit == .status(64) && noPin.errors.contains("not a SHA-256 fingerprint"))
    }

    @Test("a pi-socket with a certificate is dialled by wss and its pin, also after the certificate was changed")
    func agent() async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("agent")
        let (_, registry) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--id", "a"] + pair.serverOptions)
        let pin = try #require(try await ready(agent.process)["tls_pin"]?.string)
        let shown = try made.fingerprint(of: pair)
        #expect(agent.url.isSecure && TLSPin(pin) == TLSPin(shown))
        let first = try await fixture.run("hypi-attach", ["-p", "hello", "a"])
        #expect(first.exit == .status(0), "\(first.errors)")
        let direct = try await fixture.run("hypi-attach", ["-p", "hello", "--ca-file", made.authority, "\(agent.url)"])
        #expect(direct.exit == .status(0), "\(direct.errors)")

        let mirror = try await RosterMirror(registry, token: try fixture.token())
        let next = try TLSPin(made.fingerprint(of: made.issue("agent")))
        kill(agent.process.pid, SIGHUP)
        _ = try await mirror.nodes("the new pin") { $0.contains { $0.tlsPin == next.map { "\($0)" } } }
        let second = try await fixture.run("hypi-attach", ["-p", "hello", "a"])
        #expect(second.exit == .status(0), "\(second.errors)")
    }

    @Test("a certificate that cannot be used is 78 and one line")
    func unusable() async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let (one, two) = (try made.issue("one"), try made.issue("two"))
        // Given as a key, too, which others must not be able to read.
        try #require(chmod(one.certificate, 0o600) == 0)
        for (certificate, key, words) in [
            (made.folder + "/none", one.key, "cannot use \(made.folder)/none: no such file or directory"),
            (one.key, one.key, "no start line"), (one.certificate, one.certificate, "no private key"),
            (one.certificate, two.key, "the key \(two.key) does not belong to the certificate \(one.certificate)"),
        ] {
            for tool in ["hypivisor", "pi-socket"] {
                let result = try await fixture.run(
                    tool, ["--port", "0", "--tls-cert", certificate, "--tls-key", key])
                #expect(result.exit == .status(78) && result.errors.contains(words), "\(result)")
                #expect(result.errors.split(separator: "\n").count == 1)
            }
        }
        let half = try await fixture.run("hypivisor", ["--tls-cert", one.certificate])
        #expect(half.exit == .status(64))
    }

    @Test("after SIGHUP new connections see the new certificate, old ones live on, and a bad one changes nothing")
    func reload() async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("server")
        let (process, url) = try await fixture.startHypivisor(["--port", "0"] + pair.serverOptions)
        let options = WebSocketClient.Options(
            token: try fixture.token(), trust: TLSTrust(authorityFile: made.authority))
        try await RegistryClient.with(url, options: options, on: .singletonMultiThreadedEventLoopGroup) { client in
            _ = try await client.request("ping")
            // Handshakes all the while.
            let load = Task {
                for _ in 0..<100 {
                    try await RegistryClient.with(url, options: options, on: .singletonMultiThreadedEventLoopGroup) {
                        _ = try await $0.request("ping")
                    }
                }
            }
            for number in 1...5 {
                _ = try made.issue("server")
                kill(process.pid, SIGHUP)
                let log = try made.fingerprint(of: pair).replacingOccurrences(of: ":", with: "").lowercased()
                try await process.errors.wait("the reload \(number)") { bytes, _ in
                    String(decoding: bytes, as: UTF8.self).contains("certificate read again tls_pin=\(log)")
                }
                let pinned = WebSocketClient.Options(token: options.token, trust: TLSTrust(pin: TLSPin(log)))
                try await RegistryClient.with(url, options: pinned, on: .singletonMultiThreadedEventLoopGroup) {
                    _ = try await $0.request("ping")
                }
            }
            try Data("nothing".utf8).write(to: URL(fileURLWithPath: pair.certificate))
            kill(process.pid, SIGHUP)
            try await process.errors.wait("the refusal") { bytes, _ in
                String(decoding: bytes, as: UTF8.self).contains("the old certificate stays")
            }
            try await load.value
            _ = try await client.request("ping")
        }
        let listed = try await fixture.run("hypi-ls")
        #expect(listed.exit == .status(0), "the discovery file has the pin: \(listed.errors)")
    }

    @Test(
        "clients refuse a server of openssl: wrong name, expired, self-signed, another authority, old TLS, plain HTTP")
    func refusals() async throws {
        let (fixture, made, strangers) = (try Fixture(), try TestCertificates(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
            strangers.cleanUp()
        }
        let good = try made.issue("good")
        for (pair, extra, words) in [
            (try made.issue("name", names: ["DNS:example.org"]), [], "IP address mismatch"),
            (try made.issue("old", days: -1), [], "certificate has expired"),
            (try made.selfSigned("self"), [], "self-signed certificate"),
            (try strangers.issue("other"), [], "unable to get local issuer certificate"),
            (good, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "TLS failed: "),
            (good, ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], "TLS failed: "),
        ] as [(TestCertificates.Pair, [String], String)] {
            let server = try TestProcess(
                "/usr/bin/openssl",
                ["s_server", "-accept", "127.0.0.1:0", "-cert", pair.certificate, "-key", pair.key] + extra,
                environment: [:], cwd: fixture.home, input: .pipe, terminal: .none)
            let port = try await listeningPort(server)
            let result = try await fixture.run(
                "hypi-ls", ["--hypivisor", "wss://127.0.0.1:\(port)/ws", "--ca-file", made.authority],
                environment: ["HYPI_TOKEN": "s3cret-token"])
            #expect(result.errors.contains(words) && !server.output.text.contains("s3cret"), "\(words): \(result)")
            #expect([.status(77), .status(76)].contains(result.exit))
            server.signal(SIGKILL)
        }
        let (_, plain) = try await fixture.startHypivisor()
        let result = try await fixture.run("hypi-ls", ["--hypivisor", "wss://\(plain.authority)/ws"])
        #expect(result.errors.contains("it does not speak TLS") && result.exit == .status(76))
    }

    private func listeningPort(_ server: TestProcess) async throws -> Int {
        try await server.output.wait("the port of s_server") { bytes, hasEnded in
            hasEnded || String(decoding: bytes, as: UTF8.self).contains { $0 == "\n" } && Self.port(bytes) != nil
        }
        return try #require(Self.port(server.output.bytes))
    }

    private static func port(_ bytes: [UInt8]) -> Int? {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("ACCEPT ") }
            .flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }
    }

    @Test("other people's clients: curl, s_client and Python in every way that must work or must not")
    func peers() async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("server")
        let (_, url) = try await fixture.startHypivisor(["--port", "0"] + pair.serverOptions)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Scripts/tls-peers.py").standardizedFileURL.path
        let process = try TestProcess(
            "/usr/bin/python3", [script, "\(url.port)", made.authority, try fixture.token().secret],
            environment: ["PATH": "/usr/bin:/bin"], cwd: fixture.home, input: .null, terminal: .none)
        let result = try await process.finish(timeout: .seconds(120))
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
    }

    @Test("handshakes of s_time, as many as it can make, leave no memory behind in a hypivisor")
    func handshakes() async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("server")
        let (process, url) = try await fixture.startHypivisor(["--port", "0"] + pair.serverOptions)
        func connect(seconds: Int) throws -> Int {
            let text = try made.openssl([
                "s_time", "-connect", url.authority, "-CAfile", made.authority, "-new", "-time", "\(seconds)",
            ])
            let line = text.split(separator: "\n").last { $0.contains(" real seconds") } ?? ""
            return line.split(separator: " ").first.flatMap { Int($0) } ?? 0
        }
        _ = try connect(seconds: 2)
        let before = ResidentMemory.bytes(of: process.pid)
        // 100 seconds make 50,000 on a small machine.
        let count = try connect(seconds: Effort.number("HYPI_TLS_SECONDS", default: 3))
        let growth = ResidentMemory.bytes(of: process.pid) - before
        #expect(count > 0 && (Effort.isSanitized || growth < 4 << 20), "\(growth) bytes more after \(count) handshakes")
        let listed = try await fixture.run("hypi-ls")
        #expect(listed.exit == .status(0), "\(listed.errors)")
    }
}
