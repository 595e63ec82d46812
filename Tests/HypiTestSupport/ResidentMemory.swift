import Foundation

/// What a process holds in memory, from /proc.
public enum ResidentMemory {
    /// The resident set of a process in bytes; 0 where it cannot be told.
    public static func bytes(of pid: Int32?) -> Int {
        field("VmRSS:", of: pid)
    }

    /// The most that it ever was.
    public static func peak(of pid: Int32?) -> Int {
        field("VmHWM:", of: pid)
    }

    private static func field(_ name: String, of pid: Int32?) -> Int {
        guard let pid, let data = FileManager.default.contents(atPath: "/proc/\(pid)/status") else { return 0 }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        let words = lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace) ?? []
        return words.count > 1 ? (Int(words[1]) ?? 0) << 10 : 0
    }
}
