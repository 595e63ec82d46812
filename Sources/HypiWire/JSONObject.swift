/// The members of a JSON object in the order in which they stand on the wire.
///
/// A list rather than a hash table: our objects have a dozen members at most, and order is part of what we promise.
public struct JSONObject: Sendable, Hashable {
    /// The members, in order.
    public private(set) var members: [Member]

    /// One member of an object.
    public struct Member: Sendable, Hashable {
        /// The name.
        public var key: String
        /// The value.
        public var value: JSON
    }

    /// An object with no members.
    public init() {
        members = []
    }

    /// An object with the given members, in the given order; of a name that stands twice the last value wins.
    public init(_ pairs: [(String, JSON)]) {
        members = []
        members.reserveCapacity(pairs.count)
        for (key, value) in pairs {
            self[key] = value
        }
    }

    /// The value of a member; setting `nil` removes it, setting a new one appends it.
    public subscript(key: String) -> JSON? {
        get {
            // From the end: where a peer repeats a name, the last one counts (RFC 8259 section 4, as JSON.parse does).
            members.last { $0.key == key }?.value
        }
        set {
            let index = members.lastIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    /// Makes room for members, so that the first few do not each move those before them.
    mutating func reserveCapacity(_ count: Int) {
        members.reserveCapacity(count)
    }

    /// Appends a member that is known to be new, without looking.
    mutating func appendUnchecked(_ key: String, _ value: JSON) {
        members.append(Member(key: key, value: value))
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object; members keep the order in which they are written.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements)
    }
}
