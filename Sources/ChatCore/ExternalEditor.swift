import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A person's own editor for a longer line.
enum ExternalEditor {
    /// Why a text was not edited.
    struct Fault: Error {
        var reason: String

        init(_ reason: String) { self.reason = reason }
        init(code: CInt) { reason = String(cString: strerror(code)).lowercased() }
    }

    /// Lets a person edit a text; blocks until the editor has ended.
    ///
    /// - Parameters:
    ///   - text: What the editor begins with.
    ///   - command: The editor, as a shell understands it.
    ///   - folder: Where the text lies meanwhile, readable for its owner alone.
    /// - Returns: The text without the line break at its end.
    /// - Throws: ``Fault``; the text is what it was.
    static func edit(_ text: String, with command: String, in folder: String) throws(Fault) -> String {
        // mkstemps puts letters in place of the six X, and makes the file for its owner alone.
        var path = Array("\(folder)/hypi-attach-XXXXXX.md".utf8CString)
        let descriptor = mkstemps(&path, 3)
        guard descriptor >= 0 else { throw Fault(code: errno) }
        defer { unlink(path) }
        let bytes = Array(text.utf8)
        let count = write(descriptor, bytes, bytes.count)
        close(descriptor)
        guard count == bytes.count else { throw Fault("the temporary file could not be written") }
        try run([
            "/bin/sh", "-c", command + " \"$1\"", "sh",
            String(decoding: path.dropLast().map(UInt8.init), as: UTF8.self),
        ])
        guard let file = fopen(path, "re") else { throw Fault(code: errno) }
        defer { fclose(file) }
        var edited: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { edited += buffer[..<count] }
        while edited.last == UInt8(ascii: "\n") { edited.removeLast() }
        return String(decoding: edited, as: UTF8.self)
    }

    private static func run(_ words: [String]) throws(Fault) {
        var child = hypi_child()
        hypi_begin_child(&child, [SIGPIPE, SIGINT, SIGQUIT], 3, 0)
        defer { hypi_end_child(&child) }
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, words[0], nil, &child.attributes, &arguments, environ)
        guard code == 0 else { throw Fault(code: code) }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw Fault(code: errno) }
        }
        guard status == 0 else { throw Fault("the editor ended with status \(status >> 8 & 0xFF)") }
    }
}
