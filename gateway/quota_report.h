/*
 * quota_report: quotas as JSON, for the admin API and `sallyport quotas`, and changing one. Main
 * thread; with Redis it blocks for at most a second a call.
 */
#pragma once

#include "base/status.h"

struct buffer;
struct quota_change;
struct quotas;
struct snapshot;

/* {"store": {...}, "quotas": [...]}: `tenant` NULL: of all. */
MUST_USE enum status quota_report_list(struct quotas *quotas, const struct snapshot *snapshot,
                                       const char *tenant, struct buffer *out, struct error *err);

/* Resets or raises one, says so in the logs, and appends what it is then. */
MUST_USE enum status quota_report_change(struct quotas *quotas, const struct snapshot *snapshot,
                                         const struct quota_change *change, struct buffer *out,
                                         struct error *err);
