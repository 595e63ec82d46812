#include "COpenSSLLoader.h"

#ifdef __linux__

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// Every function of OpenSSL that we call: result, name, parameters, arguments. The linker names the one that is missing.
#define CALLS \
    CALL(int, ASN1_INTEGER_set_int64, (ASN1_INTEGER *a, int64_t b), (a, b)) \
    CALL(size_t, BIO_ctrl_pending, (BIO *a), (a)) \
    CALL(int, BIO_free, (BIO *a), (a)) \
    CALL(BIO *, BIO_new, (const BIO_METHOD *a), (a)) \
    CALL(int, BIO_read, (BIO *a, void *b, int c), (a, b, c)) \
    CALL(const BIO_METHOD *, BIO_s_mem, (void), ()) \
    CALL(int, BIO_write, (BIO *a, const void *b, int c), (a, b, c)) \
    CALL(void, ERR_clear_error, (void), ()) \
    CALL(unsigned long, ERR_get_error_all, \
        (const char **a, int *b, const char **c, const char **d, int *e), (a, b, c, d, e)) \
    CALL(unsigned long, ERR_peek_error, (void), ()) \
    CALL(const char *, ERR_reason_error_string, (unsigned long a), (a)) \
    CALL(void, EVP_PKEY_free, (EVP_PKEY *a), (a)) \
    CALL(const EVP_MD *, EVP_sha256, (void), ()) \
    CALL(void *, OPENSSL_sk_value, (const OPENSSL_STACK *a, int b), (a, b)) \
    CALL(int, PEM_write_bio_PKCS8PrivateKey, \
        (BIO *a, const EVP_PKEY *b, const EVP_CIPHER *c, const char *d, int e, pem_password_cb *f, void *g), \
        (a, b, c, d, e, f, g)) \
    CALL(int, PEM_write_bio_X509, (BIO *a, const X509 *b), (a, b)) \
    CALL(int, SSL_CTX_check_private_key, (const SSL_CTX *a), (a)) \
    CALL(uint64_t, SSL_CTX_clear_options, (SSL_CTX *a, uint64_t b), (a, b)) \
    CALL(long, SSL_CTX_ctrl, (SSL_CTX *a, int b, long c, void *d), (a, b, c, d)) \
    CALL(void, SSL_CTX_free, (SSL_CTX *a), (a)) \
    CALL(X509 *, SSL_CTX_get0_certificate, (const SSL_CTX *a), (a)) \
    CALL(int, SSL_CTX_load_verify_file, (SSL_CTX *a, const char *b), (a, b)) \
    CALL(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *a), (a)) \
    CALL(void, SSL_CTX_set_cert_verify_callback, \
        (SSL_CTX *a, int (*b)(X509_STORE_CTX *, void *), void *c), (a, b, c)) \
    CALL(void, SSL_CTX_set_default_passwd_cb, (SSL_CTX *a, pem_password_cb *b), (a, b)) \
    CALL(int, SSL_CTX_set_default_verify_paths, (SSL_CTX *a), (a)) \
    CALL(int, SSL_CTX_set_num_tickets, (SSL_CTX *a, size_t b), (a, b)) \
    CALL(uint64_t, SSL_CTX_set_options, (SSL_CTX *a, uint64_t b), (a, b)) \
    CALL(void, SSL_CTX_set_verify, (SSL_CTX *a, int b, SSL_verify_cb c), (a, b, c)) \
    CALL(int, SSL_CTX_use_PrivateKey_file, (SSL_CTX *a, const char *b, int c), (a, b, c)) \
    CALL(int, SSL_CTX_use_certificate_chain_file, (SSL_CTX *a, const char *b), (a, b)) \
    CALL(long, SSL_ctrl, (SSL *a, int b, long c, void *d), (a, b, c, d)) \
    CALL(int, SSL_do_handshake, (SSL *a), (a)) \
    CALL(void, SSL_free, (SSL *a), (a)) \
    CALL(X509_VERIFY_PARAM *, SSL_get0_param, (SSL *a), (a)) \
    CALL(int, SSL_get_error, (const SSL *a, int b), (a, b)) \
    CALL(STACK_OF(X509) *, SSL_get_peer_cert_chain, (const SSL *a), (a)) \
    CALL(long, SSL_get_verify_result, (const SSL *a), (a)) \
    CALL(SSL *, SSL_new, (SSL_CTX *a), (a)) \
    CALL(int, SSL_read_ex, (SSL *a, void *b, size_t c, size_t *d), (a, b, c, d)) \
    CALL(int, SSL_set1_host, (SSL *a, const char *b), (a, b)) \
    CALL(void, SSL_set_accept_state, (SSL *a), (a)) \
    CALL(void, SSL_set_bio, (SSL *a, BIO *b, BIO *c), (a, b, c)) \
    CALL(void, SSL_set_connect_state, (SSL *a), (a)) \
    CALL(void, SSL_set_hostflags, (SSL *a, unsigned int b), (a, b)) \
    CALL(int, SSL_shutdown, (SSL *a), (a)) \
    CALL(int, SSL_write_ex, (SSL *a, const void *b, size_t c, size_t *d), (a, b, c, d)) \
    CALL(const SSL_METHOD *, TLS_client_method, (void), ()) \
    CALL(const SSL_METHOD *, TLS_server_method, (void), ()) \
    CALL(X509_EXTENSION *, X509V3_EXT_conf_nid, \
        (LHASH_OF(CONF_VALUE) *a, X509V3_CTX *b, int c, const char *d), (a, b, c, d)) \
    CALL(void, X509V3_set_ctx, \
        (X509V3_CTX *a, X509 *b, X509 *c, X509_REQ *d, X509_CRL *e, int f), (a, b, c, d, e, f)) \
    CALL(void, X509_EXTENSION_free, (X509_EXTENSION *a), (a)) \
    CALL(int, X509_NAME_add_entry_by_txt, \
        (X509_NAME *a, const char *b, int c, const unsigned char *d, int e, int f, int g), (a, b, c, d, e, f, g)) \
    CALL(X509 *, X509_STORE_CTX_get0_cert, (const X509_STORE_CTX *a), (a)) \
    CALL(void, X509_STORE_CTX_set_error, (X509_STORE_CTX *a, int b), (a, b)) \
    CALL(int, X509_VERIFY_PARAM_set1_ip_asc, (X509_VERIFY_PARAM *a, const char *b), (a, b)) \
    CALL(int, X509_add_ext, (X509 *a, X509_EXTENSION *b, int c), (a, b, c)) \
    CALL(int, X509_digest, (const X509 *a, const EVP_MD *b, unsigned char *c, unsigned int *d), (a, b, c, d)) \
    CALL(void, X509_free, (X509 *a), (a)) \
    CALL(ASN1_INTEGER *, X509_get_serialNumber, (X509 *a), (a)) \
    CALL(X509_NAME *, X509_get_subject_name, (const X509 *a), (a)) \
    CALL(ASN1_TIME *, X509_getm_notAfter, (const X509 *a), (a)) \
    CALL(ASN1_TIME *, X509_getm_notBefore, (const X509 *a), (a)) \
    CALL(ASN1_TIME *, X509_gmtime_adj, (ASN1_TIME *a, long b), (a, b)) \
    CALL(X509 *, X509_new, (void), ()) \
    CALL(int, X509_set_issuer_name, (X509 *a, const X509_NAME *b), (a, b)) \
    CALL(int, X509_set_pubkey, (X509 *a, EVP_PKEY *b), (a, b)) \
    CALL(int, X509_set_version, (X509 *a, long b), (a, b)) \
    CALL(int, X509_sign, (X509 *a, EVP_PKEY *b, const EVP_MD *c), (a, b, c)) \
    CALL(const char *, X509_verify_cert_error_string, (long a), (a))

