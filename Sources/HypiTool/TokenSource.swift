public import HypiNet

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where the token comes from (specs/protocol.md, section 4).
///
/// `--token-file`, else `HYPI_TOKEN`, else `HYPI_TOKEN_FILE`, else the file `token` in the configuration folder.
public struct TokenSource: Sendable {
    private let environment: Environment
    private let optionFile: String?

    /// A source for a program.
    ///
    /// - Parameters:
    ///   - environment: The program's environment.
    ///   - optionFile: The value of `--token-file`, if it was given.
    public init(environment: Environment, optionFile: String?) {
        self.environment = environment
        self.optionFile = optionFile
    }

    /// The token for a client: `nil` if there is none anywhere, which a server under `--no-auth` accepts.
    ///
    /// - Throws: ``Failure`` with status 78 if a file that was named cannot be read or holds no token.
    public func clientToken() throws(Failure) -> Token? {
        if let named = try namedToken() { return named }
        let path = try defaultPath()
        do {
            return try parse(try PrivateFile.read(path, for: .secret), from: path)
        } catch let fault as PrivateFile.Fault where fault.code == ENOENT {
            return nil
        } catch let fault as PrivateFile.Fault {
            throw Self.failure(fault)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(error)
        }
    }

    /// The token for a server; the default file is created with 256 random bits if it is missing.
    ///
    /// - Throws: ``Failure`` with status 78 if a file cannot be read or created, or holds no token.
    public func serverToken() throws(Failure) -> Token {
        if let named = try namedToken() { return named }
        let path = try defaultPath()
        let text: String
        do {
            text = try Self.readOrCreate(path)
        } catch {
            throw Self.failure(error)
        }
        return try parse(text, from: path)
    }

    /// The file that holds the token, if it comes from one; a child can be given this instead of the secret.
    ///
    /// - Throws: ``Failure`` if there is no home.
    public func file() throws(Failure) -> String? {
        if let optionFile { return optionFile }
        if environment["HYPI_TOKEN"] != nil { return nil }
        if let named = environment["HYPI_TOKEN_FILE"] { return named }
        return try defaultPath()
    }

    private static func readOrCreate(_ path: String) throws(PrivateFile.Fault) -> String {
        do {
            return try PrivateFile.read(path, for: .secret)
        } catch  where error.code == ENOENT {
            return try PrivateFile.createUnlessPresent(path, Token.random().secret + "\n")
        }
    }

    private func namedToken() throws(Failure) -> Token? {
        if optionFile == nil, let text = environment["HYPI_TOKEN"] {
            guard let token = Token(text) else { throw Failure(.configuration, "HYPI_TOKEN holds no token") }
            return token
        }
        guard let path = optionFile ?? environment["HYPI_TOKEN_FILE"] else { return nil }
        do {
            return try parse(try PrivateFile.read(path, for: .secret), from: path)
        } catch let fault as PrivateFile.Fault {
            throw Self.failure(fault)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(error)
        }
    }

    private func defaultPath() throws(Failure) -> String {
        try environment.configFolder() + "/token"
    }

    private func parse(_ text: String, from path: String) throws(Failure) -> Token {
        guard let token = Token(text) else {
            throw Failure(.configuration, "token file \(path) holds no token", hint: "delete it and start hypivisor")
        }
        return token
    }

    private static func failure(_ fault: PrivateFile.Fault) -> Failure {
        fault.failure(.configuration, kind: "token file")
    }
}
