import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

@Suite("The system's authorities") struct SystemTrustTests {
    @Test("without an option a server is believed by the authorities where OpenSSL looks for them, and not otherwise")
    func places() async throws {
        let (fixture, made, others) = (try Fixture(), try TestCertificates(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
            others.cleanUp()
        }
        let pair = try made.issue("server")
        let (_, url) = try await fixture.startHypivisor(["--port", "0"] + pair.serverOptions)
        let stranger = try Fixture()
        defer { stranger.cleanUp() }
        let folder = try stranger.makeFolder("authorities")
        try FileManager.default.copyItem(atPath: made.authority, toPath: folder + "/ca.pem")
        // A folder is looked through by the hash of the name.
        try made.openssl(["rehash", folder])
        let base = ["HYPIVISOR_WS": "\(url)", "HYPI_TOKEN": try fixture.token().secret]
        for (name, value, isRight) in [
            ("SSL_CERT_FILE", made.authority, true), ("SSL_CERT_DIR", folder, true),
            ("SSL_CERT_FILE", others.authority, false), ("SSL_CERT_DIR", others.folder, false),
        ] {
            let environment = base.merging([name: value]) { $1 }
            let listed = try await stranger.run("hypi-ls", environment: environment)
            #expect(listed.exit == .status(isRight ? 0 : 77), "\(name): \(listed)")
            if !isRight { #expect(listed.errors.contains("unable to get local issuer certificate"), "\(listed)") }
        }
        // --ca-file takes their place and is not added to them.
        let instead = try await stranger.run(
            "hypi-ls", ["--ca-file", others.authority],
            environment: base.merging(["SSL_CERT_FILE": made.authority]) { $1 })
        #expect(instead.exit == .status(77), "\(instead)")

        let agent = try stranger.start(
            "pi-socket", ["--port", "0", "--id", "believer"],
            environment: base.merging(["SSL_CERT_FILE": made.authority]) { $1 })
        _ = try await agent.line(0, timeout: .seconds(60))
        let found = try await fixture.run("hypi-ls", ["--wait", "ready", "believer"])
        #expect(found.exit == .status(0), "\(found.errors)\(agent.errors.text)")
    }
}
