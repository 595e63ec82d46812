#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How many descriptors we may have open: a relay needs two.
enum DescriptorLimit {
    /// Raises the soft limit to the hard one; where that is refused the old one stays.
    static func raise() {
        var limit = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }
}
