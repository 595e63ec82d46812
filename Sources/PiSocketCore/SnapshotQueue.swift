/// The viewers that wait for pi to tell its messages.
struct SnapshotQueue {
    /// What somebody waits for.
    enum Waiter {
        /// The newest messages, and then the stream.
        case join(Viewer)
        /// An older page.
        case history(Viewer, before: Int?, limit: Int)

        /// Who waits.
        var viewer: Viewer {
            switch self {
            case .join(let viewer), .history(let viewer, _, _): viewer
            }
        }
    }

    /// Requests of one viewer that may wait; beyond it the viewer is closed.
    static let viewerLimit = 16

    private var waiters: [Waiter] = []
    /// Whether pi has been asked and has not answered.
    var isAsking = false

    /// Whether nobody waits.
    var isEmpty: Bool {
        waiters.isEmpty
    }

    /// How many requests of a viewer wait.
    func count(of viewer: Viewer) -> Int {
        waiters.count { $0.viewer === viewer }
    }

    /// Lets somebody wait.
    mutating func add(_ waiter: Waiter) {
        waiters.append(waiter)
    }

    /// Forgets a viewer that is gone.
    mutating func remove(_ viewer: Viewer) {
        waiters.removeAll { $0.viewer === viewer }
    }

    /// Forgets that a viewer wants to join.
    mutating func removeJoin(_ viewer: Viewer) {
        waiters.removeAll { waiter in
            if case .join(let waiting) = waiter { waiting === viewer } else { false }
        }
    }

    /// pi has answered: everyone who waits.
    mutating func takeAll() -> [Waiter] {
        defer { waiters = [] }
        isAsking = false
        return waiters
    }
}
