// swift-tools-version: 6.2

import PackageDescription

/// Set in CI: a flag on the command line would reach the dependencies, too.
let warnings: [SwiftSetting] =
    Context.environment["HYPI_WARNINGS_AS_ERRORS"] == nil ? [] : [.treatAllWarnings(as: .error)]

let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + warnings

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioConcurrency = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

#if os(Linux)
    // Headers alone, which lie where every compiler looks: who needs TLS loads the library (COpenSSLLoader).
    let openSSL: String? = nil
    let openSSLOfTests: [LinkerSetting] = [.linkedLibrary("ssl"), .linkedLibrary("crypto")]
#else
    let openSSL: String? = "openssl"
    let openSSLOfTests: [LinkerSetting] = []
#endif

/// A library below the executables, with the settings every one of them shares.
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// An executable: one command file that parses, connects, streams and exits.
func tool(_ name: String, _ dependencies: [Target.Dependency], linker: [LinkerSetting] = []) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies + [argumentParser, "HypiTool"], swiftSettings: strict,
        linkerSettings: linker)
}

/// For tools that a person waits for and that end at once: a fixed address.
///
/// Nothing has to be relocated at each start, which is 54,000 places on 160 pages. Servers and the chat, which stay and
/// read what strangers may have written, keep the random one. And where the Makefile names a folder with a libstdc++ for
/// it, that is a part of the tool, which then loads little but libc.
let startsFast: [LinkerSetting] = [
    .unsafeFlags(
        ["-Xlinker", "-no-pie"]
            + (Context.environment["HYPI_STATIC_LIBRARIES"].map { ["-L\($0)", "-Xclang-linker", "-static-libgcc"] }
                ?? []),
        .when(platforms: [.linux], configuration: .release))
]

/// A test bundle over one library.
func tests(_ name: String, _ dependencies: [Target.Dependency], linker: [LinkerSetting] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict, linkerSettings: linker)
}

