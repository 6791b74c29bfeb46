#include "limiter/redis_protocol.h"

#include "base/digits.h"

#include <string.h>

enum { FRAME_MAX = DIGITS_MAX + 5 }; /* "$number\r\n" and "\r\n" */

static char *put(char *at, struct slice text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_line_end(char *at)
{
    memcpy(at, "\r\n", 2);
    return at + 2;
}

static char *put_count(char *at, char mark, size_t count)
{
    *at++ = mark;
    return put_line_end(at + digits_write(count, at));
}

static bool grow(struct resp *resp, size_t bytes)
{
    struct buffer *out = resp->out;
    if (resp->at != NULL) {
        buffer_commit(out, (size_t)(resp->at - buffer_tail(out)));
    }
    resp->full = resp->full || buffer_reserve(out, bytes) != STATUS_OK;
    if (resp->full) {
        resp->at = NULL;
        resp->edge = NULL;
        return false;
    }
    size_t most =
        buffer_tail_room(out) < buffer_room(out) ? buffer_tail_room(out) : buffer_room(out);
    resp->at = buffer_tail(out);
    resp->edge = resp->at + most;
    return true;
}

static inline bool room(struct resp *resp, size_t bytes)
{
    return (size_t)(resp->edge - resp->at) >= bytes || grow(resp, bytes);
}

void resp_begin(struct resp *resp, struct buffer *out, unsigned words)
{
    *resp = (struct resp){.out = out, .start = buffer_len(out)};
    if (room(resp, FRAME_MAX)) {
        resp->at = put_count(resp->at, '*', words);
    }
}

void resp_begin_script(struct resp *resp, struct buffer *out, unsigned words, const char *hash)
{
    static const char name[] = "$7\r\nEVALSHA\r\n$40\r\n";
    enum { NAME_LEN = sizeof(name) - 1, HASH_LEN = 2 * SHA1_BYTES };
    resp_begin(resp, out, words);
    if (room(resp, NAME_LEN + HASH_LEN + 2)) {
        memcpy(resp->at, name, NAME_LEN);
        memcpy(resp->at + NAME_LEN, hash, HASH_LEN);
        resp->at = put_line_end(resp->at + NAME_LEN + HASH_LEN);
    }
}

void resp_text(struct resp *resp, struct slice text)
{
    if (room(resp, text.len + FRAME_MAX)) {
        char *at = put_count(resp->at, '$', text.len);
        resp->at = put_line_end(put(at, text));
    }
}

void resp_number(struct resp *resp, int64_t number)
{
    char text[DIGITS_MAX + 1];
    size_t len = 0;
    if (number < 0) {
        text[len++] = '-';
    }
    len += digits_write(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, text + len);
    resp_text(resp, slice_make(text, len));
}

void resp_key(struct resp *resp, struct slice store, struct slice tenant, struct slice name,
              struct slice rest)
{
    static const struct slice version = SLICE_INIT("}:v2:");
    size_t tenant_len = tenant.len == 0 ? 0 : tenant.len + 1;
    size_t len = 1 + store.len + tenant_len + version.len + name.len + rest.len;
    if (!room(resp, len + FRAME_MAX)) {
        return;
    }
    char *at = put_count(resp->at, '$', len);
    *at++ = '{';
    at = put(at, store);
    if (tenant.len > 0) {
        *at++ = ':';
        at = put(at, tenant);
    }
    at = put(put(at, version), name);
    at = rest.len == 0 ? at : put(at, rest);
    resp->at = put_line_end(at);
}

void resp_words(struct resp *resp, struct slice words)
{
    if (room(resp, words.len)) {
        resp->at = put(resp->at, words);
    }
}

enum status resp_end(struct resp *resp)
{
    if (resp->full) { /* nothing stays of it */
        resp->out->end -= buffer_len(resp->out) - resp->start;
        return STATUS_TOO_LARGE;
    }
    buffer_commit(resp->out, (size_t)(resp->at - buffer_tail(resp->out)));
    return STATUS_OK;
}
