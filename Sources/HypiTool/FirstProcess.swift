import CPlatform

/// The first process of a container, to which every orphan falls.
public enum FirstProcess {
    /// Where this process is pid 1, lets a child go on in its place, and collects orphans; otherwise does nothing.
    ///
    /// Agents that a hypivisor has started are nobody's children and fall to pid 1 when they end. To be called first in
    /// main, before there are threads. A system that lets nothing be started has other troubles, and is left as it is.
    public static func keep() {
        _ = hypi_keep_first_process()
    }
}
