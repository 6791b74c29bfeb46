/*
 * trace_context: W3C Trace Context: which trace a request belongs to, by its traceparent and
 * tracestate fields. Pure: ids are made by the caller, from randomness.
 *
 * https://www.w3.org/TR/trace-context/: a traceparent is "00-TRACE-PARENT-FLAGS"; one that breaks
 * the rules, or is there twice, counts as if there were none, and its tracestate with it.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct http1_field;

enum {
    TRACE_ID_LEN = 32, /* hex digits, lower case, not all of them zero */
    SPAN_ID_LEN = 16,  /* likewise */
    TRACE_PARENT_LEN = 55,
    TRACE_STATE_MAX = 512, /* bytes of a tracestate that are kept */
};

/* http1_name_hash("traceparent"): every request is asked for it. */
#define TRACE_PARENT_HASH 0xafc62c6cU

/* What a traceparent says; points into it. */
struct trace_parent {
    struct slice trace_id, span_id;
    bool sampled; /* the caller says that it records the trace */
};

/* The value of one traceparent field. Of later versions what is known of version 00 is read, as
 * section 3.2.3 says. False, and nothing set: it is none. */
bool trace_parent_read(struct slice value, struct trace_parent *ret);
/* Version 00, without a NUL. */
void trace_parent_write(struct slice trace_id, struct slice span_id, bool sampled,
                        char out[TRACE_PARENT_LEN]);

/* Where a request stands in its trace. Ids point into the fields, or into `own`. */
struct trace_context {
    struct slice trace_id;
    struct slice span_id;   /* of the request itself */
    struct slice call_id;   /* of what is called for it */
    struct slice parent_id; /* empty: the trace begins here */
    bool sampled;           /* as the parent says; false where the trace begins */
};

/* From a request's fields. `own`: TRACE_ID_LEN hex digits of this request alone, random; they are
 * the trace's id where it begins here, and their halves are the ids of the two spans. */
void trace_context_read(const struct http1_field *fields, unsigned count, const char *own,
                        struct trace_context *ret);

/* The tracestate that came with a valid traceparent, as it is: the fields joined, and of one that
 * is too long the members that fit. Returns its length; 0: there is none, or it has bytes that none
 * has. */
size_t trace_state_read(const struct http1_field *fields, unsigned count,
                        char out[TRACE_STATE_MAX]);
