#ifndef HYPI_COPENSSL_LOADER_H
#define HYPI_COPENSSL_LOADER_H

/// Loads OpenSSL, which has to be done before any other call of it: only TLS needs it, and loading it takes longer than
/// all else that a small program does at its start.
/// Returns NULL, or what is wrong; the same each time. Where it is linked (macOS), nothing happens.
const char *hypi_load_openssl(void) __attribute__((visibility("default")));

#endif
