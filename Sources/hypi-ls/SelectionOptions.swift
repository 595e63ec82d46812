import ArgumentParser
import HypiTool
import HypiWire

/// Conditions that agents have to meet to be listed; all that are given have to hold.
struct SelectionOptions: ParsableArguments {
    @Option(help: "Doing this.") var activity: [Node.Activity] = []
    @Option(help: ArgumentHelp("Only on this machine.", valueName: "host"), completion: RegistryCompletion.machines)
    var machine: [String] = []
    @Option(help: ArgumentHelp("Only in this folder or below.", valueName: "dir"), completion: .directory)
    var cwd: [String] = []
    @Option(
        help: ArgumentHelp("Only with a name like this, such as 'nightly-*'.", valueName: "glob"),
        completion: RegistryCompletion.names)
    var name: [String] = []
    @Option(help: "Only registered so.") var status: Node.Status?

    /// The conditions as a filter.
    ///
    /// - Throws: `Failure` with status 64 for a folder that is none.
    func filter(from folder: WorkingFolder) throws(Failure) -> NodeFilter {
        var filter = NodeFilter()
        filter.activities = Set(activity)
        filter.machines = Set(machine)
        for folderName in cwd {
            filter.folders.append(try folder.absolute(folderName))
            if let real = folder.existing(folderName) { filter.folders.append(real) }
        }
        filter.namePatterns = name
        filter.status = status
        return filter
    }
}
