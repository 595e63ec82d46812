import CPlatform

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The pipes between us and pi; every end is closed on exec, so that no other child inherits one.
struct Pipes: Sendable {
    var childInput: FileDescriptor
    var ourInput: FileDescriptor
    var ourOutput: FileDescriptor
    var childOutput: FileDescriptor
    var ourErrors: FileDescriptor
    var childErrors: FileDescriptor
    /// Carries nothing: its end is the end of the one who holds the other side.
    var ourLifeline: FileDescriptor
    var childLifeline: FileDescriptor

    /// Bytes of pi's stdout that may be on their way to us: pi writes on meanwhile, and we read more at once.
    static let outputBytes = 256 << 10

    init() throws {
        (childInput, ourInput) = try Self.make()
        (ourOutput, childOutput) = try Self.make()
        // A system that grants no more than it gives anyway is as right, only slower.
        _ = hypi_widen_pipe(childOutput.rawValue, CInt(Self.outputBytes))
        (ourErrors, childErrors) = try Self.make()
        (ourLifeline, childLifeline) = try Self.make()
    }

    /// Lets go of what is the child's alone.
    func closeChildEnds() {
        for end in [childInput, childOutput, childErrors, childLifeline] {
            // Closing a pipe cannot fail but for a descriptor that is none.
            try? end.close()
        }
    }

    private static func make() throws -> (read: FileDescriptor, write: FileDescriptor) {
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
        return (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
    }
}
