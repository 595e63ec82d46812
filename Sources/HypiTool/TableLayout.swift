/// Decides how wide each column of a table becomes and which ones there is no room for.
struct TableLayout {
    /// A column that is shown.
    struct Place: Equatable {
        /// Its index among all columns.
        var index: Int
        /// Its width in terminal columns.
        var width: Int
    }

    /// Nothing is readable below this; wanted widths end here when a terminal is too narrow for anything else.
    private static let narrowest = 3

    let columns: [Table.Column]
    /// The width each column would like to have.
    let natural: [Int]
    let gap: Int

    /// The columns to show, from left to right.
    ///
    /// First texts are cut, the column that can spare the most first; when that is not enough, columns go by rank; at
    /// last those that must stay are cut beyond their least width, and then from the right.
    func places(within limit: Int?) -> [Place] {
        var shown = columns.indices.map { Place(index: $0, width: natural[$0]) }
        guard let limit else { return shown }
        while true {
            let fitted = shrunk(shown, to: limit) { columns[$0].least }
            if width(of: fitted) <= limit { return fitted }
            guard let victim = shown.filter({ columns[$0.index].rank != nil }).max(by: { rank($0) < rank($1) }) else {
                break
            }
            shown.removeAll { $0 == victim }
        }
        shown = shrunk(shown, to: limit) { _ in Self.narrowest }
        while shown.count > 1, width(of: shown) > limit { shown.removeLast() }
        return shown.map { Place(index: $0.index, width: min($0.width, limit)) }
    }

    private func rank(_ place: Place) -> Int {
        columns[place.index].rank ?? .min
    }

    private func width(of places: [Place]) -> Int {
        places.reduce(-gap) { $0 + $1.width + gap }
    }

    private func shrunk(_ places: [Place], to limit: Int, least: (Int) -> Int?) -> [Place] {
        var places = places
        var excess = width(of: places) - limit
        while excess > 0 {
            let spare = places.map { max(0, $0.width - (least($0.index) ?? $0.width)) }
            guard let most = spare.indices.max(by: { spare[$0] < spare[$1] }), spare[most] > 0 else { break }
            places[most].width -= 1
            excess -= 1
        }
        return places
    }
}
