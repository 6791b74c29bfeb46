/*
 * Bodies: by length, in chunks, or until the connection closes (RFC 9112, 6.3 and 7.1).
 *
 * Size lines are read byte by byte through a table, so that they may be cut anywhere. Data is
 * handed on where it lies.
 */
#include "base/http1_internal.h"

#include <assert.h>

enum { MOST_SIZE_DIGITS = 16, MOST_SIZE_LINE_BYTES = 4096, MOST_TRAILER_BYTES = 8192 };

/* Where in the chunk grammar; body->state. */
enum state {
    AT_SIZE,      /* before the first digit */
    IN_SIZE,      /* behind a digit */
    AT_SEMICOLON, /* behind a blank: only an extension may follow */
    AT_NAME,      /* behind a semicolon */
    IN_NAME,
    BEHIND_NAME, /* and a blank */
    AT_VALUE,    /* behind '=' */
    IN_VALUE,
    IN_QUOTES,
    IN_ESCAPE, /* behind a backslash in quotes */
    BEHIND_QUOTES,
    AT_SIZE_LF,
    GRAMMAR_STATES, /* those above are the table's rows */
    IN_DATA = GRAMMAR_STATES,
    AT_DATA_CR,
    AT_DATA_LF,
    IN_TRAILER,
    ENDED,
    WRONG = 0xff,
};

enum kind { OTHER, HEX, TOKEN, BLANK, SEMICOLON, EQUALS, QUOTE, BACKSLASH, CR, LF, TEXT, KINDS };

/* clang-format off */
static const unsigned char next_state[GRAMMAR_STATES][KINDS] = {
#define _ WRONG
/*                  OTHER  HEX        TOKEN      BLANK         SEMICOLON  EQUALS     QUOTE          BACKSLASH  CR          LF        TEXT      */
[AT_SIZE]       = { _,     IN_SIZE,   _,         _,            _,         _,         _,             _,         _,          _,        _         },
[IN_SIZE]       = { _,     IN_SIZE,   _,         AT_SEMICOLON, AT_NAME,   _,         _,             _,         AT_SIZE_LF, _,        _         },
[AT_SEMICOLON]  = { _,     _,         _,         AT_SEMICOLON, AT_NAME,   _,         _,             _,         _,          _,        _         },
[AT_NAME]       = { _,     IN_NAME,   IN_NAME,   AT_NAME,      _,         _,         _,             _,         _,          _,        _         },
[IN_NAME]       = { _,     IN_NAME,   IN_NAME,   BEHIND_NAME,  AT_NAME,   AT_VALUE,  _,             _,         AT_SIZE_LF, _,        _         },
[BEHIND_NAME]   = { _,     _,         _,         BEHIND_NAME,  AT_NAME,   AT_VALUE,  _,             _,         _,          _,        _         },
[AT_VALUE]      = { _,     IN_VALUE,  IN_VALUE,  AT_VALUE,     _,         _,         IN_QUOTES,     _,         _,          _,        _         },
[IN_VALUE]      = { _,     IN_VALUE,  IN_VALUE,  AT_SEMICOLON, AT_NAME,   _,         _,             _,         AT_SIZE_LF, _,        _         },
[IN_QUOTES]     = { _,     IN_QUOTES, IN_QUOTES, IN_QUOTES,    IN_QUOTES, IN_QUOTES, BEHIND_QUOTES, IN_ESCAPE, _,          _,        IN_QUOTES },
[IN_ESCAPE]     = { _,     IN_QUOTES, IN_QUOTES, IN_QUOTES,    IN_QUOTES, IN_QUOTES, IN_QUOTES,     IN_QUOTES, _,          _,        IN_QUOTES },
[BEHIND_QUOTES] = { _,     _,         _,         AT_SEMICOLON, AT_NAME,   _,         _,             _,         AT_SIZE_LF, _,        _         },
[AT_SIZE_LF]    = { _,     _,         _,         _,            _,         _,         _,             _,         _,          IN_DATA,  _         },
#undef _
};
/* clang-format on */

