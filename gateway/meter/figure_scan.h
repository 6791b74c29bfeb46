/*
 * figure_scan: finds the figures of a usage table in one JSON value, member by member as json_scan
 * reads it: an answer, the data of an event, or a request's body. No tree is built.
 */
#pragma once

#include "base/json_scan.h"
#include "routes/usage_table.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FIGURE_DEPTH = 16,  /* what lies deeper does not count */
    FIGURE_CHOSEN = 16, /* bytes of what a selector says */
};

struct figure_scan {
    const struct usage_table *table;
    enum usage_tree tree;
    bool told;                  /* there was a usage, whatever was in it */
    bool early;                 /* only by places that are */
    bool broken;                /* twice, or figures that cannot be */
    uint8_t member;             /* the node of the value that comes; it is a member's */
    uint8_t path[FIGURE_DEPTH]; /* nodes of the arrays and objects that are open; 0: none */
    uint32_t arrays;            /* a bit for each depth: it is one */
    uint64_t begun;             /* a bit each: nodes that hold figures and were there */
    /* Of the item at hand that has a selector. */
    bool choosing; /* the value that comes is the selector's */
    uint8_t chosen_len;
    char chosen[FIGURE_CHOSEN];
    uint8_t waiting; /* the node whose figure waits for it; 0: none */
    uint64_t waiting_value;
    struct usage_figures figures;
};

void figure_scan_init(struct figure_scan *scan, const struct usage_table *table,
                      enum usage_tree tree);
/* Where nothing leads to a figure: most of an answer. */
static inline bool figure_scan_aside(const struct figure_scan *scan, unsigned depth)
{
    return depth > 0 && (depth > FIGURE_DEPTH || scan->path[depth - 1] == 0);
}

void figure_scan_find(struct figure_scan *scan, const struct json_scan *json);
void figure_scan_take(struct figure_scan *scan, enum json_event event, const struct json_scan *json,
                      uint64_t characters);

/* A JSON_NAME. */
static inline void figure_scan_name(struct figure_scan *scan, const struct json_scan *json)
{
    scan->member = 0;
    scan->choosing = false;
    if (!figure_scan_aside(scan, json->depth)) {
        figure_scan_find(scan, json);
    }
}

/* Any other event. `characters` of a text; only TREE_REQUEST asks for it. */
static inline void figure_scan_value(struct figure_scan *scan, enum json_event event,
                                     const struct json_scan *json, uint64_t characters)
{
    if (event < JSON_STRING || !figure_scan_aside(scan, json->depth)) {
        figure_scan_take(scan, event, json, characters);
    }
}
