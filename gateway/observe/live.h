/*
 * live: what has been counted so far, as JSON for a page that asks again and again and shows the
 * differences. Any thread.
 *
 * {"uptime_ms":…,"in_flight":…,"connections":…,"buffered_bytes":…,"refused":…,"bounds_ms":[…],
 *  "routes":[{"route":"…","requests":…,"ok":…,"client_errors":…,"limited":…,"server_errors":…,
 *  "gone":…,"latency":[…]}]}
 *
 * All of a route count since the process began: `ok` below 400, `limited` is 429, `client_errors`
 * the other 4xx, `server_errors` 5xx, `gone` those without an answer. `latency` counts durations up
 * to each of `bounds_ms`, and above the last. "": the route was not known.
 */
#pragma once

#include "base/status.h"

struct buffer;
struct metrics;

MUST_USE enum status live_render(const struct metrics *metrics, struct buffer *out);