static enum kind kind_of(char byte)
{
    switch (byte) {
    case ' ':
    case '\t':
        return BLANK;
    case ';':
        return SEMICOLON;
    case '=':
        return EQUALS;
    case '"':
        return QUOTE;
    case '\\':
        return BACKSLASH;
    case '\r':
        return CR;
    case '\n':
        return LF;
    default:
        break;
    }
    if (http1_is(byte, HTTP1_HEX_BYTE)) {
        return HEX;
    }
    if (http1_is(byte, HTTP1_TOKEN_BYTE)) {
        return TOKEN;
    }
    return http1_is(byte, HTTP1_VALUE_BYTE) ? TEXT : OTHER;
}

void http1_body_init(struct http1_body *body, enum http1_framing framing, uint64_t content_length)
{
    *body = (struct http1_body){.framing = framing, .state = AT_SIZE};
    if (framing == HTTP1_LENGTH) {
        body->left = content_length;
    }
}

bool http1_body_ended(const struct http1_body *body)
{
    switch (body->framing) {
    case HTTP1_NO_BODY:
        return true;
    case HTTP1_LENGTH:
        return body->left == 0;
    case HTTP1_CHUNKED:
        return body->state == ENDED;
    case HTTP1_UNTIL_CLOSE:
        return false;
    }
    return false;
}

static enum http1_piece bad_piece(struct http1_fault *fault, const char *reason)
{
    (void)http1_refuse(fault, 400, reason);
    return HTTP1_PIECE_BAD;
}

/* Takes the size line's next byte. Returns NULL, or what is wrong. */
static const char *take_size_byte(struct http1_body *body, char byte)
{
    enum kind kind = kind_of(byte);
    unsigned char next = next_state[body->state][kind];
    if (next == WRONG) {
        return "a chunk's size line is malformed";
    }
    if (next == IN_SIZE) {
        if (body->line_bytes == MOST_SIZE_DIGITS || body->left > (uint64_t)INT64_MAX >> 4) {
            return "a chunk's size is out of range";
        }
        body->left = body->left << 4 | ascii_hex_value(byte);
    }
    if (++body->line_bytes > MOST_SIZE_LINE_BYTES) {
        return "a chunk's extensions are too long";
    }
    body->state = next;
    if (next == IN_DATA) {
        body->line_bytes = 0;
        if (body->left == 0) {
            body->state = IN_TRAILER;
        }
    }
    return NULL;
}

/* Up to where data or trailers begin. Returns how many bytes were taken, or sets *ret_wrong. */
static size_t take_framing(struct http1_body *body, struct slice bytes, const char **ret_wrong)
{
    size_t used = 0;
    while (used < bytes.len && body->state != IN_DATA && body->state != IN_TRAILER) {
        char byte = bytes.ptr[used];
        if (body->state == AT_DATA_CR || body->state == AT_DATA_LF) {
            if (byte != (body->state == AT_DATA_CR ? '\r' : '\n')) {
                *ret_wrong = "a chunk's data is not followed by CR LF";
                return used;
            }
            body->state = body->state == AT_DATA_CR ? AT_DATA_LF : AT_SIZE;
        } else if ((*ret_wrong = take_size_byte(body, byte)) != NULL) {
            return used;
        }
        used++;
    }
    return used;
}

/* Fields that would change the framing, the routing, the sender or the reading of what is already
 * under way have no place behind the body (RFC 9110, 6.5.1). */
static bool allowed_in_trailer(const struct http1_field *field)
{
    static const struct slice others[] = {
        SLICE_INIT("set-cookie"), SLICE_INIT("content-range"), SLICE_INIT("max-forwards"),
        SLICE_INIT("range"),      SLICE_INIT("cache-control"),
    };
    if (field->id == HTTP1_LINK || field->id == HTTP1_DATE) {
        return true;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (slice_equal_nocase(field->name, others[i])) {
            return false;
        }
    }
    return field->id == HTTP1_OTHER;
}

/* Trailers being read. */
struct trailers {
    struct http1_head head; /* first: see take_trailer_field() */
    struct http1_body *body;
    const char *start;
};

