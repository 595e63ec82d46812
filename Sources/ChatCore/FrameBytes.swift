import HypiWire
import NIOCore

/// Cuts pi's own bytes out of a frame, so that what is printed is what pi wrote.
enum FrameBytes {
    /// The raw `payload` of a frame; the whole frame if it has none.
    static func payload(of frame: ByteBuffer) -> ByteBuffer {
        let range = frame.withUnsafeReadableBytes { bytes in
            var scanner = KeyScanner(bytes)
            return scanner.value(of: "payload")
        }
        return range.flatMap { frame.getSlice(at: frame.readerIndex + $0.lowerBound, length: $0.count) } ?? frame
    }

    /// A frame without its `seq`, which is the envelope's and not pi's.
    static func withoutSequence(_ frame: ByteBuffer) -> ByteBuffer {
        guard var object = (try? JSON(parsing: frame))?.object else { return frame }
        object["seq"] = nil
        return JSON.object(object).buffer
    }
}
