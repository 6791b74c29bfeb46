/*
 * otlp: sends what was told of finished requests, and the metrics, to a collector: OTLP over HTTP,
 * as JSON. One in a process, with a thread of its own from the first config on that has a
 * collector.
 *
 * Nobody waits for it: while the collector takes nothing, 8 MiB of records are kept, and what comes
 * then is dropped and counted. Spans go in batches of 512, or after 5 seconds; what may be taken
 * later is sent again, with growing waits. A span is never sent to two places, but may be sent
 * twice to the same one, where an answer was lost.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct otlp;
struct snapshot;

/* ---- the main thread's ---- */

struct otlp *otlp_new(void);
/* Sends what is left, within two seconds, then ends; nobody writes any more. Takes NULL. */
void otlp_stop(struct otlp *otlp);

/* What this config needs is there: call it before otlp_adopt(), which cannot fail. */
MUST_USE enum status otlp_prepare(struct otlp *otlp, const struct snapshot *snapshot,
                                  struct error *err);
/* This config's collector from now on; takes a reference. Without one, what was not sent yet is
 * dropped. */
void otlp_adopt(struct otlp *otlp, struct snapshot *snapshot);

/* The config in force has metrics sent. */
bool otlp_exports_metrics(const struct otlp *otlp);
/* Once a second: is it time for the metrics? Then otlp_write_metrics(). */
bool otlp_wants_metrics(struct otlp *otlp);
/* The page of /metrics; `started`: since 1970, what is counted began then. */
void otlp_write_metrics(struct otlp *otlp, struct slice page, usec_t started);

/* ---- any thread's ---- */

/* Hands records over (span_record.h), of so many spans. A short lock. */
void otlp_write(struct otlp *otlp, struct slice records, unsigned spans);
/* Spans that were lost before they came so far. */
void otlp_count_dropped(struct otlp *otlp, unsigned spans);
/* All that were lost so far. */
uint64_t otlp_dropped(const struct otlp *otlp);