let package = Package(
    name: "hyper-pi",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "hypivisor", targets: ["hypivisor"]),
        .executable(name: "pi-socket", targets: ["pi-socket"]),
        .executable(name: "hypi-ls", targets: ["hypi-ls"]),
        .executable(name: "hypi-attach", targets: ["hypi-attach"]),
        .executable(name: "hypi-spawn", targets: ["hypi-spawn"]),
        .executable(name: "hypi-dirs", targets: ["hypi-dirs"]),
        .executable(name: "pi-demo", targets: ["pi-demo"]),
        // For Tests/Interop alone, which puts our TLS beside another one.
        .library(name: "HypiInterop", targets: ["HypiNet", "HypiTestSupport"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        .systemLibrary(
            name: "COpenSSL", pkgConfig: openSSL, providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .target(name: "COpenSSLLoader", dependencies: ["COpenSSL"]),
        // Without pkg-config: readline.pc carries -D flags that SwiftPM warns of at every build. The module map links.
        .systemLibrary(name: "CReadline", providers: [.apt(["libreadline-dev"]), .brew(["readline"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .target(name: "CPlatform"),
        library("HypiWire", [nioCore]),
        library("PiAdapter", ["HypiWire", nioCore]),
        library(
            "HypiNet",
            [
                "COpenSSL", "COpenSSLLoader", "CZlib", "HypiWire", collections, logging, nioConcurrency, nioCore,
                nioHTTP, nioPosix,
                nioWebSocket,
            ]),
        library(
            "HypiTool", ["CPlatform", "HypiNet", "HypiWire", argumentParser, logging, nioCore, nioPosix, unixSignals]),
        library(
            "HypivisorCore",
            ["HypiNet", "HypiWire", "CPlatform", collections, logging, nioCore, nioPosix]),
        library(
            "PiSocketCore",
            [
                "HypiNet", "HypiWire", "PiAdapter", "CPlatform", collections, logging, nioCore, nioPosix, subprocess,
                system,
            ]),
        library("ChatCore", ["HypiNet", "HypiWire", "PiAdapter", "CPlatform", "CReadline", nioCore, nioPosix]),
        library("PiDemoCore", ["HypiWire", "CPlatform", nioCore]),
        tool(
            "hypivisor",
            [
                "HypivisorCore", "HypiNet", "HypiWire", collections, logging, nioConcurrency, nioCore, nioPosix,
                unixSignals,
            ]),
        tool("pi-socket", ["PiSocketCore", "HypiNet", "HypiWire", logging, nioCore, nioPosix, unixSignals]),
        tool("hypi-ls", ["HypiNet", "HypiWire"], linker: startsFast),
        tool("hypi-attach", ["ChatCore", "HypiNet", "HypiWire", nioCore, nioPosix]),
        tool("hypi-spawn", ["HypiNet", "HypiWire", nioCore, nioPosix, subprocess]),
        tool("hypi-dirs", ["HypiNet", "HypiWire"], linker: startsFast),
        tool("pi-demo", ["PiDemoCore"], linker: startsFast),
        .target(name: "CTerminal", path: "Tests/CTerminal"),
        .target(
            name: "HypiTestSupport",
            dependencies: ["CTerminal", "HypiNet", "HypiWire", nioConcurrency, nioCore, nioEmbedded, nioPosix],
            path: "Tests/HypiTestSupport", swiftSettings: strict),
        .executableTarget(
            name: "ws-echo", dependencies: ["HypiNet", "HypiTool", "HypiWire", argumentParser, nioCore, nioPosix],
            path: "Tests/Support/ws-echo", swiftSettings: strict),
        .executableTarget(
            name: "bench-client", path: "Tests/Support/bench-client", linkerSettings: [.linkedLibrary("z")]),
        .executableTarget(name: "bench-registry", path: "Tests/Support/bench-registry"),
        .executableTarget(name: "bench-source", path: "Tests/Support/bench-source"),
        tests("HypiWireTests", ["HypiWire", nioCore]),
        tests(
            "HypiNetTests",
            [
                "COpenSSL", "CZlib", "HypiNet", "HypiWire", "HypiTestSupport", "PiAdapter", "ws-echo", nioConcurrency,
                nioCore, nioEmbedded, nioHTTP, nioPosix,
            ], linker: openSSLOfTests),
        tests(
            "HypiToolTests",
            [argumentParser, "HypiTestSupport", "HypiTool", "HypiNet", "HypiWire", logging, nioCore, nioPosix]),
        tests("ChatCoreTests", ["ChatCore", "HypiNet", "HypiWire", "PiAdapter", nioCore, nioPosix]),
        tests(
            "HypivisorCoreTests",
            ["HypivisorCore", "HypiTestSupport", "HypiNet", "HypiWire", logging, nioConcurrency, nioCore, nioPosix]),
        tests("PiDemoCoreTests", ["PiDemoCore", "HypiWire"]),
        .executableTarget(
            name: "pi-replay", dependencies: ["HypiWire", nioCore], path: "Tests/Support/pi-replay",
            swiftSettings: strict),
        .executableTarget(
            name: "registry-load",
            dependencies: ["HypiTestSupport", "HypiTool", "HypiNet", "HypiWire", argumentParser, nioCore, nioPosix],
            path: "Tests/Support/registry-load", swiftSettings: strict),
        .executableTarget(
            name: "relay-load",
            dependencies: ["HypiTestSupport", "HypiTool", "HypiNet", "HypiWire", argumentParser, nioCore, nioPosix],
            path: "Tests/Support/relay-load", swiftSettings: strict),
        tests("PiAdapterTests", ["PiAdapter", "HypiWire", nioCore]),
        tests(
            "PiSocketCoreTests",
            [
                "PiSocketCore", "PiAdapter", "HypiNet", "HypiWire", "HypiTestSupport", logging, nioConcurrency, nioCore,
                nioEmbedded, nioPosix,
            ]),
        tests(
            "IntegrationTests",
            [
                "pi-replay", "registry-load", "relay-load", "HypiTestSupport", "HypiNet", "HypiWire", nioConcurrency,
                nioCore, nioPosix,
            ]),
        // Nothing of it runs without the versions of pi that `make test-pi` installs.
        tests("RealPiTests", ["HypiTestSupport", "HypiNet", "HypiWire", nioCore]),
    ],
    swiftLanguageModes: [.v6]
)
