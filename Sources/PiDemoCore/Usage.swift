import HypiWire

/// What one answer consumed, and what it would have cost.
struct Usage: Sendable, Equatable {
    var input = 0
    var output = 0
    var cacheRead = 0
    var cacheWrite = 0
    var price: DemoModel.Price

    var total: Int {
        input + output + cacheRead + cacheWrite
    }

    var json: JSON {
        let costs = [
            (input, price.input), (output, price.output), (cacheRead, price.cacheRead), (cacheWrite, price.cacheWrite),
        ]
        .map { Double($0) * $1 / 1_000_000 }
        return [
            "input": .int(input), "output": .int(output), "cacheRead": .int(cacheRead), "cacheWrite": .int(cacheWrite),
            "totalTokens": .int(total),
            "cost": [
                "input": .double(costs[0]), "output": .double(costs[1]), "cacheRead": .double(costs[2]),
                "cacheWrite": .double(costs[3]), "total": .double(costs.reduce(0, +)),
            ],
        ]
    }

    /// The usual estimate: four bytes a token.
    static func tokens(_ text: String) -> Int {
        (text.utf8.count + 3) / 4
    }

    /// The estimated tokens of a whole message.
    static func tokens(ofMessage message: JSON) -> Int {
        var count = 0
        if let text = message["content"]?.string ?? message["summary"]?.string { count += tokens(text) }
        if let output = message["output"]?.string { count += tokens(output) }
        for block in message["content"]?.array ?? [] {
            count += tokens(block["text"]?.string ?? block["thinking"]?.string ?? block["arguments"]?.text ?? "")
        }
        return count + 4
    }
}

/// The sums of many usages, as `get_session_stats` reports them.
struct UsageTotals {
    var input = 0
    var output = 0
    var cacheRead = 0
    var cacheWrite = 0
    var cost = 0.0

    /// Adds the usage object of a message or an entry; anything else adds nothing.
    mutating func add(_ usage: JSON?) {
        input += usage?["input"]?.int ?? 0
        output += usage?["output"]?.int ?? 0
        cacheRead += usage?["cacheRead"]?.int ?? 0
        cacheWrite += usage?["cacheWrite"]?.int ?? 0
        cost += usage?["cost"]?["total"]?.double ?? 0
    }

    var tokens: JSON {
        [
            "input": .int(input), "output": .int(output), "cacheRead": .int(cacheRead), "cacheWrite": .int(cacheWrite),
            "total": .int(input + output + cacheRead + cacheWrite),
        ]
    }
}
