/*
 * target: the request target: what is refused, what is matched, what is sent. Pure.
 *
 * Nothing is repaired: a target goes on byte for byte, or not at all. Decoded forms are only for
 * looking at.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct buffer;
struct route;

/* Checks a path with query (from '/' on), as section 4 of the contract says: segments . and ..
 * after decoding and splitting at '/', "%2F", '\' and "%5C", also with ";parameters" behind them,
 * "%00", control characters, broken percent-encoding in the path, '#', spaces, bytes above 0x7e:
 * STATUS_INVALID. Splits it at the first '?'; without one ret_query->ptr is NULL. */
MUST_USE enum status target_check(struct slice target, struct slice *ret_path,
                                  struct slice *ret_query, struct error *err);

/* Compares a pattern with a path up to the first '*' or '{' of the pattern: most patterns are none,
 * or differ before that. PATTERN_OPEN: what is left of both, from the slash before that mark on, is
 * to be compared segment by segment. */
enum pattern_start { PATTERN_DIFFERS, PATTERN_EQUALS, PATTERN_OPEN };
enum pattern_start target_compare(struct slice *pattern, struct slice *path);

/* The path with unreserved characters decoded (for matching): in `out`, of at least path.len; or
 * the path itself, where there is nothing to decode. */
struct slice target_normalize(struct slice path, char *out);

/* Value of query parameter `name` (raw, not decoded), the first one. False if absent. Parameters
 * are separated by '&'; their names are compared decoded, '+' being a space. */
bool target_query_get(struct slice query, struct slice name, struct slice *ret_value);

/* Writes "{base_path}{rest}?{query}" with the rest and query byte for byte, less the query
 * parameters in `drop` (names compared as above, every occurrence); `rest` is the path behind the
 * route's, which `path` begins with (a "/" if that leaves nothing and base_path is empty).
 * STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status target_write(const struct route *route, struct slice path, struct slice query,
                                  const struct slice *drop, unsigned drop_count,
                                  struct buffer *out);
/* Its last part alone: "?{query}". What stays is as it was, empty parameters too; no '?' if nothing
 * stays, or query.ptr is NULL. */
MUST_USE enum status target_write_query(struct slice query, const struct slice *drop,
                                        unsigned drop_count, struct buffer *out);
