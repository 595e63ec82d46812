import HypiWire
import NIOCore
import PiAdapter

/// pi's tools, which its protocol does not tell: a small extension of ours does, when it is asked.
///
/// The extension adds a command that reports `getAllTools()` in a notification (record 09-dialogs shows it on a real pi).
/// The command, its prompt and its notification stay between pi and us.
public struct ToolCatalogue {
    /// The name of the extension's command.
    private static let name = "hyper-pi-tools"
    /// What its notification begins with, so that no other is taken for it.
    private static let mark = "hyper-pi-tools:"

    /// The tools as `[{name, description}]`; empty where pi has not told them.
    private(set) var tools: [JSON] = []

    init() {}

    /// Whether one of pi's commands is the one of our extension.
    static func isOwn(_ command: JSON) -> Bool {
        command["name"]?.string == name
    }

    /// The question for pi.
    static var question: JSONObject {
        PiCommand.prompt("/" + name)
    }

    /// Takes the notification with the tools; true if it was that.
    mutating func takes(_ record: PiRecord) -> Bool {
        guard record.kind == .uiRequest, let json = try? record.json(), json["method"]?.string == "notify",
            let message = json["message"]?.string, message.hasPrefix(Self.mark)
        else { return false }
        let list = try? JSON(parsing: String(message.dropFirst(Self.mark.count)))
        tools = list?.array ?? []
        return true
    }

    /// The extension's source, in the language of pi's extensions.
    public static let source = """
        // Carried by pi-socket: lists the tools for viewers, which pi's RPC mode has no command for.
        export default function (pi) {
            pi.registerCommand("\(name)", {
                description: "Lists the tools for pi-socket",
                handler: async (_args, ctx) => {
                    const tools = pi.getAllTools().map(({ name, description }) => ({ name, description }));
                    ctx.ui.notify("\(mark)" + JSON.stringify(tools), "info");
                },
            });
        }

        """
}
