/*
 * store_redis: usage in Redis, shared by many gateways.
 *
 * One process-wide part (address, scripts, epoch, incarnation, local shares) and one side a worker
 * with its own link. An ask is one EVALSHA; all that a turn queued leaves in one write; settlements
 * are not waited for. What has no answer within `timeout` follows each rule's on_failure, and the
 * link is dropped: a circuit keeps later requests from waiting until it is up again (backoff 50 ms
 * to 2 s). First on a new link: scripts, the call-offs of asks that are in doubt, settlements
 * without a reply, then what was counted alone. All lists are bounded; what falls off is charged in
 * full at its deadline by the store itself, and counted.
 */
#pragma once

#include "limiter/redis_link.h"
#include "limiter/store.h"

struct local_shares;
struct store_redis;
struct store_redis_side;

struct store_redis_settings {
    struct redis_address address; /* copied */
    const char *name;             /* store.name; copied */
    usec_t timeout;
    unsigned gateways; /* store.gateways */
    struct limiter_clock clock;
    struct store_ears ears;
};

MUST_USE enum status store_redis_new(const struct store_redis_settings *settings,
                                     struct store_redis **ret, struct error *err);
void store_redis_free(struct store_redis *store); /* takes NULL; after its sides */
struct local_shares *store_redis_shares(struct store_redis *store);

/* One a worker, on its thread's loop. `tenants` are those whose overdue reservations it looks
 * after, see store_redis_set_tenants(). Connects at once. */
struct store_redis_side *store_redis_side_new(struct store_redis *store, struct event_base *base,
                                              struct timer_queue *timers);
/* Sends what is queued, waits at most `timeout` for it to leave, and frees. */
void store_redis_side_free(struct store_redis_side *side);
struct store_side store_redis_side(struct store_redis_side *side);
/* Names that live until the next call; after a reload. Each beat takes some of them in turn. */
void store_redis_set_tenants(struct store_redis_side *side, const char *const *tenants,
                             unsigned count);

/* ---- data that was lost is filled in again: main thread ---- */

/* Before any side: there is a ledger, `name` (16 hex digits) is its own over restarts; what it
 * knows is handed in. Without one, nothing is. */
void store_redis_set_ledger(struct store_redis *store, const char *name);
/* The epoch of its data, as far as is known: 16 hex digits; false: none yet. */
bool store_redis_epoch(struct store_redis *store, char ret[17]);
/* Says what this gateway had charged to a window under other epochs, or alone, or what it corrects;
 * copied.
 * It is repeated until it is there; only where nothing is on its way may another sum of the same
 * window be said. */
struct hand_in;
void store_redis_hand_in(struct store_redis *store, const struct hand_in *hand_in);
bool store_redis_is_handing_in(const struct store_redis *store);
/* How many were given up since the start: they are to be said again. */
unsigned store_redis_hand_ins_lost(const struct store_redis *store);
/* What was taken alone is on its way, or has to wait for the store. */
bool store_redis_is_handing_over(const struct store_redis *store);
/* How often something of it came there, or was given up, since the start: what is handed in of a
 * window is the whole of it, so it is to be said once more behind that. */
unsigned store_redis_handed_over(const struct store_redis *store);
/* All that it had charged is there: others need not wait for it. */
void store_redis_handed_in(struct store_redis *store, const char *epoch);
/* Windows follow on_failure, for not all gateways have handed in. */
bool store_redis_is_filling(const struct store_redis *store);

/* For metrics. */
struct store_redis_counts {
    bool up;
    unsigned waiting;                  /* asks without an answer */
    uint64_t timeouts;                 /* asks that had no answer in time */
    uint64_t failures;                 /* links lost */
    uint64_t local, uncounted, denied; /* decisions without the store, by on_failure */
    uint64_t unsettled;                /* settlements given up: charged in full at their deadline */
    unsigned pending;                  /* settlements and call-offs to be confirmed */
};
struct store_redis_counts store_redis_counts(const struct store_redis_side *side);

/* For the admin listener's thread, blocking for at most a second: reads, changes and audits keys.
 * On an event base of its own. */
/* What an earlier process may have left untold: the reservation's demands used so much. Sent as
 * soon as the store is there; where it knows all, or nothing, of it, that changes nothing. */
void store_redis_settle_left(struct store_redis_side *side, const char *id, const char *tenant,
                             const uint64_t *used, unsigned count);

struct store_redis_admin;
MUST_USE enum status store_redis_admin_open(struct store_redis *store,
                                            struct store_redis_admin **ret, struct error *err);
void store_redis_admin_close(struct store_redis_admin *admin);
/* Entries of keys that have counted nothing are zero. */
MUST_USE enum status store_redis_admin_read(struct store_redis_admin *admin,
                                            const struct limit *limit, struct slice key,
                                            const char *tenant, struct store_entry *ret,
                                            struct error *err);
MUST_USE enum status store_redis_admin_reset(struct store_redis_admin *admin,
                                             const struct limit *limit, struct slice key,
                                             struct error *err);
MUST_USE enum status store_redis_admin_raise(struct store_redis_admin *admin,
                                             const struct limit *limit, struct slice key,
                                             uint64_t amount, struct error *err);
