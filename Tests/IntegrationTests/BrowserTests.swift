import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import Testing

/// A real browser with a hostile page in it, in front of a hypivisor and an agent.
///
/// The page comes from another origin, asks for whatever a script can ask for, and writes down what it got.
@Suite(
    "A browser", .serialized, .timeLimit(.minutes(5 * Effort.patience)),
    .enabled(if: Browser.isAvailable, "needs chromium and python3 ('make browser-test' installs them)"))
struct BrowserTests {
    private enum Server: String, Sendable, CaseIterable { case hypivisor, agent }

    /// Starts what a page may try to reach.
    private func start(_ server: Server, _ fixture: Fixture, _ arguments: [String]) async throws -> WebSocketURL {
        switch server {
        case .hypivisor: try await fixture.startHypivisor(["--port", "0"] + arguments).1
        case .agent: try await fixture.startAgent(["--standalone"] + arguments).url
        }
    }

    /// What a page from elsewhere gets: nothing, whether it knows the token or none is needed, and under whatever name.
    @Test("A page of another origin gets nothing, under any name, with the token or under --no-auth")
    func stranger() async throws {
        for server in Server.allCases {
            for arguments in [[], ["--no-auth"]] {
                let fixture = try Fixture()
                defer { fixture.cleanUp() }
                let url = try await start(server, fixture, arguments)
                // A page that has stolen the token is still a page from elsewhere.
                let query = arguments.isEmpty ? "?token=\(try fixture.token().secret)" : ""
                let site = try await PageServer(fixture)
                let browser = Browser(fixture)
                // As it is named in the address bar, and the server under the page's own name, port by port.
                for name in ["127.0.0.1", "localhost", "evil.test"] {
                    let page = try site.page(reaching: "\(name):\(url.port)", query: query)
                    let seen = try await browser.open(page, of: site, at: "evil.test:\(site.port)")
                    #expect(seen.socket == "closed", "\(server) \(arguments) \(name): \(seen.socket)")
                    let isNothing = seen.fetched.allSatisfy { $0 == "error" || $0 == "opaque:0:" }
                    #expect(isNothing && seen.fetched.count == 5, "\(server) \(arguments) \(name): \(seen.fetched)")
                }
            }
        }
    }

    @Test("A page whose name is pointed at this machine once it is shown, DNS rebinding, gets refusals alone")
    func rebinding() async throws {
        // With the name allowed it gets in: what it gets otherwise is not the browser's doing.
        for server in Server.allCases {
            for arguments in [[], ["--no-auth"], ["--allow-host", "evil.test"]] {
                let fixture = try Fixture()
                defer { fixture.cleanUp() }
                let url = try await start(server, fixture, arguments)
                let query = arguments == ["--no-auth"] ? "" : "?token=\(try fixture.token().secret)"
                let site = try await PageServer(fixture)
                // For the browser the page and the server are one origin.
                let page = try site.page(reaching: "evil.test:\(url.port)", query: query, rebinds: true)
                let seen = try await Browser(fixture).open(page, of: site, at: "evil.test:\(url.port)", rebinds: true)
                let isIn = arguments.contains("--allow-host")
                #expect(seen.socket == (isIn ? "message" : "closed"), "\(server) \(arguments): \(seen.socket)")
                // The script may read, and what it reads is that it is refused. A health check is anybody's.
                #expect(seen.fetched.count == 5, "\(seen.fetched)")
                for answer in seen.fetched {
                    let isRefusal = answer.hasPrefix("basic:4") || answer == "error" || answer.hasPrefix("basic:200:ok")
                    #expect(isRefusal, "\(server) \(arguments): \(answer)")
                }
                #expect(seen.fetched.contains { $0.hasPrefix("basic:4") }, "it was not reached: \(seen.fetched)")
            }
        }
    }

    @Test("The same page from an allowed origin gets in, and only with the token where one is needed")
    func allowed() async throws {
        for server in Server.allCases {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let site = try await PageServer(fixture)
            let browser = Browser(fixture)
            let origin = "http://evil.test:\(site.port)"
            let url = try await start(server, fixture, ["--allow-origin", origin])
            let secret = try fixture.token().secret
            for (query, isIn) in [("?token=\(secret)", true), ("?token=wrong", false), ("", false)] {
                let page = try site.page(reaching: "127.0.0.1:\(url.port)", query: query)
                let seen = try await browser.open(page, of: site, at: "evil.test:\(site.port)")
                #expect((seen.socket == "message") == isIn, "\(server) \(query.prefix(8)): \(seen.socket)")
            }
        }
    }
}

/// Chromium without a window.
private struct Browser {
    private static let program = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    static let isAvailable = program != nil && FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

    /// What a page's script got.
    struct Seen {
        /// `closed` or `open` as the WebSocket was when it ended, or `message` as soon as one came.
        var socket: String
        /// What every `fetch` gave it: the kind of answer, its status and its text, or `error`.
        var fetched: [String]
    }

    private let fixture: Fixture

