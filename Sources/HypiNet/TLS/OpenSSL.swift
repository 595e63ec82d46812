import COpenSSLLoader

/// The system's OpenSSL.
///
/// Most programs of ours never speak TLS, and loading the library took a fifth of the time that hypi-ls takes in all.
enum OpenSSL {
    /// Loads the library; before anything else is done with it, and more than once is nothing.
    ///
    /// - Throws: ``TLSError/failed(reason:)`` where the system has none.
    static func load() throws(TLSError) {
        guard let fault = hypi_load_openssl() else { return }
        throw .failed(reason: String(cString: fault))
    }
}
