import Foundation

/// How much a test does: little by default, more where the environment says so.
public enum Effort {
    /// A number from the environment.
    public static func number(_ name: String, default usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
    }
}
