#include "limiter/redis_protocol.h"

#include <string.h>

static char *put(char *at, struct slice text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_count(char *at, char mark, size_t count)
{
    *at = mark;
    at += 1 + resp_digits(count, at + 1);
    return put(at, SLICE("\r\n"));
}

static bool room(struct resp *resp, size_t bytes)
{
    resp->full = resp->full || buffer_reserve(resp->out, bytes) != STATUS_OK;
    return !resp->full;
}

static void wrote(struct resp *resp, const char *end)
{
    buffer_commit(resp->out, (size_t)(end - buffer_tail(resp->out)));
}

void resp_begin(struct resp *resp, struct buffer *out, unsigned words)
{
    *resp = (struct resp){.out = out, .start = buffer_len(out)};
    if (room(resp, RESP_NUMBER_MAX + 3)) {
        wrote(resp, put_count(buffer_tail(out), '*', words));
    }
}

void resp_text(struct resp *resp, struct slice text)
{
    if (room(resp, text.len + RESP_NUMBER_MAX + 5)) {
        char *at = put_count(buffer_tail(resp->out), '$', text.len);
        at = put(at, text);
        wrote(resp, put(at, SLICE("\r\n")));
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

void resp_key(struct resp *resp, const char *store, const char *tenant, struct slice name,
              struct slice rest)
{
    struct slice parts[] = {SLICE("{"),
                            slice_from(store),
                            tenant == NULL ? SLICE("") : SLICE(":"),
                            slice_from(tenant),
                            SLICE("}:v1:"),
                            name,
                            rest};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        len += parts[i].len;
    }
    if (room(resp, len + RESP_NUMBER_MAX + 5)) {
        char *at = put_count(buffer_tail(resp->out), '$', len);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            at = parts[i].len == 0 ? at : put(at, parts[i]);
        }
        wrote(resp, put(at, SLICE("\r\n")));
    }
}

enum status resp_end(struct resp *resp)
{
    if (resp->full) { /* nothing stays of it */
        resp->out->end -= buffer_len(resp->out) - resp->start;
        return STATUS_TOO_LARGE;
    }
    return STATUS_OK;
}
