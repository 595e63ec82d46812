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
    /// Descriptors that no connection gets: for a pi that is started again, and for files that are opened for a moment.
    ///
    /// libdispatch looks into /proc each second, and ends the process where it cannot.
    public static let reserve = 24
    /// Descriptors for a loop, a listening socket, signals, one pi with its pipes, a few viewers, and what is kept back.
    public static let forBridge = 36 + reserve
    /// Descriptors for a registry beside its loops.
    public static let forRegistry = 24 + reserve
    /// Descriptors for one more child: its pipes, and what it is watched with.
    public static let forChild = 16
    /// Descriptors for a tool: a loop, timers and signals, a connection being made to two addresses and their name looked
    /// up meanwhile, and a file.
    public static let forTool = 16
    /// Descriptors for an event loop.
    public static let forLoop = 3

    /// Whether a descriptor is one of the last that the limit allows, which no connection may have.
    ///
    /// The system gives out the lowest that is free, so that those above stay free for whoever needs one.
    static func isReserved(_ descriptor: CInt) -> Bool {
        guard let limit = limit() else { return false }
        return UInt64(descriptor) + UInt64(reserve) >= UInt64(limit.rlim_cur)
    }

    /// A number of descriptors, or an eighth of those that the limit allows where that is less.
    static func share(upTo most: Int) -> Int {
        guard let limit = limit() else { return most }
        return max(1, Int(clamping: min(UInt64(most), UInt64(limit.rlim_cur) / 8)))
    }

    /// Whether so many connections may be opened without those that are kept back.
    ///
    /// A server leaves connections in the kernel that would take the last descriptors; who dials has to ask.
    public static func allowsConnections(_ count: Int) -> Bool {
        has(count + reserve)
    }

    /// Raises the soft limit to the hard one, for a relay needs two for each viewer; where that is refused the old one stays.
    public static func raiseLimit() {
        guard var limit = limit() else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }

    #if canImport(Glibc)
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let resource = RLIMIT_NOFILE
    #endif

    private static func limit() -> rlimit? {
        var limit = rlimit()
        return getrlimit(resource, &limit) == 0 ? limit : nil
    }

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
