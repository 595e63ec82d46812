import HypiNet
import HypiTool
import HypiWire
import NIOCore

/// A prompt given to an agent that was just started (specs/protocol.md, section 3, session dialect).
struct FirstTask: Sendable {
    /// The session dialect by its WebSocket name.
    static let subprotocol = "pi-server.v1"

    private let text: String

    init(_ text: String) {
        self.text = text
    }

    /// Gives it and waits until it was taken.
    ///
    /// - Parameters:
    ///   - stream: The conversation; closed at the end.
    ///   - isPlain: Whether the agent speaks the viewport dialect only, where a prompt is not answered.
    /// - Throws: `Failure` if it was refused.
    func give(to stream: MessageStream, isPlain: Bool) async throws {
        if isPlain {
            stream.send(.init(string: text))
        } else {
            stream.send([
                "type": "hello", "protocolVersion": .int(Version.sessionProtocol), "clientId": .string(Self.clientID),
            ])
            try await converse(stream)
        }
        await stream.closeAndWait()
    }

    private static let clientID = "hypi-spawn-" + String(UInt64.random(in: .min ... .max), radix: 36)

    private func converse(_ stream: MessageStream) async throws {
        for try await payload in stream.messages {
            guard let frame = try? JSON(parsing: payload) else { continue }
            if let message = frame["error"]?.string {
                let code = frame["code"]?.string.map(RegistryFault.Code.init(rawValue:)) ?? .unknown
                throw RegistryFault(code, message)
            }
            switch frame["type"]?.string {
            case "welcome": stream.send(command)
            case "error":
                throw Failure(.failure, "the agent refuses the prompt: \(frame["message"]?.string ?? "no reason")")
            default: if try isAnswer(frame) { return }
            }
        }
        throw Failure(.unreachable, "the agent ended the conversation before it took the prompt")
    }

    /// Whether a frame is pi's answer to the prompt; what other clients asked is not answered to us.
    private func isAnswer(_ frame: JSON) throws(Failure) -> Bool {
        guard let answer = frame["payload"], answer["type"]?.string == "response",
            answer["id"]?.string == Self.clientID
        else { return false }
        guard answer["success"]?.bool == true else {
            throw Failure(.failure, "pi refuses the prompt: \(answer["error"]?.string ?? "no reason")")
        }
        return true
    }

    private var command: JSON {
        [
            "type": "command", "clientMessageId": .string(Self.clientID),
            "payload": ["type": "prompt", "id": .string(Self.clientID), "message": .string(text)],
        ]
    }
}
