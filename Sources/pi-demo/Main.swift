import ArgumentParser

@main
struct Tool: AsyncParsableCommand {
    func run() async throws {}
}
