#ifndef HYPI_COPENSSL_SHIM_H
#define HYPI_COPENSSL_SHIM_H

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What OpenSSL offers as macros only, and Swift cannot import.

/// The rules of every context: TLS 1.2 and up; no renegotiation, compression, tickets or session cache; writes that may
/// be cut and move; buffers given back between records. A connection that ends without close_notify is an error.
static inline int hypi_tls_context_prepare(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/// Says in the first message which name is asked for (RFC 6066 section 3).
static inline int hypi_tls_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

/// The peer's certificate must be for this name; a star stands for one whole label.
static inline int hypi_tls_require_name(SSL *session, const char *name) {
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(session, name);
}

/// The peer's certificate must be for this IP address.
static inline int hypi_tls_require_address(SSL *session, const char *address) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), address);
}

/// OpenSSL's words for an error, or the system's; NULL if there are none.
static inline const char *hypi_tls_reason(unsigned long code) {
    return ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
}

/// The first certificate that the peer has shown, verified or not; NULL if it has shown none. It stays the session's.
static inline X509 *hypi_tls_shown_certificate(const SSL *session) {
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(session);
    return chain == NULL ? NULL : sk_X509_value(chain, 0);
}

/// A new key on the curve P-256; the caller frees it.
static inline EVP_PKEY *hypi_tls_new_key(void) {
    return EVP_EC_gen("P-256");
}

#endif
