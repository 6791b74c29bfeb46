/*
 * access_log: one JSON line a request. Workers format lines into their own buffer; the scribe
 * thread writes them. Neither body nor query nor any header value is in it, but for the label.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

struct access_record {
    usec_t wall_time;               /* when the request began */
    const char *id;                 /* the exchange's id */
    struct slice trace_id, span_id; /* may be empty */
    struct slice label;             /* the client's X-Request-Id, if valid; may be empty */
    const char *peer;
    const char *tenant; /* "" if unknown */
    const char *route;  /* likewise */
    struct slice method;
    struct slice path;    /* without the query */
    unsigned status;      /* 0: none was sent */
    const char *code;     /* X-Sallyport-Error, or "" */
    const char *ended_by; /* client, gateway, upstream: who ended it early, or "" */
    const char *step;     /* in which step */
    const char *reason;   /* a sentence for the operator, or "" */
    const char *quota;    /* the one that refused, or "" */
    bool metered;         /* the next five are known */
    struct slice model;   /* may be empty */
    uint64_t input_tokens, output_tokens, cost_nanousd;
    bool estimated;           /* the answer did not say what it used */
    const char *upstream;     /* authority, or "" */
    unsigned upstream_status; /* 0: none */
    unsigned attempts;
    struct slice tries; /* JSON; empty: one attempt, with nothing to say of it */
    bool reused;        /* upstream connection */
    uint64_t request_bytes, response_bytes;                           /* of bodies, decoded */
    usec_t duration, upstream_duration, time_to_first_byte, overhead; /* -1: not known */
};

/* Appends one line with its newline; false if it does not fit (then it is to be counted as lost).
 */
bool access_log_format(const struct access_record *record, struct buffer *out);
