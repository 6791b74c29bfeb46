/*
 * event_drop: takes OpenAI's event of usage alone out of an event stream, for a caller that did not
 * ask for it: "choices" is an empty list in it, "usage" an object. All else goes as it came, split
 * anywhere.
 *
 * What may be such an event is held until it can be told, other events no longer than their
 * beginning. One that is longer than EVENT_DROP_HELD before it can be told goes.
 */
#pragma once

#include "base/buffer.h"
#include "base/json_scan.h"
#include "base/slice.h"
#include "gateway/meter/event_stream.h"

#include <stdbool.h>
#include <stdint.h>

enum { EVENT_DROP_HELD = 64 * 1024 };

/* For event_drop.c alone. */
struct event_drop {
    struct event_stream stream;
    uint8_t mark_len; /* of a byte order mark, or where it cannot be any more, all of it */
    bool in_comment;  /* between two events */
    bool after_cr;    /* the last byte read was one */
    bool dropped;     /* the last event was that one */

    struct buffer held; /* owned; of the event at hand, what came in the pieces before */
    bool given;         /* it went with the last call */
    size_t scanned;     /* bytes at the front of the data that were read, and may go */

    /* Of the event at hand. */
    size_t len;          /* so far */
    bool goes;           /* it is another */
    uint8_t member;      /* at its top, the last one */
    bool without_choice; /* "choices" is an empty list */
    bool has_usage;      /* "usage" is an object, or begins as one */
    struct json_scan json;
};

struct event_drop *event_drop_new(void);
void event_drop_free(struct event_drop *drop); /* takes NULL */

/* Reads from the front of *data, and takes off what is settled, or held. True: *ret_piece may go,
 * until the next call it lies in *data or in `drop`; call again with what is left, empty or not.
 * False: all was read. Of events that go there is one piece for as many as *data has. */
bool event_drop_next(struct event_drop *drop, struct slice *data, struct slice *ret_piece);

/* No more comes: what of the held bytes may go; empty where they are that event, or its beginning,
 * as far as can be told. */
struct slice event_drop_end(struct event_drop *drop);
