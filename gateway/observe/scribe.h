/*
 * scribe: the thread that does all blocking disk work. So far the access log.
 *
 * Bounded: what is not written within its backlog is dropped and counted, and no request waits.
 * Lines are gathered for some milliseconds under load, so that waking it costs little.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct scribe;

/* `path`: as log_target.h says. The error names it. */
MUST_USE enum status scribe_start(const char *path, struct scribe **ret, struct error *err);
/* Writes what is left, within two seconds where nobody takes it, then joins. Takes NULL. */
void scribe_stop(struct scribe *scribe);
/* Another file from now on; also reopens the same one (log rotation). */
MUST_USE enum status scribe_reopen(struct scribe *scribe, const char *path, struct error *err);
/* Hands whole lines over; any thread. Returns false if they were dropped. */
bool scribe_write(struct scribe *scribe, struct slice lines);
/* Lines dropped so far, or lost because the file took no more; any thread. */
uint64_t scribe_dropped(const struct scribe *scribe);
