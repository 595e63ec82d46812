import HypiTool
import HypiWire

/// Which agents were asked for: target words and conditions, and how the words came out.
struct Selection: Sendable {
    let words: [TargetWord]
    private(set) var filter: NodeFilter
    private let folder: WorkingFolder

    init(_ words: [String], _ options: SelectionOptions, from folder: WorkingFolder) throws(Failure) {
        self.words = words.map(TargetWord.init)
        self.folder = folder
        filter = try options.filter(from: folder)
    }

    /// Turns the words into ids, once there is a list; from then on only these agents are meant.
    ///
    /// - Throws: `TargetWord.Fault` for the first word that means none or several.
    mutating func resolve(in nodes: [Node]) throws(TargetWord.Fault) {
        guard !words.isEmpty else { return }
        var ids: Set<String> = []
        for word in words { ids.insert(try word.resolve(in: nodes, from: folder).id) }
        filter.ids = ids
    }

    /// Turns the words into ids for a list, which shows all that a word can mean.
    ///
    /// - Throws: `TargetWord.Fault` for the first word that means none.
    mutating func resolveAll(in nodes: [Node]) throws(TargetWord.Fault) {
        guard !words.isEmpty else { return }
        var ids: Set<String> = []
        for word in words {
            do throws(TargetWord.Fault) {
                ids.insert(try word.resolve(in: nodes, from: folder).id)
            } catch {
                guard case .ambiguous(_, let candidates) = error else { throw error }
                ids.formUnion(candidates.map(\.id))
            }
        }
        filter.ids = ids
    }

    /// Turns those words into ids that mean an agent already; answers the others.
    ///
    /// - Throws: `TargetWord.Fault` for a word that means several.
    mutating func resolveKnown(in nodes: [Node]) throws(TargetWord.Fault) -> [TargetWord] {
        guard !words.isEmpty else { return [] }
        var ids: Set<String> = []
        var unknown: [TargetWord] = []
        for word in words {
            do throws(TargetWord.Fault) {
                ids.insert(try word.resolve(in: nodes, from: folder).id)
            } catch {
                guard case .unknown = error else { throw error }
                unknown.append(word)
            }
        }
        filter.ids = ids
        return unknown
    }
}
