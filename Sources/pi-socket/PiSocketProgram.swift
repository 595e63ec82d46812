import HypiTool
import PiSocketCore

/// The program: the bridge, or, started under another name, the keeper of its pi.
@main
enum PiSocketProgram {
    static func main() async {
        let words = CommandLine.arguments
        if words.first == PiKeeper.name { PiKeeper.run(Array(words.dropFirst())) }
        await PiSocketCommand.main()
    }
}
