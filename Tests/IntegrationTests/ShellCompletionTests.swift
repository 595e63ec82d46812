import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// Completion as a person meets it: interactive shells on a terminal, a running hypivisor, the tab key.
@Suite("Completion in shells", .serialized, .timeLimit(.minutes(5 * Effort.patience)))
struct ShellCompletionTests {
    enum Shell: String, CaseIterable, Sendable {
        case bash
        case zsh
        case fish

        /// How it is started without anybody's configuration.
        var arguments: [String] {
            switch self {
            case .bash: ["--norc", "--noprofile", "-i"]
            case .zsh: ["-f", "-i"]
            case .fish: ["--no-config", "-i"]
            }
        }

        /// Where an installation puts the scripts, and what makes the shell look there.
        func setUp(_ folder: String) -> String {
            switch self {
            case .bash: "for file in \(folder)/*.bash; do source $file; done"
            case .zsh: "bindkey -e; fpath=(\(folder) $fpath); autoload -Uz compinit; compinit -u -D"
            case .fish: "set -p fish_complete_path \(folder)"
            }
        }
    }

    private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../completions").standardizedFileURL.path

    /// A shell that is ready to complete.
    private func start(_ shell: Shell, _ fixture: Fixture, _ url: String) async throws -> TestProcess {
        let environment = ["TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HYPIVISOR_WS": url]
        let process = try TestProcess(
            "/usr/bin/env", [shell.rawValue] + shell.arguments,
            environment: fixture.environment.merging(environment) { $1 }, cwd: fixture.home,
            terminal: .size(columns: 200, rows: 40))
        process.send(shell.setUp(Self.scripts) + "; echo now''ready\n")
        try await process.output.wait("\(shell) to be ready", timeout: .seconds(60)) { bytes, _ in
            Self.plain(bytes).contains("\nnowready")
        }
        return process
    }

    /// What a line has become after the tab key; the shell itself says it, since what it draws is its own affair.
    private func completed(_ line: String, _ process: TestProcess, _ number: Int) async throws -> String {
        process.send("\(line)\t\u{1}echo done\(number): \n")
        try await process.output.wait("the completion of \(line)", timeout: .seconds(30)) { bytes, _ in
            Self.answer(bytes, number) != nil
        }
        return Self.answer(process.output.bytes, number) ?? ""
    }

    private static func answer(_ bytes: [UInt8], _ number: Int) -> String? {
        let parts = plain(bytes).components(separatedBy: "\ndone\(number): ")
        guard parts.count > 1, let end = parts[1].firstIndex(of: "\n") else { return nil }
        return String(parts[1][..<end])
    }

    /// A terminal's text without its commands.
    private static func plain(_ bytes: [UInt8]) -> String {
        // Bytes, since Swift takes CR LF for one character.
        String(decoding: bytes.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
            .replacing(/\u{1B}(\[[0-9;?>=]*[a-zA-Z]|\][^\u{7}\u{1B}]*(\u{7}|\u{1B}\\)|[()][A-Z0-9]|[=>])/, with: "")
    }

    @Test("options, ids, names, machines, folders and states are completed", arguments: Shell.allCases)
    func completes(shell: Shell) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor()
        let folder = try fixture.makeFolder("src/application")
        let agent = try await fixture.startAgent(["--id", "nacht-7f3k2a", "--name", "wache"], cwd: folder)
        let other = try await fixture.startAgent(["--id", "other", "--name", "nightly shift"])
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", other.id, agent.id, "--timeout", "30"])
        let machine = ProcessInfo.processInfo.hostName
        let process = try await start(shell, fixture, "\(url)")
        let expected = [
            "hypi-attach nac": "hypi-attach nacht-7f3k2a", "hypi-ls wac": "hypi-ls wache",
            "hypi-ls --name wa": "hypi-ls --name wache",
            "hypi-ls --name night": "hypi-ls --name nightly shift",
            "hypi-ls --machine \(machine.prefix(3))": "hypi-ls --machine \(machine)",
            "hypi-ls --activity input": "hypi-ls --activity input-required",
            "hypi-spawn --if-a": "hypi-spawn --if-absent", "hypivisor --print": "hypivisor --print-events",
            "hypi-dirs \(fixture.home)/src/app": "hypi-dirs \(folder)/",
            "hypi-spawn \(fixture.home)/src/app": "hypi-spawn \(folder)/",
        ]
        var number = 0
        for (line, result) in expected.sorted(by: { $0.key < $1.key }) {
            // A machine that is busy with other tests may not answer in the time that a person is made to wait.
            var found = ""
            for _ in 0..<10 where found != result {
                number += 1
                found = try await completed(line, process, number).trimmingCharacters(in: .whitespaces)
            }
            #expect(found == result)
        }
    }

