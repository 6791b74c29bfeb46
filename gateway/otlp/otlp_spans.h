/*
 * otlp_spans: records as the body of a request to /v1/traces. Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct buffer;

/* How many bytes of `records` are those of at most `most` spans, and of the first record in any
 * case. */
size_t otlp_spans_cut(struct slice records, unsigned most, unsigned *ret_spans);

/* All of `records`. STATUS_TOO_LARGE: the buffer is full; it holds nothing of use then. */
MUST_USE enum status otlp_spans_write(struct slice records, struct slice service,
                                      struct buffer *out);
