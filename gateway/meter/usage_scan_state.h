/*
 * usage_scan_state: what usage_scan.c finds, and stream_end.c needs.
 */
#pragma once

#include "gateway/meter/amazon_stream.h"
#include "gateway/meter/answer_event.h"
#include "gateway/meter/event_memo.h"
#include "gateway/meter/event_stream.h"
#include "gateway/meter/usage_scan.h"

struct usage_scan {
    const struct usage_table *table; /* borrowed */
    enum usage_dialect dialect;      /* of it */
    enum scanned_body body;
    struct event_stream stream;  /* SCAN_EVENTS */
    struct amazon_stream amazon; /* SCAN_AMAZON */
    bool in_event;               /* some of its data was read */
    struct event_memo *memo;     /* owned; NULL until the first event */
    struct answer_identity identity;
    bool begun;     /* there was a byte */
    bool uncovered; /* the last event told of more output than was covered */
    bool opened;    /* there was an event; Anthropic: message_start */
    bool ended;
    /* Of the events so far. */
    uint64_t text_bytes;
    bool usage_broken; /* one of the figures was */
    bool usage_event;  /* OpenAI chat: a chunk of usage alone was there */
    /* From here on not zeroed when it is made. */
    struct answer_event event;    /* the one that is being read; SCAN_JSON: the whole body */
    struct usage_figures figures; /* told last; where the table merges, the last of each */
    struct usage_figures known;   /* before the answer's body; see usage_scan_note() */
};
