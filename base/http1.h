/*
 * http1: a strict HTTP/1.1 codec for both directions: heads, body framing, chunks, trailers.
 *
 * Pure: bytes in, slices out, no allocation, no I/O, no clock. One pass over a head. What it
 * accepts has one meaning only (RFC 9110, RFC 9112); anything else is a fault with the status to
 * answer. Slices point into the caller's bytes and live as long as those.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum http1_result {
    HTTP1_DONE,    /* whole and valid */
    HTTP1_PARTIAL, /* valid so far, call again with more bytes behind the same ones */
    HTTP1_BAD,     /* the fault says why; the connection is of no use any more */
};

/* Why something was refused. */
struct http1_fault {
    unsigned status;    /* requests: what to answer: 400, 414, 417, 431, 501 or 505; heads of
                           answers: 502; bodies of both: 400 */
    const char *reason; /* static; a short sentence for the caller and the log */
};

struct http1_limits {
    size_t head_bytes;    /* start line, fields and the empty line: 431 */
    size_t uri_bytes;     /* request target: 414 */
    unsigned field_count; /* 431; never above the size of the caller's array */
};

/* Names that the codec or the gateway must know; the rest is HTTP1_OTHER. */
enum http1_name {
    HTTP1_OTHER,
    HTTP1_HOST,
    HTTP1_CONNECTION,
    HTTP1_CONTENT_LENGTH,
    HTTP1_TRANSFER_ENCODING,
    HTTP1_TE,
    HTTP1_TRAILER,
    HTTP1_UPGRADE,
    HTTP1_EXPECT,
    HTTP1_KEEP_ALIVE,
    HTTP1_PROXY_CONNECTION,
    HTTP1_PROXY_AUTHORIZATION,
    HTTP1_PROXY_AUTHENTICATE,
    HTTP1_ACCEPT_ENCODING,
    HTTP1_CONTENT_ENCODING,
    HTTP1_CONTENT_TYPE,
    HTTP1_AUTHORIZATION,
    HTTP1_COOKIE,
    HTTP1_LOCATION,
    HTTP1_LINK,
    HTTP1_DATE,
    HTTP1_NAMES /* not a name; keep last */
};

struct http1_field {
    struct slice name;  /* as sent */
    struct slice value; /* without surrounding blanks */
    uint32_t hash;      /* http1_name_hash(name) */
    enum http1_name id : 8;
    bool connection_option : 1; /* named by the Connection field: hop-by-hop */
};

/* Does it say that the content is encoded, as by gzip? */
static inline bool http1_field_encodes(const struct http1_field *field)
{
    return field->id == HTTP1_CONTENT_ENCODING && field->value.len > 0 &&
           !slice_equal_nocase(field->value, SLICE("identity"));
}

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH, /* content_length bytes, > 0 */
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE, /* answers only */
};

enum http1_method {
    HTTP1_METHOD_OTHER, /* any other token, taken as it is */
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_PATCH,
    HTTP1_OPTIONS,
    HTTP1_CONNECT, /* parsed, so that it can be refused with 501 */
    HTTP1_TRACE,
};

struct http1_request {
    struct slice method_text;
    enum http1_method method;
    struct slice target;        /* as sent */
    struct slice path;          /* with the query, from the first '/'; "*" for OPTIONS *. Where an
                                   absolute-form target has none: "/", static */
    struct slice host;          /* of the absolute-form target, else of Host; checked syntax;
                                   empty only in HTTP/1.0 without one. May carry ":port" */
    unsigned minor;             /* 0 or 1 */
    enum http1_framing framing; /* HTTP1_NO_BODY, HTTP1_LENGTH or HTTP1_CHUNKED */
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;       /* never without a body, nor in HTTP/1.0 */
    bool upgrade;               /* to other than h2c; ignored in HTTP/1.0 */
    bool te_trailers;           /* TE: trailers */
    size_t head_len;            /* bytes up to and with the empty line */
    struct http1_field *fields; /* borrowed: the caller's array */
    unsigned field_count;
};

struct http1_response {
    unsigned status; /* 100..599 */
    unsigned minor;
    struct slice reason; /* may be empty */
    enum http1_framing framing;
    uint64_t content_length; /* also of an answer to HEAD; then framing is HTTP1_NO_BODY */
    bool has_content_length;
    bool keep_alive;
    size_t head_len;
    struct http1_field *fields; /* borrowed: the caller's array */
    unsigned field_count;
};