#define TEXT(name) #name
#define VERSIONED(name, version) name "." TEXT(version)

#define CALL(result, name, parameters, arguments) static __typeof__(name) *loaded_##name;
CALLS
#undef CALL
static __typeof__(EVP_PKEY_Q_keygen) *loaded_EVP_PKEY_Q_keygen;

static char fault[512];

static void *find(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (function == NULL && fault[0] == 0) snprintf(fault, sizeof fault, "%s", dlerror());
    return function;
}

static void load(void) {
    // It brings libcrypto with it.
    void *library = dlopen(VERSIONED("libssl.so", OPENSSL_SHLIB_VERSION), RTLD_LAZY | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(fault, sizeof fault, "%s", dlerror());
        return;
    }
#define CALL(result, name, parameters, arguments) loaded_##name = (__typeof__(name) *)find(library, #name);
    CALLS
#undef CALL
    loaded_EVP_PKEY_Q_keygen = (__typeof__(EVP_PKEY_Q_keygen) *)find(library, "EVP_PKEY_Q_keygen");
}

const char *hypi_load_openssl(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return fault[0] == 0 ? NULL : fault;
}

// The library's own calls must not come here.
#define OURS __attribute__((visibility("hidden")))
#define CALL(result, name, parameters, arguments) \
    OURS result name parameters { return loaded_##name arguments; }
CALLS
#undef CALL

// With the one argument behind the type that a key on a curve has.
OURS EVP_PKEY *EVP_PKEY_Q_keygen(OSSL_LIB_CTX *context, const char *properties, const char *type, ...) {
    va_list more;
    va_start(more, type);
    char *curve = va_arg(more, char *);
    va_end(more);
    return loaded_EVP_PKEY_Q_keygen(context, properties, type, curve);
}

#else

#include <stddef.h>

const char *hypi_load_openssl(void) {
    return NULL;
}

#endif
