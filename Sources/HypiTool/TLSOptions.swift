public import ArgumentParser
public import HypiNet

/// The certificate that a server shows; the same options on every server.
public struct TLSOptions: ParsableArguments, Sendable {
    /// The certificate's file.
    @Option(help: ArgumentHelp("Serve wss:// with this certificate (PEM).", valueName: "file"), completion: .file())
    public var tlsCert: String?

    /// The key's file.
    @Option(help: ArgumentHelp("Its key (PEM).", valueName: "file"), completion: .file())
    public var tlsKey: String?

    /// Options that were not given.
    public init() {}

    /// Both or neither.
    public func validate() throws {
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key go together")
        }
    }

    /// The certificate, read; `nil` if none was given.
    ///
    /// - Throws: ``Failure`` with status 78 if it cannot be used.
    public func certificate(_ environment: Environment) throws(Failure) -> TLSCertificate? {
        guard let tlsCert, let tlsKey else { return nil }
        // They are read again later, when the working folder may be another.
        let folder = WorkingFolder.current(environment)
        return try Self.read(try folder.absolute(tlsCert), try folder.absolute(tlsKey))
    }

    /// The certificate that this person's servers have made for themselves; made now if there is none.
    ///
    /// `tls-cert.pem` and `tls-key.pem` in the configuration folder, readable for their owner alone.
    ///
    /// - Parameters:
    ///   - environment: Says where that folder is.
    ///   - names: Names and addresses that a new certificate is for.
    /// - Returns: The certificate.
    /// - Throws: ``Failure`` with status 78 if the files cannot be used, or 73 if they cannot be made.
    public static func selfSigned(_ environment: Environment, names: [String]) throws(Failure) -> TLSCertificate {
        let folder = try environment.configFolder()
        let (certificateFile, keyFile) = (folder + "/tls-cert.pem", folder + "/tls-key.pem")
        if !PrivateFile.exists(certificateFile) { try make(certificateFile, keyFile, names) }
        return try read(certificateFile, keyFile)
    }

    private static func make(_ certificateFile: String, _ keyFile: String, _ names: [String]) throws(Failure) {
        let made: SelfSigned
        do {
            made = try SelfSigned(names: names)
        } catch {
            throw Failure(.system, "cannot make a certificate: \(error)")
        }
        do {
            // The key first: a certificate that is there has its key.
            try PrivateFile.replace(keyFile, with: made.key)
            try PrivateFile.replace(certificateFile, with: made.certificate)
        } catch {
            throw error.failure(.cannotCreate)
        }
    }

    private static func read(_ certificateFile: String, _ keyFile: String) throws(Failure) -> TLSCertificate {
        do {
            try FileTrust.check(keyFile, for: .secret)
            try FileTrust.check(certificateFile, for: .trusted)
        } catch {
            throw error.failure(.configuration)
        }
        do {
            return try TLSCertificate(certificateFile: certificateFile, keyFile: keyFile)
        } catch {
            throw Failure(.configuration, "\(error)", hint: "see --tls-cert and --tls-key")
        }
    }
}
