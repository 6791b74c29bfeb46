/*
 * quotas: the process's quotas: the store, the values of `each`, the waiting lines. Made once from
 * the config in force at start, kept over reloads; workers reach it by their quota_side.
 */
#pragma once

#include "base/status.h"
#include "gateway/exchange/quota_side.h"

struct buffer;
struct loop;
struct mailbox;
struct past_windows;
struct quotas;
struct snapshot;

MUST_USE enum status quotas_new(const struct snapshot *snapshot, struct quotas **ret,
                                struct error *err);
void quotas_free(struct quotas *quotas); /* takes NULL; after all sides */

/* Of a store in memory: windows go on from there. Takes it; before any worker asks. */
void quotas_recall(struct quotas *quotas, struct past_windows *take_past);

/* A shared store may not have heard how much the demands of this reservation used, for who held it
 * has died: the first worker tells it. Before any worker is attached. */
void quotas_settle_left(struct quotas *quotas, const char *id, const char *tenant,
                        const uint64_t *used, unsigned count);

/* Before the loop runs, or on its thread. */
void quotas_attach(struct quotas *quotas, struct loop *loop, struct mailbox *mailbox,
                   struct quota_side *ret);
/* Says what is queued, and ends. All exchanges have settled. */
void quotas_detach(struct quotas *quotas, struct quota_side *side);
/* On the loop's thread, after a reload: whose reservations the store side looks after. */
void quotas_set_tenants(struct quota_side *side, const struct snapshot *snapshot);

/* Does every worker reach the store? In memory: true. */
bool quotas_store_up(const struct quotas *quotas);
/* Appends the metrics of quotas and store, by the limits of this snapshot. Main thread. */
MUST_USE enum status quotas_show_metrics(struct quotas *quotas, const struct snapshot *snapshot,
                                         struct buffer *out);
