/*
 * codings: content codings (RFC 9110, section 8.4) of answers: which one an answer has, and which
 * ones a caller may be given where the gateway has to read the answer, too. Pure.
 */
#pragma once

#include "base/http1.h"
#include "base/status.h"

struct buffer;

enum coding {
    CODING_IDENTITY,
    CODING_GZIP, /* x-gzip, too */
    CODING_BROTLI,
    CODING_ZSTD,
    CODING_OTHER, /* another one, or several, one upon the other */
};

/* What Content-Encoding says. */
enum coding coding_of(const struct http1_field *fields, unsigned count);

enum coding_choice {
    CODINGS_ALL,   /* what the caller sent, as it is */
    CODINGS_KNOWN, /* of that, what is listed above; '*' is written out */
    CODINGS_NONE,  /* "identity" alone */
};

/* Writes the Accept-Encoding line that goes upstream: nothing where the caller sent none;
 * "identity" where nothing of it is left, for no line at all would mean any coding. q values stay;
 * what breaks the grammar is left out. STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status codings_write_accept(const struct http1_field *fields, unsigned count,
                                          enum coding_choice choice, struct buffer *out);