    @Test(
        "names, ids and folders of a hostile hypivisor are one literal word, on Tab and on Enter",
        arguments: Shell.allCases)
    func hostile(shell: Shell) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let texts = [
            "a$(touch pwned)", "b`touch pwned`", "c;touch pwned", "d'\"e", "e|touch pwned", "f&touch pwned", "g>pwned",
            "h*[a]?{b,c}", "i!x #y", "j ${HOME}", "k\\n", "l<(touch pwned)", "m=~x", "n%d%s",
        ]
        var nodes = texts.enumerated().map { index, text in
            var node = Node(id: "9-\(index)", machine: "m\(text)", cwd: "/srv", port: 4000 + index)
            node.name = text
            return node
        }
        nodes.append(Node(id: "--stop-it", machine: "m", cwd: "/srv", port: 5000))
        let folders = JSON.array(texts.map(JSON.string))
        let registry = try await FakeRegistry.start(nodes) { request, _ in
            request.method == "list_directories" ? .success(["path": "/", "directories": folders]) : .success(true)
        }
        let process = try await start(shell, fixture, registry.url)
        var number = 0
        // zsh takes a backslash in a candidate away, which leaves another literal word.
        for text in texts where shell != .zsh || !text.contains("\\") {
            for (line, result) in [
                ("hypi-attach \(text.prefix(1))", "hypi-attach \(text)"),
                ("hypi-ls --machine m\(text.prefix(1))", "hypi-ls --machine m\(text)"),
                ("hypi-spawn /\(text.prefix(1))", "hypi-spawn /\(text)/"),
            ] {
                var found = ""
                for _ in 0..<10 where found != result {
                    number += 1
                    found = try await completed(line, process, number).trimmingCharacters(in: .whitespaces)
                }
                #expect(found == result)
            }
        }
        number += 1
        let option = try await completed("hypi-attach --st", process, number)
        #expect(option.trimmingCharacters(in: .whitespaces) == "hypi-attach --stop")
        let here = try FileManager.default.contentsOfDirectory(atPath: fixture.home)
        #expect(!here.contains("pwned"))
    }

    @Test("files and ~ are completed for every option that takes a file", arguments: Shell.allCases)
    func files(shell: Shell) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let folder = try fixture.makeFolder("some folder")
        try Fixture.writeSecret("x", to: folder + "/key file.pem")
        let (_, url) = try await fixture.startHypivisor()
        let process = try await start(shell, fixture, "\(url)")
        var number = 0
        for (line, result) in [
            ("hypi-ls --token-file ~/so", "hypi-ls --token-file \(fixture.home)/some folder/"),
            ("hypi-ls --ca-file ~/some\\ folder/k", "hypi-ls --ca-file \(folder)/key file.pem"),
            ("hypivisor --tls-key some\\ folder/k", "hypivisor --tls-key some folder/key file.pem"),
            ("pi-socket --log-file \(fixture.home)/some\\ folder/k", "pi-socket --log-file \(folder)/key file.pem"),
            ("pi-socket --cwd ~/so", "pi-socket --cwd \(folder)/"),
            ("hypi-spawn ~/so", "hypi-spawn \(folder)/"), ("hypi-dirs ~/so", "hypi-dirs \(folder)/"),
        ] {
            // zsh takes the slash of a folder away when the cursor moves.
            var found = ""
            for _ in 0..<10 where found + "/" != result && found != result {
                number += 1
                found = try await completed(line, process, number).trimmingCharacters(in: .whitespaces)
            }
            #expect(found == result || found + "/" == result && shell == .zsh)
        }
    }

    @Test("where no hypivisor answers the line stays as it is", arguments: Shell.allCases)
    func without(shell: Shell) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let nobody = try await start(shell, fixture, "ws://127.0.0.1:1/ws")
        #expect(try await completed("hypi-attach nac", nobody, 1) == "hypi-attach nac")
    }
}