/* Is it worth reading a head again that was HTTP1_PARTIAL when only the first `seen` bytes were
 * there? A head that comes in very small pieces would otherwise be read once for each of them. */
static inline bool http1_head_grew(struct slice bytes, size_t seen,
                                   const struct http1_limits *limits)
{
    struct slice fresh = slice_skip(bytes, seen);
    return bytes.len >= limits->head_bytes || slice_find(fresh, '\n') < fresh.len;
}

/* Reads a request's head from the front of `bytes`. Before the first byte of a head, at most one
 * empty line is skipped (and counted in head_len). request->fields must point to an array of
 * limits->field_count. Faults: 400 syntax, framing, Host, version; 414; 417 an Expect other than
 * 100-continue; 431; 501 a transfer coding other than chunked, CONNECT; 505 another version. When
 * it is not done, what was read so far (method, target) is set, the rest is empty. Content-Length
 * may have leading zeros: write the number on, not the field. */
enum http1_result http1_read_request(struct slice bytes, const struct http1_limits *limits,
                                     struct http1_request *request, struct http1_fault *fault);

/* Reads an answer's head. `asked` decides the framing (HEAD). A 1xx is an answer of its own,
 * without body; 101 is a fault, for nothing asked for it. */
enum http1_result http1_read_response(struct slice bytes, const struct http1_limits *limits,
                                      enum http1_method asked, struct http1_response *response,
                                      struct http1_fault *fault);

/* Of the name in lower case, as http1_field.hash. Not seeded: compare the bytes as well. */
uint32_t http1_name_hash(struct slice name);
/* Is it called so, in any case? `hash`: http1_name_hash(name), made once. */
static inline bool http1_field_is(const struct http1_field *field, struct slice name, uint32_t hash)
{
    return field->hash == hash && slice_equal_nocase(field->name, name);
}
enum http1_name http1_name_find(struct slice name);

/* NULL if absent; the first one otherwise. `name` in any case. */
const struct http1_field *http1_find_field(const struct http1_field *fields, unsigned count,
                                           struct slice name);

/* Syntax checks, also for what configuration supplies. */
bool http1_valid_token(struct slice text);       /* method, field name */
bool http1_valid_field_value(struct slice text); /* no control characters, no CR LF NUL */
bool http1_valid_host(struct slice text);        /* name, IPv4 or [IPv6], with or without ":port" */

/* A body being read. */
struct http1_body {
    enum http1_framing framing;
    uint64_t left;       /* of the length or of the current chunk */
    uint64_t total;      /* decoded bytes so far */
    unsigned state;      /* of the chunk grammar */
    unsigned line_bytes; /* of the current size line or of all trailers so far */
};

enum http1_piece {
    HTTP1_PIECE_DATA, /* *ret_data are body bytes, somewhere within the *ret_used bytes; consume
                         those, then call again */
    HTTP1_PIECE_MORE, /* consume *ret_used, then call again with more bytes */
    HTTP1_PIECE_END,  /* the body is over; consume *ret_used; *ret_data is the raw trailer section,
                         checked, without its last empty line: "name: value\r\n"... or empty */
    HTTP1_PIECE_BAD,
};

void http1_body_init(struct http1_body *body, enum http1_framing framing, uint64_t content_length);

/* Takes the next piece from the front of `bytes`. Chunk extensions are skipped (4 KiB at most a
 * chunk); a trailer section must fit into 8 KiB and is only consumed as a whole: until
 * it is there, the same bytes come again with more behind them. Sizes end at INT64_MAX. With
 * HTTP1_UNTIL_CLOSE the caller knows the end itself. Never consumes beyond the body's end. */
enum http1_piece http1_body_next(struct http1_body *body, struct slice bytes, size_t *ret_used,
                                 struct slice *ret_data, struct http1_fault *fault);

/* Is the body over already, without another byte (no body, or all of the length was seen)? */
bool http1_body_ended(const struct http1_body *body);

enum { HTTP1_CHUNK_HEAD_BYTES = 18 };

/* Writes "SIZE\r\n" for a chunk of `len` > 0 bytes; returns its length. "\r\n" follows the data;
 * "0\r\n\r\n" ends the body. */
size_t http1_write_chunk_head(char out[HTTP1_CHUNK_HEAD_BYTES], size_t len);
