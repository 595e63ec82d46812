import HypiWire

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

    /// What all who wait want of the conversation, as far as it is known before pi has told it.
    var demand: MessagesIntake.Demand {
        var demand = MessagesIntake.Demand()
        for waiter in waiters {
            switch waiter {
            case .join(let viewer):
                demand.byteCount = max(demand.byteCount, min(viewer.historyByteLimit, Limits.recordBytes))
            case .history(_, let before, let limit):
                let count = min(max(limit, 0), MessageIndex.pageLimit)
                // A page may turn out to be one of the newest messages.
                demand.messageCount = max(demand.messageCount, count)
                if let before { demand.pages[before] = max(demand.pages[before] ?? 0, count) }
            }
        }
        return demand
    }

    /// pi has answered: everyone who waits.
    mutating func takeAll() -> [Waiter] {
        defer { waiters = [] }
        isAsking = false
        return waiters
    }
}