    init(_ fixture: Fixture) { self.fixture = fixture }

    /// Opens a page and waits until its script reports.
    func open(_ page: String, of site: PageServer, at authority: String, rebinds: Bool = false) async throws -> Seen {
        // A name that changes its address: the proxy resolves, as the network's name server would.
        let names =
            rebinds ? "--proxy-server=socks5://127.0.0.1:\(site.proxy)" : "--host-resolver-rules=MAP *.test 127.0.0.1"
        let process = try TestProcess(
            Self.program ?? "chromium",
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--remote-debugging-port=0", "--user-data-dir=\(fixture.home)/browser", names,
                "http://\(authority)/\(page)",
            ], environment: fixture.environment, cwd: fixture.home)
        let report = try JSON(parsing: try await site.report())
        process.signal(SIGTERM)
        _ = try await process.waitForExit(timeout: .seconds(60))
        let got = (report.array ?? []).compactMap { $0.string }
        guard got.count > 1 else { throw DeadlinePassed("not a report: \(report.text)") }
        return Seen(socket: got[0], fetched: Array(got.dropFirst()))
    }
}

/// A web server of somebody else, with pages that try to reach us, and a network whose names are theirs.
private final class PageServer: Sendable {
    let port: Int
    /// A SOCKS proxy: `evil.test` leads to the pages until one of them asks for `/flip`, and to this machine then.
    let proxy: Int
    private let process: TestProcess
    private let folder: String
    private let reportCount = NIOLockedValueBox(0)

    private static let script = """
        import http.server, socket, socketserver, threading, urllib.parse
        flipped = False
        class Pages(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                global flipped
                path, _, query = self.path.partition("?")
                if path in ("/flip", "/report"):
                    if path == "/flip": flipped = True
                    else: print(urllib.parse.unquote(query), flush=True)
                    self.send_response(204)
                    self.end_headers()
                else:
                    super().do_GET()
        def copy(source, target):
            try:
                while data := source.recv(65536): target.sendall(data)
            except OSError: pass
            for end in (source, target):
                try: end.shutdown(socket.SHUT_RDWR)
                except OSError: pass
        class Socks(socketserver.BaseRequestHandler):
            def take(self, count):
                data = b""
                while len(data) < count: data += self.request.recv(count - len(data))
                return data
            def handle(self):
                self.take(self.take(2)[1])
                self.request.sendall(bytes([5, 0]))
                kind = self.take(4)[3]
                if kind == 3: self.take(self.take(1)[0])
                else: self.take(4 if kind == 1 else 16)
                port = int.from_bytes(self.take(2), "big")
                far = socket.create_connection(("127.0.0.1", port if flipped else pages.server_address[1]))
                self.request.sendall(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
                threading.Thread(target=copy, args=(far, self.request), daemon=True).start()
                copy(self.request, far)
        pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks)
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        print(pages.server_address[1], proxy.server_address[1], flush=True)
        pages.serve_forever()
        """

    init(_ fixture: Fixture) async throws {
        folder = try fixture.makeFolder("site")
        process = try TestProcess(
            "/usr/bin/python3", ["-c", Self.script], environment: fixture.environment, cwd: folder)
        let ports = try await process.line(0).split(separator: " ").compactMap { Int($0) }
        guard ports.count == 2 else { throw DeadlinePassed("no page server: \(process.errors.text)") }
        (port, proxy) = (ports[0], ports[1])
    }

    /// What the next page reports.
    func report() async throws -> String {
        try await process.line(
            reportCount.withLockedValue { count in
                count += 1
                return count
            }, timeout: .seconds(60))
    }

    /// Writes a page whose script tries a WebSocket and every kind of request.
    func page(reaching authority: String, query: String, rebinds: Bool = false) throws -> String {
        let name = "\(UUID().uuidString).html"
        let text = """
            <!doctype html><script>
            const socket = () => new Promise(resolve => {
                const socket = new WebSocket("ws://\(authority)/ws\(query)");
                let state = "closed";
                socket.onopen = () => state = "open";
                socket.onmessage = () => resolve("message");
                socket.onclose = () => resolve(state);
            });
            const ask = async ([path, options]) => {
                try {
                    const answer = await fetch("http://\(authority)" + path, options);
                    return answer.type + ":" + answer.status + ":" + await answer.text();
                } catch (error) { return "error" }
            };
            const wishes = [["/ws\(query)", {}], ["/healthz", {}], ["/healthz", {mode: "no-cors"}],
                ["/ws\(query)", {method: "POST", body: "{}"}],
                ["/ws\(query)", {headers: {Authorization: "Bearer x"}}]];
            const attack = () => Promise.all([socket(), ...wishes.map(ask)]).then(got =>
                fetch("http://127.0.0.1:\(port)/report?" + encodeURIComponent(JSON.stringify(got)), {mode: "no-cors"}));
            \(rebinds ? "fetch('/flip').then(attack)" : "attack()");
            </script>
            """
        try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        return name
    }
}
