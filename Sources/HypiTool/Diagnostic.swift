import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Standard error: one line for a person.
public enum Diagnostic {
    /// Prints `tool: text`; control characters of a peer are dropped.
    public static func print(_ tool: String, _ text: String) {
        // Where stderr itself is broken there is nowhere left to say so.
        _ = StandardOutput.writeAll(Array("\(tool): \(text.withoutControlCharacters)\n".utf8), to: STDERR_FILENO)
    }
}
