import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file of this machine that goes with a prompt: an image as pi takes it, anything else as text.
///
/// Only its name is kept until the prompt goes out.
struct AttachedFile: Sendable, Equatable {
    /// Where a file's text begins in a prompt.
    static let opening = "\n\n<file name=\""

    let path: String

    /// A file that can be read and is not too long.
    ///
    /// - Throws: ``ExternalEditor/Fault`` with the reason.
    init(_ path: String) throws(ExternalEditor.Fault) {
        guard !path.isEmpty else { throw .init("no file was named") }
        var status = stat()
        guard stat(path, &status) == 0, access(path, R_OK) == 0 else { throw .init(code: errno) }
        // A pipe or a device may never end, and a prompt would wait for it.
        guard status.st_mode & S_IFMT == S_IFREG else { throw .init("it is not a regular file") }
        guard status.st_size <= Limits.attachmentBytes else { throw Self.tooLong }
        self.path = path
    }

    private static let tooLong = ExternalEditor.Fault("it is longer than \(Limits.attachmentBytes >> 20) MiB")

    /// The path with this person's home folder in place of `~`.
    static func expand(_ path: String, home: String?) -> String {
        guard let home, path == "~" || path.hasPrefix("~/") else { return path }
        return home + path.dropFirst()
    }

    /// A prompt with files: images beside the text, texts after it.
    ///
    /// - Throws: ``ExternalEditor/Fault`` that names the file.
    static func add(_ files: [AttachedFile], to command: JSONObject) throws(ExternalEditor.Fault) -> JSONObject {
        var command = command
        var text = command["message"]?.string ?? ""
        var images: [JSON] = []
        for file in files {
            do {
                let content = try file.read()
                if let piece = content["text"]?.string { text += piece } else { images.append(.object(content)) }
            } catch {
                throw .init("cannot attach \(file.path): \(error.reason)")
            }
        }
        command["message"] = .string(text)
        if !images.isEmpty { command["images"] = .array(images) }
        return command
    }

    /// pi's `ImageContent`, or an object with the `text` to append.
    private func read() throws(ExternalEditor.Fault) -> JSONObject {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0, let file = fdopen(descriptor, "r") else { throw .init(code: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes += buffer[..<count]
            guard bytes.count <= Limits.attachmentBytes else { throw Self.tooLong }
        }
        guard ferror(file) == 0 else { throw .init("it cannot be read") }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        if let kind = Self.imageKind(bytes) {
            return ["type": "image", "data": .string(Self.base64(bytes)), "mimeType": .string(kind)]
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .init("it is neither an image nor text")
        }
        return ["text": .string("\(Self.opening)\(name)\">\n\(text)\n</file>")]
    }

    private static func imageKind(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) { return "image/png" }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return "image/jpeg" }
        if bytes.starts(with: Array("GIF8".utf8)) { return "image/gif" }
        let isRIFF = bytes.starts(with: Array("RIFF".utf8)) && bytes.dropFirst(8).starts(with: Array("WEBP".utf8))
        return isRIFF ? "image/webp" : nil
    }

    /// RFC 4648 section 4.
    private static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = (0..<3).map { start + $0 < bytes.count ? UInt32(bytes[start + $0]) : 0 }
            let value = group[0] << 16 | group[1] << 8 | group[2]
            for position in 0..<4 {
                let isPadding = start + position > bytes.count
                result.append(isPadding ? UInt8(ascii: "=") : digits[Int(value >> UInt32(18 - 6 * position) & 63)])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
