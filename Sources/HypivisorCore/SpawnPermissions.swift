import HypiWire

/// Which commands a spawn request may bring along.
///
/// pi may run confined (`HYPI_PI` names a container or another user's pi). Hooks run beside it, and arguments can load
/// code into it before anything confines that, so the token alone gives neither.
public struct SpawnPermissions: Sendable {
    /// The hooks that a request may ask for, by name.
    public var hooks: [String: String] = [:]
    /// Whether a request may bring a command of its own as the hook.
    public var allowsHooks = false
    /// Whether arguments for pi are taken from anybody with the token; our own user on this machine needs no permission.
    public var allowsArguments = false

    /// Names no hook and allows nothing.
    public init() {}

    /// The request with the command of its hook in the place of the hook's name.
    ///
    /// - Throws: ``RegistryFault`` with code `forbidden` if there is no hook of that name.
    func resolvingHook(of request: SpawnRequest) throws(RegistryFault) -> SpawnRequest {
        guard let index = request.guards.firstIndex(where: { $0.name == "hook" }) else { return request }
        let asked = request.guards[index].value
        guard let command = hooks[asked] ?? (allowsHooks ? asked : nil) else {
            throw RegistryFault(
                .forbidden,
                "this hypivisor has no hook of that name: set 'spawn-hook = NAME=COMMAND' or 'allow-hooks = yes' "
                    + "in its config")
        }
        var request = request
        request.guards[index].value = command
        return request
    }

    /// Whether the arguments of a request are taken from anybody: there are none, or all they do is name a session.
    func allowsArguments(of request: SpawnRequest) -> Bool {
        guard !allowsArguments, !request.args.isEmpty else { return true }
        return request.args.count == 2 && request.args[0] == "--session" && Self.isSessionID(request.args[1])
    }

    private static func isSessionID(_ text: String) -> Bool {
        text.first != "-" && !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
