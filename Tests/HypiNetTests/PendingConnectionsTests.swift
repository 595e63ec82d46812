@testable import HypiNet
import Testing

@Suite("PendingConnections")
struct PendingConnectionsTests {
    private final class Key {}

    private let keys = (0..<10).map { _ in Key() }

    @Test("beyond the bound the oldest goes, beyond an address's own its oldest")
    func bounds() {
        var pending = PendingConnections<Int>(limit: 4, limitPerNetwork: 2)
        let key = keys.map(ObjectIdentifier.init)
        #expect(pending.add(0, key: key[0], network: "a") == nil)
        #expect(pending.add(1, key: key[1], network: "b") == nil)
        #expect(pending.add(2, key: key[2], network: "b") == nil)
        #expect(pending.add(3, key: key[3], network: "b") == 1)
        #expect(pending.add(4, key: key[4], network: "c") == nil)
        #expect(pending.add(5, key: key[5], network: "d") == 0)
        #expect(pending.all == [2, 3, 4, 5])
        #expect(pending.remove(key[3]) && !pending.remove(key[3]) && !pending.remove(key[0]))
        #expect(pending.add(6, key: key[6], network: "b") == nil)
        #expect(pending.all == [2, 4, 5, 6])
    }
}
