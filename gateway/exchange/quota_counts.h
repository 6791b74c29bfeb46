/*
 * quota_counts: what is counted and said of a request's quotas, besides the answer's own fields.
 */
#pragma once

struct demand;
struct exchange;
struct reservation;

/* Where the last ask or extension crossed warn_at, or a limit that only warns: one audit line, one
 * count. */
void quota_note_warnings(const struct exchange *exchange);
/* It is this one that refused: for the log, and counted. */
void quota_note_refusal(struct exchange *exchange, const struct demand *demand);
/* Before the reservation is settled: what is charged above what was reserved. */
void quota_count_overruns(const struct exchange *exchange, const struct reservation *reservation);
