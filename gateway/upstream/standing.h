/*
 * standing: what the process knows of each upstream and each credential: circuits, retry budgets,
 * cooling, requests in flight. By the names of routes, tenants and secrets, so that it survives a
 * reload; shared by all workers, each under a short lock of its own, or atomic. Nothing is called
 * back under a lock.
 *
 * Names come from the config: what a config has named once is kept until the process ends.
 */
#pragma once

#include "base/clock.h"
#include "routes/breaker.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct route;
struct snapshot;
struct standings;
struct route_standing;
struct tenant_standing;
struct key_standing;

struct standings *standings_new(void);
void standings_free(struct standings *standings); /* takes NULL; after all workers */
/* Finds or makes the standing of everything that the snapshot names, and sets route->standing,
 * tenant->standing and route->credentials[].standing. Main thread, before any worker has it. */
void standings_join(struct standings *standings, struct snapshot *snapshot);

/* ---- circuits of routes ---- */

/* As breaker.h, under the lock. A change of state is counted, and kept for standings_news(). */
bool route_standing_admit(struct route_standing *standing, const struct breaker_policy *policy,
                          usec_t now, struct breaker_permit *ret, usec_t *ret_after);
/* The permit is given back; nothing happens if it is not held. */
void route_standing_report(struct route_standing *standing, const struct breaker_policy *policy,
                           struct breaker_permit *permit, enum breaker_outcome outcome, usec_t took,
                           usec_t now, uint64_t random);
bool route_standing_would_admit(struct route_standing *standing,
                                const struct breaker_policy *policy, usec_t now);

/* ---- retry budgets ---- */

void route_standing_first(struct route_standing *standing, unsigned percent, usec_t now);
bool route_standing_take_retry(struct route_standing *standing, usec_t now);
void route_standing_charge_retry(struct route_standing *standing,
                                 usec_t now); /* the caller's own */

/* ---- its clock ---- */

/* How far it goes before ours; 0 until it was found to be another. */
usec_t route_standing_clock(const struct route_standing *standing);
/* True: it is worth telling, for nothing was told in the last minute. */
bool route_standing_set_clock(struct route_standing *standing, usec_t ahead, usec_t now);

/* ---- requests in flight ---- */

/* False: `most` (0: no bound) are in flight; nothing was counted. */
bool route_standing_enter(struct route_standing *standing, unsigned most);
void route_standing_leave(struct route_standing *standing);
bool tenant_standing_enter(struct tenant_standing *standing, unsigned most);
void tenant_standing_leave(struct tenant_standing *standing);

/* ---- requests that a tenant's deny rules have refused, since the start ---- */

void tenant_standing_deny(struct tenant_standing *standing);
uint64_t tenant_standing_denied(const struct tenant_standing *standing);

/* ---- health checks ---- */

enum { HEALTH_FAILURES = 3 }; /* in a row, and the upstream counts as ill */
/* A check has ended. Ill: counts for the circuit like a failed connect, so that one that few calls
 * go through opens, too. Well: an open circuit probes. */
void route_standing_health(struct route_standing *standing, const struct breaker_policy *policy,
                           bool well, usec_t now, uint64_t random);

/* ---- for people: admin API, CLI, metrics, readiness, audit lines. Main thread ---- */

/* Of a route with several hosts each of them is shown, with "host" beside "route".
 * JSON: {"breakers":[{"route","state","since","since_ms_ago","failures","calls","open_for_ms",
 * "retry_budget","in_flight","health","credentials":[{"secret","account","state","since_ms_ago",
 * "cooling_ms","domains":[{"domain","cooling_ms","limit","remaining"}]}]}]}, those of `snapshot`.
 * False: the buffer is full. */
bool standings_show(struct standings *standings, const struct snapshot *snapshot, usec_t now,
                    struct buffer *out);
/* Prometheus text: breaker_state{route} (0 closed, 1 half open, 2 open), breaker_transitions_total
 * {route,to}, retry_budget_left{route}, route_in_flight{route}, tenant_in_flight{tenant},
 * tenant_denied_total{tenant}, upstream_healthy{route} (only with a check),
 * credential_cooling{route,secret}. */
bool standings_show_metrics(struct standings *standings, const struct snapshot *snapshot,
                            usec_t now, struct buffer *out);
/* Lines for readyz?verbose: circuits that are not closed, upstreams that are ill. */
bool standings_show_readiness(struct standings *standings, const struct snapshot *snapshot,
                              usec_t now, struct buffer *out);
/* Closes the circuits of a route and of its credentials, and ends their cooling. NULL: of all.
 * Returns how many there were; 0: no such route. */
unsigned standings_reset(struct standings *standings, const struct snapshot *snapshot,
                         const char *route, usec_t now);
/* Calls `tell` for each change of state since the last call, oldest first (audit lines). At most
 * 64 are kept between two calls; `lost` says how many more there were. */
struct standing_news {
    const char *route;  /* its name */
    const char *secret; /* of a credential; NULL: the route's own circuit */
    const char *text;   /* "opened: 12 of 20 calls failed; probes in 5 s" */
};
void standings_news(struct standings *standings, void *ctx,
                    void (*tell)(void *ctx, const struct standing_news *news), unsigned *lost);
/* `wake` is called when there is news and there was none before: by any thread, under no lock.
 * NULL: nobody is. Set while no worker runs. */
void standings_on_news(struct standings *standings, void (*wake)(void *ctx), void *ctx);
