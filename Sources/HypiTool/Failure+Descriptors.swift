import HypiNet

extension Failure {
    /// Refuses to start without room for what is needed: later it would be a process that serves nobody, or watches nothing.
    ///
    /// - Parameter count: Descriptors that are needed beside those that are open.
    /// - Throws: ``Failure`` with status 71.
    public static func unlessRoom(for count: Int) throws(Failure) {
        guard !DescriptorRoom.has(count) else { return }
        throw Failure(
            .system, "too few file descriptors: room for \(count) is needed", hint: "raise the limit, see 'ulimit -n'")
    }
}
