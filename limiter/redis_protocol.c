#include "limiter/redis_protocol.h"

#include <string.h>

enum { FRAME_MAX = RESP_NUMBER_MAX + 5 }; /* "$number\r\n" and "\r\n" */

static size_t count_digits(uint64_t number)
{
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    /* 1233/4096 is log10(2); too much by one at most. */
    size_t guess = (size_t)(64 - __builtin_clzll(number | 1)) * 1233 >> 12;
    return guess + 1 - ((number | 1) < powers[guess]);
}

/* 00 to 99. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

size_t resp_digits(uint64_t number, char out[RESP_NUMBER_MAX])
{
    size_t count = count_digits(number);
    char *at = out + count;
    while (number >= 10) {
        at -= 2;
        memcpy(at, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (at > out) {
        *out = (char)('0' + number);
    }
    return count;
}

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
    if (count < 10) {
        *at++ = (char)('0' + count);
    } else if (count < 100) {
        memcpy(at, pairs + count * 2, 2);
        at += 2;
    } else {
        at += resp_digits(count, at);
    }
    return put_line_end(at);
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

void resp_text(struct resp *resp, struct slice text)
{
    if (room(resp, text.len + FRAME_MAX)) {
        char *at = put_count(resp->at, '$', text.len);
        resp->at = put_line_end(put(at, text));
    }
}

void resp_number(struct resp *resp, int64_t number)
{
    char text[RESP_NUMBER_MAX + 1];
    size_t len = 0;
    if (number < 0) {
        text[len++] = '-';
    }
    len += resp_digits(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, text + len);
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

enum status resp_end(struct resp *resp)
{
    if (resp->full) { /* nothing stays of it */
        resp->out->end -= buffer_len(resp->out) - resp->start;
        return STATUS_TOO_LARGE;
    }
    buffer_commit(resp->out, (size_t)(resp->at - buffer_tail(resp->out)));
    return STATUS_OK;
}
