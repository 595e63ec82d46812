/// Names one connection to the registry, so that leases can belong to it without holding it.
///
/// Random rather than counted: connections are made on many loops and share nothing.
struct ConnectionID: Hashable, Sendable {
    private let value = UInt64.random(in: .min ... .max)
}
