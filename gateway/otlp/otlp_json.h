/*
 * otlp_json: the pieces of OTLP's JSON form (opentelemetry-proto, "JSON Protobuf Encoding"): ids as
 * hex, 64-bit numbers as texts, attributes as lists. Whole numbers only: no float touches a sum.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

struct buffer;

/* {"resource":{...},"SCOPE":[{"scope":{...},"ITEMS":[ : what comes before the items; and behind
 * them. `scope` is "scopeSpans" or "scopeMetrics". */
MUST_USE enum status otlp_json_open(struct buffer *out, const char *outer, const char *scope,
                                    const char *items, struct slice service);
MUST_USE enum status otlp_json_close(struct buffer *out);

/* A list of attributes that is being written: "," between them. */
struct otlp_attributes {
    struct buffer *out;
    unsigned count;
};

/* Nothing is written for an empty text. */
MUST_USE enum status otlp_json_text(struct otlp_attributes *list, const char *name,
                                    struct slice value);
MUST_USE enum status otlp_json_number(struct otlp_attributes *list, const char *name,
                                      uint64_t value);

/* Microseconds since 1970 as nanoseconds, in quotes. */
MUST_USE enum status otlp_json_time(struct buffer *out, usec_t wall);
