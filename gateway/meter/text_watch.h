/*
 * text_watch: whether a request's body is only text, of which a byte is at most one token, or
 * refers to more: images, files, what the provider keeps or fetches. By the rules of a call
 * (routes/call.h) that hold anywhere in the body; those for its top are request_facts'.
 */
#pragma once

#include "base/json_scan.h"
#include "base/status.h"
#include "routes/call.h"

#include <stdbool.h>
#include <stdint.h>

struct text_watch {
    const struct call *call;
    bool text_only;
    unsigned inside;  /* a text member: the depth of its name; 0: none */
    uint16_t follows; /* the next event is the value of this member */
    /* Of the object that is open there, by the depth of its names: members that were there, and
     * those whose value was not null. */
    uint16_t seen[JSON_SCAN_DEPTH + 1];
    uint16_t held[JSON_SCAN_DEPTH + 1];
};

void text_watch_init(struct text_watch *watch, const struct call *call);
/* A JSON_NAME. STATUS_INVALID: a name that is read here stands twice in its object. */
MUST_USE enum status text_watch_name(struct text_watch *watch, const struct json_scan *scan,
                                     struct error *err);
/* Any other event. */
void text_watch_value(struct text_watch *watch, enum json_event event,
                      const struct json_scan *scan);
