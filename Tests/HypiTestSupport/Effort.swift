import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How much a test does and how long it waits: little by default, more where the environment or the build says so.
public enum Effort {
    /// What watches the process.
    public enum Sanitizer: Sendable {
        /// Every access to memory.
        case address
        /// Every access of two threads to the same memory.
        case thread
    }

    /// The sanitizer that this process, and with it every program beside it, was built for.
    ///
    /// Its runtime is linked into the program, so the symbols tell, whatever the environment says.
    public static let sanitizer: Sanitizer? = {
        guard let program = dlopen(nil, RTLD_LAZY) else { return nil }
        defer { dlclose(program) }
        if dlsym(program, "__asan_init") != nil { return .address }
        return dlsym(program, "__tsan_init") == nil ? nil : .thread
    }()

    /// Whether a sanitizer watches, which takes memory and time of its own.
    public static var isSanitized: Bool { sanitizer != nil }

    /// How many times longer a test waits than usual: what a sanitizer watches is several times slower.
    public static let patience = isSanitized ? 6 : 1

    /// A number from the environment.
    public static func number(_ name: String, default usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
    }
}
