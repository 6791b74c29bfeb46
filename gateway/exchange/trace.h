/*
 * trace: an exchange as a part of its trace: what goes upstream of it, and what is told of it when
 * it is over. Nothing is kept meanwhile: the request's head says all.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "base/trace_context.h"

struct buffer;
struct exchange;

/* `sampled` is the caller's word, or where the trace begins here, whether it is among those that
 * are exported. */
void trace_find(const struct exchange *exchange, struct trace_context *ret);

/* The traceparent and tracestate lines, where the route passes them. The parent is what will be
 * told of this call: its own span where that is exported, else the request's. */
MUST_USE enum status trace_write(const struct exchange *exchange, struct buffer *out);

/* Hands the request and its call over to the exporter, if they are sampled; after its usage is
 * settled. `took`: from the request's start on. */
void trace_record(struct exchange *exchange, const struct trace_context *trace, usec_t took);
