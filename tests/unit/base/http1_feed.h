/*
 * http1_feed: reads a head the way connections bring it: whole, and byte by byte.
 *
 * Every prefix lies in memory of its own size, so that a sanitizer sees a read behind its end.
 */
#pragma once

#include "base/http1.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { FEED_FIELDS = 16 };

static const struct http1_limits feed_limits = {
    .head_bytes = 2048, .uri_bytes = 128, .field_count = FEED_FIELDS};

/* What one reading of a head said. */
struct feed {
    enum http1_result result;
    struct http1_fault fault;
    size_t head_len;
    char meaning[512]; /* if it is done */
};

typedef void feed_reader(struct slice bytes, struct feed *ret_feed);

/* The bytes as C would write them, for messages. */
static inline const char *feed_show(struct slice bytes)
{
    static char text[8192];
    size_t len = 0;
    for (size_t i = 0; i < bytes.len && len + 5 < sizeof(text); i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        bool plain = byte >= 0x20 && byte < 0x7f;
        len += (size_t)snprintf(text + len, sizeof(text) - len, plain ? "%c" : "\\x%02x", byte);
    }
    text[len] = '\0';
    return text;
}

static inline void feed_copy(feed_reader *reader, struct slice bytes, struct feed *ret_feed)
{
    char *copy = memory_resize(NULL, bytes.len == 0 ? 1 : bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    reader(slice_make(copy, bytes.len), ret_feed);
    memory_free(copy);
}

/* The head has this meaning, and nothing is said before its last byte was there. */
static inline void feed_expect_meaning(feed_reader *reader, struct slice bytes, const char *meaning)
{
    struct feed feed;
    feed_copy(reader, bytes, &feed);
    cr_assert_eq(feed.result, HTTP1_DONE, "%s: refused: %s", feed_show(bytes), feed.fault.reason);
    cr_expect_str_eq(feed.meaning, meaning, "%s: means '%s', not '%s'", feed_show(bytes),
                     feed.meaning, meaning);
    size_t head_len = feed.head_len;
    for (size_t len = 0; len < head_len; len++) {
        feed_copy(reader, slice_make(bytes.ptr, len), &feed);
        cr_assert_eq(feed.result, HTTP1_PARTIAL, "%s: not partial at %zu", feed_show(bytes), len);
    }
}

/* The head is refused with this status, and once it is, further bytes change nothing. */
static inline void feed_expect_refusal(feed_reader *reader, struct slice bytes, unsigned status)
{
    struct feed feed;
    feed_copy(reader, bytes, &feed);
    cr_assert_eq(feed.result, HTTP1_BAD, "%s: not refused", feed_show(bytes));
    cr_expect_eq(feed.fault.status, status, "%s: refused with %u, not %u: %s", feed_show(bytes),
                 feed.fault.status, status, feed.fault.reason);
    cr_expect_neq(feed.fault.reason[0], '\0');
    bool refused = false;
    for (size_t len = 0; len < bytes.len; len++) {
        feed_copy(reader, slice_make(bytes.ptr, len), &feed);
        cr_assert_neq(feed.result, HTTP1_DONE, "%s: done at %zu", feed_show(bytes), len);
        cr_assert(!refused || feed.result == HTTP1_BAD, "%s: recovers at %zu", feed_show(bytes),
                  len);
        refused = feed.result == HTTP1_BAD;
        cr_assert(!refused || feed.fault.status == status, "%s: another status at %zu",
                  feed_show(bytes), len);
    }
}

static inline const char *feed_framing(enum http1_framing framing)
{
    static const char *const names[] = {
        [HTTP1_NO_BODY] = "none",
        [HTTP1_LENGTH] = "length",
        [HTTP1_CHUNKED] = "chunked",
        [HTTP1_UNTIL_CLOSE] = "until-close",
    };
    return names[framing];
}

/* "METHOD PATH host=HOST 1.MINOR FRAMING [LENGTH] keep|close [continue] [upgrade] [trailers]
 * fields=COUNT [-NAME...]", with the names that Connection fields named. */
static inline void feed_request(struct slice bytes, struct feed *ret_feed)
{
    struct http1_field fields[FEED_FIELDS];
    struct http1_request request = {.fields = fields};
    ret_feed->result = http1_read_request(bytes, &feed_limits, &request, &ret_feed->fault);
    if (ret_feed->result != HTTP1_DONE) {
        return;
    }
    ret_feed->head_len = request.head_len;
    char length[32] = "";
    if (request.content_length > 0) {
        (void)snprintf(length, sizeof(length), " %llu", (unsigned long long)request.content_length);
    }
    int len =
        snprintf(ret_feed->meaning, sizeof(ret_feed->meaning),
                 "%.*s %.*s host=%.*s 1.%u %s%s %s%s%s%s fields=%u", SLICE_ARG(request.method_text),
                 SLICE_ARG(request.path), SLICE_ARG(request.host), request.minor,
                 feed_framing(request.framing), length, request.keep_alive ? "keep" : "close",
                 request.expect_continue ? " continue" : "", request.upgrade ? " upgrade" : "",
                 request.te_trailers ? " trailers" : "", request.field_count);
    for (unsigned i = 0; i < request.field_count; i++) {
        if (fields[i].connection_option) {
            len += snprintf(ret_feed->meaning + len, sizeof(ret_feed->meaning) - (size_t)len,
                            " -%.*s", SLICE_ARG(fields[i].name));
        }
    }
}
