/*
 * encode: bytes as text and back. Writers need the room they state; readers refuse what is not
 * canonical.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* 2 × len characters, lower case, no NUL. */
void encode_hex(struct slice bytes, char *out);
MUST_USE enum status decode_hex(struct slice text, unsigned char *out); /* text.len / 2 bytes */

/* Padded, standard alphabet; returns the length: 4 × ceil(len / 3). */
size_t encode_base64(struct slice bytes, char *out);
/* Standard alphabet, padding required; *ret_len <= text.len / 4 × 3. */
MUST_USE enum status decode_base64(struct slice text, unsigned char *out, size_t *ret_len);

/* `count` base62 digits (0-9A-Za-z) of `value`, most significant first. */
void encode_base62(uint64_t value, char *out, size_t count);
bool is_base62(char byte);

/* IEEE 802.3, as zlib's. */
uint32_t crc32_of(struct slice bytes);

/* RFC 3986 unreserved characters stay. */
MUST_USE enum status encode_percent(struct slice bytes, struct buffer *out);
/* At most text.len bytes; '+' stays. A '%' without two hex digits is refused. */
MUST_USE enum status decode_percent(struct slice text, char *out, size_t *ret_len);
/* JSON string contents, without the quotes; invalid UTF-8 becomes U+FFFD. */
MUST_USE enum status encode_json(struct slice text, struct buffer *out);
/* The same with the quotes. */
MUST_USE enum status encode_json_string(struct slice text, struct buffer *out);
