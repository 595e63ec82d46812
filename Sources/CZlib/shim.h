#ifndef HYPI_CZLIB_SHIM_H
#define HYPI_CZLIB_SHIM_H

#define ZLIB_CONST
#include <zlib.h>

// What zlib offers as macros only, and Swift cannot import.

/// Begins a raw DEFLATE stream, without the header and checksum of zlib's own format.
static inline int hypi_deflate_begin(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY);
}

/// Begins to read a raw DEFLATE stream.
static inline int hypi_inflate_begin(z_stream *stream, int window_bits) {
    return inflateInit2(stream, -window_bits);
}

#endif
