/*
 * usage_table: where a call's answer says what it used, as data tell it (usages/NAME.json,
 * whose form is in usages/README.md; a profile's call names one): which member of an answer's JSON,
 * of the data of an event, of the request's body, or which header holds which figure; and what the
 * figures mean together. Pure.
 *
 * The members are nodes of three trees, so that who reads JSON member by member knows at each step
 * whether the way it is on leads to a figure (gateway/meter/figure_scan.h).
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "routes/usage.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* Beside those of enum usage_kind. */
enum usage_figure {
    FIGURE_TOTAL = USAGE_KINDS, /* of all tokens */
    FIGURE_INPUT_MORE,          /* is input, too */
    USAGE_FIGURES
};

enum {
    USAGE_PLACES_MAX = 32,
    USAGE_NODES_MAX = 64, /* the first is none */
};

enum usage_tree { TREE_ANSWER, TREE_EVENT, TREE_REQUEST, USAGE_TREES };

enum place_kind {
    PLACE_NUMBER,     /* a whole number */
    PLACE_SECONDS,    /* a decimal, of seconds; the figure is milliseconds, rounded up */
    PLACE_COUNT,      /* the items of an array */
    PLACE_CHARACTERS, /* of a text */
    PLACE_HEADER,     /* a whole number in a header of the answer */
    PLACE_CONSTANT,
};

struct usage_place {
    uint8_t figure; /* enum usage_kind or usage_figure */
    uint8_t kind;   /* enum place_kind */
    bool early;     /* told before it is final: Anthropic's message_start */
    bool quoted;    /* the number is in quotes */
    bool sums;      /* there are several, which are summed */
    bool last;      /* there are several, and the last counts */
    bool plus;      /* is added to what the places before say */
    uint64_t constant;
    struct slice header; /* lower case */
    struct slice value;  /* counts only where the node's selector has it; empty: always */
    uint8_t also;        /* 1 + the next place of the same node; 0: none */
};

struct usage_node {
    struct slice name;     /* of the member; empty: each item of an array */
    struct slice selector; /* of an item: the member that says which places count */
    uint8_t next;          /* in the same object; 0: none */
    uint8_t child;         /* the first */
    uint8_t place;         /* 1 + the first one; 0: none */
    bool several;          /* it is in an item of an array */
    bool holds; /* figures are in it, or deeper: it is an object, or null, and there once */
};

/* How answers are read but for their figures: their generated text, and how their event streams
 * end. */
enum usage_dialect {
    USAGE_OPENAI_CHAT,      /* chunks with choices, then "data: [DONE]" */
    USAGE_OPENAI_RESPONSES, /* "event: response.completed" */
    USAGE_ANTHROPIC,        /* message_start, message_delta */
    USAGE_GEMINI,           /* chunks with candidates */
    USAGE_COHERE,           /* content-delta, message-end; the older API's text-generation */
    USAGE_BEDROCK,          /* contentBlockDelta in AWS' event stream; of converse */
    USAGE_PLAIN,            /* no generated text */
    USAGE_DIALECTS
};

struct usage_table {
    struct slice name;
    enum usage_dialect dialect;
    unsigned within; /* a bit each, 1 << enum usage_kind: part of input or output, not beside it */
    struct usage_place places[USAGE_PLACES_MAX]; /* of a figure, the first that is told counts */
    unsigned place_count;
    struct usage_node nodes[USAGE_NODES_MAX];
    unsigned node_count;
    uint8_t roots[USAGE_TREES]; /* 0: nothing is in it */
    bool merges; /* a stream tells some figures first and others later; else its last word counts */
};

/* One that is built in, by its name. STATUS_NOT_FOUND: there is none; any other error is a bug of
 * the data, found by a test. */
MUST_USE enum status usage_table_load(struct arena *arena, struct slice name,
                                      const struct usage_table **ret, struct error *err);
/* A file, for tests. */
MUST_USE enum status usage_table_read(struct arena *arena, struct slice name, struct slice json,
                                      struct usage_table *ret, struct error *err);

/* Figures as they stand there, by their place. */
struct usage_figures {
    uint32_t seen; /* a bit each */
    uint64_t values[USAGE_PLACES_MAX];
};

static inline void usage_figures_note(struct usage_figures *figures, unsigned place, uint64_t value)
{
    figures->seen |= UINT32_C(1) << place;
    figures->values[place] = value;
}

/* Those of `more` count where both have one. */
void usage_figures_merge(struct usage_figures *figures, const struct usage_figures *more);

struct usage_told {
    bool input;  /* the tokens that were read */
    bool output; /* those that were generated, finally */
    bool units;  /* anything else */
};

/* False: they contradict each other. */
bool usage_table_sum(const struct usage_table *table, const struct usage_figures *figures,
                     struct usage *ret, struct usage_told *ret_told);

/* The table has a place for it. */
bool usage_table_has(const struct usage_table *table, unsigned figure);

/* Of what is no tokens, an upper bound before the answer tells, or what is to be believed if it
 * does not: from figures that are known, else from the request's bytes and how many answers it
 * wants. */
struct usage usage_table_bound(const struct usage_table *table, const struct usage_figures *known,
                               uint64_t request_bytes, uint64_t choices);
