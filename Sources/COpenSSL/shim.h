#ifndef HYPI_COPENSSL_SHIM_H
#define HYPI_COPENSSL_SHIM_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#endif
