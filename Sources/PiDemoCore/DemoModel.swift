import HypiWire

/// One of the models that pi-demo claims to have; none of them leaves this process.
struct DemoModel: Sendable, Equatable {
    static let provider = "demo"
    static let api = "demo"

    let id: String
    let name: String
    let isReasoning: Bool
    let input: [JSON]
    let price: Price
    let contextWindow: Int
    let maxTokens: Int

    /// US dollars per million tokens.
    struct Price: Sendable, Equatable {
        let input: Double
        let output: Double
        let cacheRead: Double
        let cacheWrite: Double
    }

    /// All of them, the default first; the last is so small that a short conversation compacts it.
    static let all = [
        DemoModel(
            id: "demo-large", name: "Demo Large", isReasoning: true, input: ["text", "image"],
            price: Price(input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75), contextWindow: 200_000,
            maxTokens: 16_384),
        DemoModel(
            id: "demo-small", name: "Demo Small", isReasoning: false, input: ["text"],
            price: Price(input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25), contextWindow: 100_000,
            maxTokens: 8192),
        DemoModel(
            id: "demo-tiny", name: "Demo Tiny", isReasoning: true, input: ["text"],
            price: Price(input: 0.25, output: 1.25, cacheRead: 0.03, cacheWrite: 0.3), contextWindow: 4096,
            maxTokens: 1024),
    ]

    static let standard = all[0]

    /// The model with exactly this provider and id.
    static func named(provider: String?, id: String?) -> DemoModel? {
        provider == Self.provider ? all.first { $0.id == id } : nil
    }

    /// The first model that a command line's pattern means: `id`, `provider/id` or a part of the id.
    static func matching(_ pattern: String) -> DemoModel? {
        let id = pattern.hasPrefix(provider + "/") ? String(pattern.dropFirst(provider.count + 1)) : pattern
        return all.first { $0.id == id } ?? all.first { !id.isEmpty && $0.id.contains(id) }
    }

    /// The model after this one, round and round.
    var next: DemoModel {
        let index = Self.all.firstIndex(of: self) ?? 0
        return Self.all[(index + 1) % Self.all.count]
    }

    var json: JSON {
        [
            "id": .string(id), "name": .string(name), "api": .string(Self.api), "provider": .string(Self.provider),
            "baseUrl": "http://127.0.0.1:9", "reasoning": .bool(isReasoning), "input": .array(input),
            "cost": [
                "input": .double(price.input), "output": .double(price.output), "cacheRead": .double(price.cacheRead),
                "cacheWrite": .double(price.cacheWrite),
            ],
            "contextWindow": .int(contextWindow), "maxTokens": .int(maxTokens),
        ]
    }
}

/// How much a model is asked to think before it answers.
enum ThinkingLevel: String, CaseIterable, Sendable {
    case off, minimal, low, medium, high

    /// The level a client's word means; what pi calls higher than we have is `high`, anything else is `off`, as in pi.
    init(clamping word: String?) {
        self = word == "xhigh" || word == "max" ? .high : word.flatMap(ThinkingLevel.init) ?? .off
    }

    /// The level after this one, round and round.
    var next: ThinkingLevel {
        let index = Self.allCases.firstIndex(of: self) ?? 0
        return Self.allCases[(index + 1) % Self.allCases.count]
    }
}
