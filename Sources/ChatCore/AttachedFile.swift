import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file of this machine that goes with a prompt: an image as pi takes it, anything else as text.
enum AttachedFile {
    /// Reads a file.
    ///
    /// - Returns: pi's `ImageContent`, or an object with the `text` to append.
    /// - Throws: ``ExternalEditor/Fault`` with the reason.
    static func read(_ path: String) throws(ExternalEditor.Fault) -> JSONObject {
        guard !path.isEmpty else { throw .init("no file was named") }
        guard let file = fopen(path, "re") else { throw .init(code: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes += buffer[..<count]
            guard bytes.count <= Limits.attachmentBytes else {
                throw .init("it is longer than \(Limits.attachmentBytes) bytes")
            }
        }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        if let kind = imageKind(bytes) {
            return ["type": "image", "data": .string(base64(bytes)), "mimeType": .string(kind)]
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .init("it is neither an image nor text")
        }
        return ["text": .string("\n\n<file name=\"\(name)\">\n\(text)\n</file>")]
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
