import HypiTestSupport
import NIOConcurrencyHelpers

/// What has arrived and was not looked at yet; waiting has a deadline.
final class Inbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isOver = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = NIOLockedValueBox(State())

    func append(_ element: Element) {
        change { $0.elements.append(element) }
    }

    /// Nothing more will come.
    func finish() {
        change { $0.isOver = true }
    }

    /// Everything that is there, without waiting.
    var all: [Element] { state.withLockedValue(\.elements) }

    /// The next element; `nil` at the end.
    func next(_ what: String = "an element", within limit: Duration = .seconds(10)) async throws -> Element? {
        try await next(what, within: limit) { _ in true }
    }

    /// The first element that fits, leaving out those before it; `nil` at the end.
    func next(
        _ what: String, within limit: Duration = .seconds(10), where fits: @escaping @Sendable (Element) -> Bool
    ) async throws -> Element? {
        try await HypiTestSupport.within(limit, what) {
            while true {
                try Task.checkCancellation()
                let (found, isOver) = self.take(fits)
                if found != nil || isOver { return found }
                await self.wait()
            }
        }
    }

    private func take(_ fits: (Element) -> Bool) -> (Element?, isOver: Bool) {
        state.withLockedValue { state in
            guard let index = state.elements.firstIndex(where: fits) else {
                state.elements = []
                return (nil, state.isOver)
            }
            let element = state.elements[index]
            state.elements.removeFirst(index + 1)
            return (element, false)
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLockedValue { state -> Bool in
                    guard state.elements.isEmpty, !state.isOver, !Task.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            change { _ in }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLockedValue { state in
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
