import Foundation

/// How much a test does: little by default, more where the environment says so.
public enum Effort {
    /// Whether a sanitizer watches, which takes memory of its own.
    public static var isSanitized: Bool { ProcessInfo.processInfo.environment["TSAN_OPTIONS"] != nil }

    /// A number from the environment.
    public static func number(_ name: String, default usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
    }
}
