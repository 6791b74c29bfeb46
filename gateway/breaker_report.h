/*
 * breaker_report: circuits and credentials for the admin API and the audit. Main thread.
 */
#pragma once

#include "base/status.h"

struct buffer;
struct snapshot;
struct standings;

/* Appends them as JSON (standings_show()). */
MUST_USE enum status breaker_report_list(struct standings *standings,
                                         const struct snapshot *snapshot, struct buffer *out,
                                         struct error *err);
/* Closes those of a route (NULL: of all), says so in the log, and appends {"reset": how many}. */
MUST_USE enum status breaker_report_reset(struct standings *standings,
                                          const struct snapshot *snapshot, const char *route,
                                          struct buffer *out, struct error *err);
/* Says in the log what has changed since the last call. */
void breaker_report_news(struct standings *standings);
