/*
 * webhook_log: one JSON line for each request to a webhook, in the access log: whether it was
 * accepted, or why not. Neither body nor query nor any header value is in it.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* Texts may be empty: then they are left out. */
struct webhook_record {
    usec_t wall_time;        /* when the request began */
    struct slice id;         /* the webhook-id; of a repeat, that of the one before */
    const char *source;      /* the address that sent it */
    const char *hook;        /* its name; "" for none */
    struct slice provider;   /* the scheme's name */
    struct slice event_id;   /* the provider's, as anybody may have written it */
    struct slice event_type; /* likewise */
    const char *outcome;     /* accepted, suspect, duplicate, dropped, challenge, refused, ... */
    const char *reason;      /* of a refusal: one word */
    const char *detail;      /* for the operator */
    struct slice method;
    struct slice path; /* without the query */
    unsigned status;   /* 0: none was sent */
    uint64_t request_bytes;
    usec_t duration;
};

/* Appends one line with its newline; false if it does not fit (then it is to be counted as lost).
 */
bool webhook_log_format(const struct webhook_record *record, struct buffer *out);
