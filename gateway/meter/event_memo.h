/*
 * event_memo: the events of a stream mostly begin alike, up to the text that each brings. What
 * reading that begin comes to is remembered, so that the next event is read from there: reading
 * depends on the bytes alone, and may be cut anywhere.
 */
#pragma once

#include "gateway/meter/answer_event.h"

enum {
    EVENT_MEMO_MAX = 384, /* bytes of a begin that are remembered */
    EVENT_MEMO_MIN = 32,  /* a shorter one is not worth it */
    EVENT_MEMO_MORE = 8,  /* so much more is worth to begin anew, */
    EVENT_MEMO_TIMES = 4, /* so often: it may be the text that was the same by chance */
};

struct event_memo {
    uint16_t head_len; /* of the event before, as far as it is known */
    uint16_t len;      /* of its begin, that has been read; 0: none */
    uint8_t extended;  /* so often */
    char head[EVENT_MEMO_MAX];
    struct answer_event after; /* an event of which head[0..len) was read */
};

/* Freed with memory_free(). */
struct event_memo *event_memo_new(void);

/* At the first bytes of an event, which is as answer_event_init() left it, at the same address as
 * all that came before. Reads the begin that is known, or may come again. Returns how many bytes;
 * the rest is for answer_event_read(). */
size_t event_memo_read(struct event_memo *memo, struct answer_event *event, struct slice data);
