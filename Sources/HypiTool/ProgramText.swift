import CPlatform

/// The memory that a program's own text takes.
public enum ProgramText {
    /// Gives back what only starting has used; for a program that stays, once it has started.
    public static func release() {
        hypi_release_text()
    }
}
