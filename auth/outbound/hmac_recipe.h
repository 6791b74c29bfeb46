/*
 * hmac_recipe: how an API wants its requests signed whose scheme is an HMAC over some parts of the
 * request: a text with placeholders, and the headers that carry the signature.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

enum hmac_hash { HMAC_SHA256, HMAC_SHA512 };
enum hmac_encoding { HMAC_HEX, HMAC_BASE64 };                        /* of the signature */
enum hmac_key_form { HMAC_KEY_TEXT, HMAC_KEY_BASE64, HMAC_KEY_HEX }; /* of the secret */
enum hmac_clock { HMAC_SECONDS, HMAC_MILLISECONDS, HMAC_ISO_8601 };  /* of {timestamp} */

struct hmac_header {
    struct slice name, value; /* value: with {signature}, {timestamp} and {user} */
};

enum { HMAC_HEADERS_MAX = 8 };

struct hmac_recipe {
    /* With {method}, {target}, {path}, {query} (without '?'), {host}, {body}, {body_sha256},
     * {body_sha512} (both hex), {timestamp} and {user}; a backslash with n behind it is a line
     * break. */
    struct slice message;
    enum hmac_hash hash;
    enum hmac_encoding encoding;
    enum hmac_key_form key_form;
    enum hmac_clock clock;
    struct hmac_header headers[HMAC_HEADERS_MAX];
    unsigned header_count;
    bool reads_body;
};

/* Are all placeholders known? Of a message, or of a header's value. Sets *ret_reads_body, if it is
 * not NULL. */
enum hmac_text { HMAC_MESSAGE, HMAC_VALUE };
MUST_USE enum status hmac_recipe_check(struct slice text, enum hmac_text kind, bool *ret_reads_body,
                                       struct error *err);
