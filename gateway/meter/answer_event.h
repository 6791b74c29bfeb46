/*
 * answer_event: one JSON value of an answer, the data of an event or a whole body, read while it
 * comes: the usage that it tells, how much generated text is in it, and what is needed to end the
 * stream.
 */
#pragma once

#include "base/json_scan.h"
#include "gateway/meter/answer_grammar.h"
#include "gateway/meter/figure_scan.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ANSWER_DEPTH = 16,    /* what lies deeper does not count */
    ANSWER_HEAD = 6,      /* "[DONE]" */
    ANSWER_INDEXES = 256, /* of choices and blocks that are known one by one */
    ANSWER_KEPT = 128,    /* bytes of an id or a model's name */
};

/* The kinds of events that mean something of themselves. */
enum answer_type {
    ANSWER_TYPE_NONE, /* not told */
    ANSWER_TYPE_OTHER,
    ANSWER_TYPE_MESSAGE_START,
    ANSWER_TYPE_BLOCK_START,
    ANSWER_TYPE_BLOCK_STOP,
    ANSWER_TYPE_LAST, /* message_stop, response.completed and its like */
};

struct answer_text {
    uint8_t len;
    char bytes[ANSWER_KEPT];
};

struct answer_indexes {
    uint64_t words[ANSWER_INDEXES / 64];
};

/* Who the answer says it is; kept from event to event. */
struct answer_identity {
    struct answer_text id; /* the first that was told; empty: none, or too long */
    struct answer_text model;
    bool has_created;
    uint64_t created;
    bool is_text_completion; /* OpenAI's legacy completions */
    bool has_sequence;
    uint64_t sequence;
    struct answer_indexes begun; /* choices or blocks */
    struct answer_indexes ended; /* of these */
    bool stop_told;              /* why the message stopped */
};

struct answer_event {
    const struct answer_grammar *grammar;
    struct answer_identity *identity; /* borrowed */
    struct object_scan *objects;      /* borrowed; is told what comes, too; NULL: there is none */
    struct json_scan json;
    bool invalid;               /* not JSON: the rest was not looked at */
    bool named;                 /* the value that comes is a member's, and is: */
    uint8_t member;             /* enum answer_part */
    uint8_t path[ANSWER_DEPTH]; /* enum answer_part of the arrays and objects that are open */

    uint8_t head_len;
    char head[ANSWER_HEAD]; /* of the text */
    /* What it said. */
    enum answer_type type;
    uint64_t text_bytes; /* generated; of what is not JSON, all that was not looked at */
    bool has_choice;
    bool stopped; /* of the choice at hand, or the message */
    bool has_index;
    uint64_t index;
    struct figure_scan figures; /* of its usage; last, for it has an init of its own */
};

void answer_event_init(struct answer_event *event, const struct usage_table *table, bool is_event,
                       struct answer_identity *identity);
void answer_event_read(struct answer_event *event, struct slice data);

/* It was a whole JSON value. */
bool answer_event_whole(const struct answer_event *event);

/* What the text says a type is. */
enum answer_type answer_type_of(struct slice name);

static inline struct slice answer_text_of(const struct answer_text *text)
{
    return slice_make(text->bytes, text->len);
}

/* Those that are too large are left out. */
static inline void answer_index_add(struct answer_indexes *set, uint64_t index)
{
    if (index < ANSWER_INDEXES) {
        set->words[index / 64] |= UINT64_C(1) << (index % 64);
    }
}

static inline bool answer_index_has(const struct answer_indexes *set, unsigned index)
{
    return (set->words[index / 64] >> (index % 64) & 1) != 0;
}