static enum http1_result take_trailer_field(struct http1_head *head,
                                            const struct http1_field *field)
{
    struct trailers *trailers = (struct trailers *)head; /* of which it is the first member */
    if (!allowed_in_trailer(field)) {
        return http1_refuse(head->fault, 400, "a field that may not be a trailer follows the body");
    }
    trailers->body->line_bytes = (unsigned)(head->at - trailers->start);
    head->field_count = 0; /* one place is enough */
    return HTTP1_DONE;
}

/* `bytes` begins with the trailers: whatever stands before them is consumed by this call, they are
 * not, until all are there. body->line_bytes are those of the lines that an earlier call has read.
 */
static enum http1_piece take_trailers(struct http1_body *body, struct slice bytes, size_t *ret_used,
                                      struct slice *ret_data, struct http1_fault *fault)
{
    struct http1_field field;
    bool limited = bytes.len >= MOST_TRAILER_BYTES;
    struct trailers trailers = {
        .head = {.at = bytes.ptr + body->line_bytes,
                 .end = bytes.ptr + (limited ? MOST_TRAILER_BYTES : bytes.len),
                 .fault = fault,
                 .fields = &field,
                 .field_max = 1},
        .body = body,
        .start = bytes.ptr,
    };
    switch (http1_read_fields(&trailers.head, take_trailer_field)) {
    case HTTP1_DONE:
        *ret_data = slice_make(bytes.ptr, body->line_bytes);
        *ret_used += (size_t)(trailers.head.at - bytes.ptr);
        body->state = ENDED;
        return HTTP1_PIECE_END;
    case HTTP1_PARTIAL:
        return limited ? bad_piece(fault, "the trailers are too long") : HTTP1_PIECE_MORE;
    case HTTP1_BAD:
        return HTTP1_PIECE_BAD;
    }
    return HTTP1_PIECE_BAD;
}

/* As many bytes as there are of those that are left, from the front of `bytes` on. */
static enum http1_piece take_data(struct http1_body *body, struct slice bytes, size_t *ret_used,
                                  struct slice *ret_data)
{
    if (bytes.len == 0) {
        return HTTP1_PIECE_MORE;
    }
    size_t len = bytes.len;
    if (body->framing != HTTP1_UNTIL_CLOSE) {
        len = body->left < len ? (size_t)body->left : len;
        body->left -= len;
    }
    body->total += len;
    *ret_data = slice_make(bytes.ptr, len);
    *ret_used += len;
    return HTTP1_PIECE_DATA;
}

static enum http1_piece take_chunked(struct http1_body *body, struct slice bytes, size_t *ret_used,
                                     struct slice *ret_data, struct http1_fault *fault)
{
    const char *wrong = NULL;
    size_t used = take_framing(body, bytes, &wrong);
    *ret_used = used;
    if (wrong != NULL) {
        return bad_piece(fault, wrong);
    }
    bytes = slice_skip(bytes, used);
    if (body->state == IN_TRAILER) {
        return take_trailers(body, bytes, ret_used, ret_data, fault);
    }
    if (body->state != IN_DATA) {
        return HTTP1_PIECE_MORE;
    }
    enum http1_piece piece = take_data(body, bytes, ret_used, ret_data);
    if (body->left == 0) {
        body->state = AT_DATA_CR;
    }
    return piece;
}

enum http1_piece http1_body_next(struct http1_body *body, struct slice bytes, size_t *ret_used,
                                 struct slice *ret_data, struct http1_fault *fault)
{
    *ret_used = 0;
    *ret_data = slice_make(bytes.ptr, 0);
    if (http1_body_ended(body)) {
        return HTTP1_PIECE_END;
    }
    return body->framing == HTTP1_CHUNKED ? take_chunked(body, bytes, ret_used, ret_data, fault)
                                          : take_data(body, bytes, ret_used, ret_data);
}

size_t http1_write_chunk_head(char out[HTTP1_CHUNK_HEAD_BYTES], size_t len)
{
    assert(len > 0);
    size_t digits = 0;
    for (size_t rest = len; rest > 0; rest >>= 4) {
        digits++;
    }
    for (size_t i = digits; i > 0; i--, len >>= 4) {
        out[i - 1] = "0123456789abcdef"[len & 15];
    }
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
