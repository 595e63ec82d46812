import HypiWire

/// Turns an `attach_file` frame into something a prompt can carry.
enum AttachmentReader {
    /// Why a file is not taken.
    struct Fault: Error, Equatable {
        var message: String
    }

    private static let imageTypes: [String: String] = [
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    ]

    /// Images are kept as they are, everything else must be text.
    ///
    /// What the viewer's earlier files take (`heldBytes`) counts, so that many small ones are bounded like one.
    static func read(name: String, base64: String?, mimeType: String?, heldBytes: Int) -> Result<Attachment, Fault> {
        guard !name.isEmpty else { return .failure(Fault(message: "missing field 'filename'")) }
        guard let base64 else { return .failure(Fault(message: "missing field 'content'")) }
        guard base64.utf8.count / 4 * 3 <= Limits.attachmentBytes,
            heldBytes + base64.utf8.count <= 2 * Limits.attachmentBytes
        else {
            return .failure(Fault(message: "the file is larger than \(Limits.attachmentBytes >> 20) MB"))
        }
        guard let bytes = Base64.decode(base64) else { return .failure(Fault(message: "the content is not base64")) }
        let suffix = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
        if let image = mimeType.flatMap({ $0.hasPrefix("image/") ? $0 : nil }) ?? imageTypes[suffix] {
            return .success(Attachment(name: name, mimeType: image, base64: base64))
        }
        guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.contains(0) else {
            return .failure(Fault(message: "neither an image nor text"))
        }
        return .success(Attachment(name: name, mimeType: "text/plain", base64: "", text: text))
    }
}

/// Base64 as files come in JSON (RFC 4648 section 4).
enum Base64 {
    /// The bytes; `nil` if the text is not base64 with its padding.
    static func decode(_ text: String) -> [UInt8]? {
        let input = Array(text.utf8)
        guard input.count % 4 == 0 else { return nil }
        let padding = input.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(input.count / 4 * 3)
        var group: UInt32 = 0
        for (index, byte) in input.dropLast(padding).enumerated() {
            guard let value = value(byte) else { return nil }
            group = group << 6 | value
            if index % 4 == 3 {
                bytes += [UInt8(group >> 16 & 0xFF), UInt8(group >> 8 & 0xFF), UInt8(group & 0xFF)]
                group = 0
            }
        }
        if padding == 1 { bytes += [UInt8(group >> 10 & 0xFF), UInt8(group >> 2 & 0xFF)] }
        if padding == 2 { bytes.append(UInt8(group >> 4 & 0xFF)) }
        return bytes
    }

    private static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
