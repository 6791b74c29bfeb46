/*
 * span_record: what is told of a request that is over, as bytes: a worker appends them to its
 * buffer, the exporter's thread reads them. Within one process only.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* Texts of a record. Those that do not apply are empty. Never a query, a body or a credential. */
enum span_text {
    SPAN_TRACE_ID,
    SPAN_ID,        /* of the request */
    SPAN_PARENT_ID, /* the caller's; empty: the trace begins here */
    SPAN_CALL_ID,   /* of the call upstream */
    SPAN_STATE,     /* tracestate */
    SPAN_METHOD,
    SPAN_PATH, /* without the query */
    SPAN_TENANT,
    SPAN_ROUTE,
    SPAN_ENDED_BY,
    SPAN_ERROR,      /* error.type of the request */
    SPAN_CALL_ERROR, /* and of the call */
    SPAN_SERVER,     /* the upstream's host */
    SPAN_OPERATION,  /* gen_ai.operation.name; empty: no such call */
    SPAN_PROVIDER,
    SPAN_MODEL,
    SPAN_TEXTS /* not a text; keep last */
};

enum { SPAN_TEXT_MAX = 2048 }; /* of each; the rest is cut */

struct span_record {
    usec_t start, end; /* since 1970 */
    usec_t call_start; /* 0: nothing was sent upstream */
    uint64_t input_tokens, output_tokens, cost_nanousd;
    unsigned status;          /* sent to the client; 0: none */
    unsigned upstream_status; /* 0: none came */
    unsigned attempts;
    unsigned port; /* of the upstream */
    bool metered;  /* tokens and cost are known */
    bool failed;   /* the request, by the gateway's fault or the upstream's */
    struct slice texts[SPAN_TEXTS];
};

/* One for the request, and one for the call, if there was any. */
static inline unsigned span_record_spans(const struct span_record *record)
{
    return record->call_start == 0 ? 1 : 2;
}

/* Appends it; STATUS_TOO_LARGE, and nothing appended, if there is no room. */
MUST_USE enum status span_record_write(const struct span_record *record, struct buffer *out);

/* Reads the first record; its texts point into `bytes`. Returns its length. */
size_t span_record_read(struct slice bytes, struct span_record *ret);
