/// Guesses which word was meant by one that is not known.
enum Spelling {
    /// The word that was probably meant.
    ///
    /// One slip in a short word, one in three characters of a long one: beyond that a proposal is as likely to mislead as
    /// to help.
    ///
    /// - Parameters:
    ///   - word: What was typed.
    ///   - words: What there is; the first of several that are equally near is taken.
    /// - Returns: One of them; `nil` where none is near enough.
    static func nearest(to word: String, among words: [String]) -> String? {
        let limit = max(1, word.count / 3)
        let near = words.map { (word: $0, distance: distance(word, $0)) }.filter { $0.distance <= limit }
        return near.min { $0.distance < $1.distance }?.word
    }

    /// How many characters are missing, too many, others, or swapped with their neighbour (optimal string alignment).
    static func distance(_ first: String, _ second: String) -> Int {
        let (first, second) = (Array(first), Array(second))
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for row in first.indices {
            var current = [row + 1]
            for column in second.indices {
                let isSame = first[row] == second[column]
                var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (isSame ? 0 : 1))
                if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[second.count]
    }
}
