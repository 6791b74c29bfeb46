/*
 * zone: a time zone: what a clock on the wall says at an instant, and the other way round.
 *
 * Read from the system's zone files (RFC 8536, version 2 and up, with the POSIX rule behind them),
 * so that several zones can be used at once and no environment variable decides. Immutable.
 */
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct arena;
struct zone;

/* `name` as in "Europe/Berlin", "UTC"; no "..", no leading "/". Looked up below /usr/share/zoneinfo
 * ("UTC" needs no file). All memory is the arena's. The error says what to write. */
MUST_USE enum status zone_load(struct arena *arena, const char *name, const struct zone **ret,
                               struct error *err);
/* The same from a file's bytes, for tests and fuzzing. */
MUST_USE enum status zone_parse(struct arena *arena, const char *name, const void *bytes,
                                size_t len, const struct zone **ret, struct error *err);
const char *zone_name(const struct zone *zone);

/* Seconds east of UTC at that instant (seconds since 1970-01-01 UTC). */
int zone_offset(const struct zone *zone, int64_t utc_seconds);

/* The first instant at which the zone's clock shows that local time (seconds since 1970-01-01 as
 * if it were UTC) or, where it is skipped, something later. */
int64_t zone_to_utc(const struct zone *zone, int64_t local_seconds);
