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
/* Closes those of a route (NULL: of all), says so in the logs, and appends {"reset": how many}.
 * `peer` asks for it. */
MUST_USE enum status breaker_report_reset(struct standings *standings,
                                          const struct snapshot *snapshot, const char *route,
                                          const char *peer, struct buffer *out, struct error *err);
/* Says in the logs what has changed since the last call. */
void breaker_report_news(struct standings *standings);
