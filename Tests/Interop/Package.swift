// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that swift-nio-ssl, the other opinion about TLS, never comes near the programs.
let package = Package(
    name: "interop",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "hyper-pi", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    ],
    targets: [
        .testTarget(
            name: "InteropTests",
            dependencies: [
                .product(name: "HypiInterop", package: "hyper-pi"),
                // Started by tests from beside them.
                .product(name: "hypivisor", package: "hyper-pi"),
                .product(name: "pi-socket", package: "hyper-pi"),
                .product(name: "pi-demo", package: "hyper-pi"),
                .product(name: "hypi-ls", package: "hyper-pi"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "Tests")
    ],
    swiftLanguageModes: [.v6]
)
