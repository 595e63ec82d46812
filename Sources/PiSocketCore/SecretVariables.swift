import CPlatform

/// The variables of our own environment that open sockets.
public enum SecretVariables {
    /// Takes variables out of this process's environment for good.
    ///
    /// The agent's tools run as the same user and can read our environment with `ps e`, and what they read goes to a
    /// model's provider. To be called at the start, when the values have been taken and no thread looks at the
    /// environment.
    public static func hide(_ names: some Sequence<String>) {
        for name in names { hypi_hide_variable(name) }
    }
}
