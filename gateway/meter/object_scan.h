/*
 * object_scan: what an answer says was made, found while it streams by, by a rule of the profile
 * (routes/object.h): its id, type, status, amount. One JSON value, split anywhere; constant memory,
 * no tree. It only watches.
 */
#pragma once

#include "base/json_scan.h"
#include "routes/object.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that are kept of a text: more than a row has room for, and than a credential is long that
 * may have to be found in it. */
enum { OBJECT_TEXT_MAX = JSON_SCAN_TEXT };

struct object_text {
    uint16_t len;
    char bytes[OBJECT_TEXT_MAX]; /* as the provider says it, unescaped: may be anything */
};

struct object_scan {
    const struct object_rule *rule;          /* borrowed */
    bool invalid;                            /* it is no JSON: the rest was not looked at */
    bool done;                               /* nothing is left to be found */
    uint32_t member;                         /* places whose way goes on in the value that comes */
    uint32_t ways[OBJECT_STEPS_MAX];         /* by depth: those that lead into what is open there */
    uint64_t items[OBJECT_STEPS_MAX];        /* by depth: of an array, so many have begun */
    bool arrays[OBJECT_STEPS_MAX];           /* by depth: it is one */
    uint8_t rank[OBJECT_FIELDS];             /* 1 + that of the place that was told; 0: none */
    struct object_text texts[OBJECT_AMOUNT]; /* by enum object_field; where it has a rank */
    int64_t amount;
    struct json_scan json; /* of object_scan_feed() */
};

void object_scan_init(struct object_scan *scan, const struct object_rule *rule);
void object_scan_feed(struct object_scan *scan, struct slice data);
/* Instead, where somebody reads the same JSON anyway: each of its events, JSON_INVALID too. */
void object_scan_take(struct object_scan *scan, enum json_event event,
                      const struct json_scan *json);

/* What was told so far; of an answer that breaks off, what came before. Empty: not told, or it was
 * no text and no number, or the answer is no JSON. */
struct slice object_scan_text(const struct object_scan *scan, enum object_field field);
/* False, and 0: none, or none that can be kept exactly: a fraction, in quotes, of more than 63
 * bits. */
bool object_scan_amount(const struct object_scan *scan, int64_t *ret);
