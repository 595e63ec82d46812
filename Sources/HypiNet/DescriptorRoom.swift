#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Whether the system lets this process open what it is about to need.
///
/// Asked beforehand where running out half-way would leave something behind that nobody watches, or end the process
/// without a word.
public enum DescriptorRoom {
    /// Descriptors for a loop, a listening socket, signals, and one pi with its pipes.
    public static let forBridge = 28
    /// Descriptors for one more child: its pipes, and what it is watched with.
    public static let forChild = 16
    /// Descriptors for a tool: a loop, timers and signals, a connection being made to two addresses and their name looked
    /// up meanwhile, and a file.
    public static let forTool = 16
    /// Descriptors for an event loop.
    public static let forLoop = 3

    /// Opens a number of descriptors and closes them again: limits are not all that may refuse them.
    ///
    /// - Returns: Whether all could be opened.
    public static func has(_ count: Int) -> Bool {
        var opened: [CInt] = []
        defer { for descriptor in opened { close(descriptor) } }
        while opened.count < count {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            // Where there is no such file, nothing is said about descriptors.
            guard descriptor >= 0 else { return errno != EMFILE && errno != ENFILE }
            opened.append(descriptor)
        }
        return true
    }
}
