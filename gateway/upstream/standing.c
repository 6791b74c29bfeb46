#include "gateway/upstream/standing.h"

#include "auth/inbound/tenant.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/upstream/standing_state.h"

#include <assert.h>
#include <string.h>

enum { HOST_NAME_MAX_BYTES = 1024 };

/* ---- the tables ---- */

/* Held so shortly that whoever waits for it had better not sleep. */
static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    (void)pthread_mutex_init(lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

struct standings *standings_new(void)
{
    struct standings *standings = MEMORY_NEW(struct standings);
    init_lock(&standings->news_lock);
    return standings;
}

void standings_free(struct standings *standings)
{
    if (standings == NULL) {
        return;
    }
    for (struct route_standing *route; (route = standings->first_route) != NULL;) {
        standings->first_route = route->next;
        (void)pthread_mutex_destroy(&route->lock);
        memory_free((char *)route->name);
        memory_free(route);
    }
    for (struct tenant_standing *tenant; (tenant = standings->first_tenant) != NULL;) {
        standings->first_tenant = tenant->next;
        memory_free(tenant->name);
        memory_free(tenant);
    }
    for (struct key_standing *key; (key = standings->first_key) != NULL;) {
        standings->first_key = key->next;
        (void)pthread_mutex_destroy(&key->lock);
        memory_free((char *)key->name);
        memory_free(key);
    }
    table_fini(&standings->routes);
    table_fini(&standings->tenants);
    table_fini(&standings->keys);
    (void)pthread_mutex_destroy(&standings->news_lock);
    memory_free(standings);
}

static struct route_standing *have_route(struct standings *standings, const char *name)
{
    struct route_standing *route = table_get(&standings->routes, slice_from(name));
    if (route == NULL) {
        route = MEMORY_NEW(struct route_standing);
        init_lock(&route->lock);
        route->standings = standings;
        route->name = memory_copy(slice_from(name));
        route->made_at = clock_now();
        route->next = standings->first_route;
        standings->first_route = route;
        (void)table_add(&standings->routes, slice_from(route->name), route);
    }
    return route;
}

static struct tenant_standing *have_tenant(struct standings *standings, const char *name)
{
    struct tenant_standing *tenant = table_get(&standings->tenants, slice_from(name));
    if (tenant == NULL) {
        tenant = MEMORY_NEW(struct tenant_standing);
        tenant->name = memory_copy(slice_from(name));
        tenant->next = standings->first_tenant;
        standings->first_tenant = tenant;
        (void)table_add(&standings->tenants, slice_from(tenant->name), tenant);
    }
    return tenant;
}

static struct key_standing *have_key(struct standings *standings, const char *name)
{
    struct key_standing *key = table_get(&standings->keys, slice_from(name));
    if (key == NULL) {
        key = MEMORY_NEW(struct key_standing);
        init_lock(&key->lock);
        key->standings = standings;
        key->name = memory_copy(slice_from(name));
        key->made_at = clock_now();
        key->next = standings->first_key;
        standings->first_key = key;
        (void)table_add(&standings->keys, slice_from(key->name), key);
    }
    return key;
}

/* "web-push/fcm.googleapis.com": no route's name has a slash. */
static struct route_standing *have_host(struct standings *standings, const struct route *host)
{
    struct buffer name CLEANUP(buffer_fini);
    buffer_init(&name, HOST_NAME_MAX_BYTES);
    enum status status = buffer_print(&name, "%s/%s%c", host->name, host->entry, '\0');
    assert(status == STATUS_OK); /* names are shorter */
    return have_route(standings, buffer_bytes(&name).ptr);
}

void standings_join(struct standings *standings, struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        struct route *route = snapshot->routes[i];
        route->standing = have_route(standings, route->name);
        for (unsigned h = 0; h < route->host_count; h++) {
            route->hosts[h].standing = have_host(standings, &route->hosts[h]);
        }
        for (unsigned k = 0; k < route->credential_count; k++) {
            struct route_credential *credential = &route->credentials[k];
            credential->standing = have_key(standings, credential->secret_name);
        }
    }
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        struct tenant *tenant = snapshot->tenants[i];
        tenant->standing = have_tenant(standings, tenant->name);
    }
}

/* ---- circuits ---- */

/* Under the lock. True: standings_wake() is due behind it. */
static bool note_change(struct route_standing *standing, struct standing_change *change)
{
    if (change->event == STANDING_SAME) {
        return false;
    }
    change->route = standing->name;
    if (change->event != STANDING_ILL && change->event != STANDING_WELL_AGAIN) {
        standing->transitions[standing->breaker.state]++;
    }
    return standings_keep(standing->standings, change);
}

bool route_standing_admit(struct route_standing *standing, const struct breaker_policy *policy,
                          usec_t now, struct breaker_permit *ret, usec_t *ret_after)
{
    struct standing_change change = {0};
    (void)pthread_mutex_lock(&standing->lock);
    bool admitted = circuit_admit(&standing->breaker, policy, now, ret, ret_after, &change);
    bool wakes = note_change(standing, &change);
    (void)pthread_mutex_unlock(&standing->lock);
    if (wakes) {
        standings_wake(standing->standings);
    }
    return admitted;
}

/* As breaker_report(). NOLINTNEXTLINE(readability-function-size) */
void route_standing_report(struct route_standing *standing, const struct breaker_policy *policy,
                           struct breaker_permit *permit, enum breaker_outcome outcome, usec_t took,
                           usec_t now, uint64_t random)
{
    if (!permit->held) {
        return;
    }
    struct standing_change change = {0};
    const struct circuit_report report = {outcome, took, now, random};
    (void)pthread_mutex_lock(&standing->lock);
    circuit_report(&standing->breaker, policy, permit, &report, &change);
    bool wakes = note_change(standing, &change);
    (void)pthread_mutex_unlock(&standing->lock);
    if (wakes) {
        standings_wake(standing->standings);
    }
}

bool route_standing_would_admit(struct route_standing *standing,
                                const struct breaker_policy *policy, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    bool would = breaker_would_admit(&standing->breaker, policy, now);
    (void)pthread_mutex_unlock(&standing->lock);
    return would;
}

/* ---- health checks ---- */

static void note_ill(struct route_standing *standing, const struct breaker_policy *policy,
                     const struct circuit_report *report, struct standing_change changes[2])
{
    struct breaker_permit permit;
    usec_t after;
    if (circuit_admit(&standing->breaker, policy, report->now, &permit, &after, &changes[0])) {
        /* An open circuit whose time is over: the check is a probe, and says so by its end alone.
         */
        circuit_report(&standing->breaker, policy, &permit, report, &changes[0]);
        if (changes[0].event == STANDING_OPENED_BY_CONNECTS) {
            changes[0].event = STANDING_OPENED_BY_CHECKS;
        }
    }
    standing->ill_in_a_row += standing->ill_in_a_row < UINT32_MAX ? 1 : 0;
    if (standing->ill_in_a_row >= HEALTH_FAILURES && standing->health != HEALTH_ILL) {
        standing->health = HEALTH_ILL;
        changes[1].event = STANDING_ILL;
        changes[1].in_a_row = standing->ill_in_a_row;
    }
}

/* It ends a row of failed connects and checks, but counts as no call: checks of a path that is well
 * must not hide calls that fail. */
static void note_well(struct route_standing *standing, usec_t now,
                      struct standing_change changes[2])
{
    standing->breaker.connect_failures = 0;
    if (standing->health == HEALTH_ILL) {
        changes[0].event = STANDING_WELL_AGAIN;
    }
    standing->health = HEALTH_WELL;
    standing->ill_in_a_row = 0;
    if (breaker_hint_well(&standing->breaker, now)) {
        changes[1].event = STANDING_HINTED;
    }
}

void route_standing_health(struct route_standing *standing, const struct breaker_policy *policy,
                           bool well, usec_t now, uint64_t random)
{
    struct standing_change changes[2] = {0};
    const struct circuit_report report = {BREAKER_CONNECT_FAILURE, 0, now, random};
    (void)pthread_mutex_lock(&standing->lock);
    if (well) {
        note_well(standing, now, changes);
    } else {
        note_ill(standing, policy, &report, changes);
    }
    bool wakes = note_change(standing, &changes[0]);
    wakes = note_change(standing, &changes[1]) || wakes;
    (void)pthread_mutex_unlock(&standing->lock);
    if (wakes) {
        standings_wake(standing->standings);
    }
}

/* ---- retry budgets ---- */

void route_standing_first(struct route_standing *standing, unsigned percent, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    retry_budget_first(&standing->budget, percent, now);
    (void)pthread_mutex_unlock(&standing->lock);
}

bool route_standing_take_retry(struct route_standing *standing, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    bool taken = retry_budget_take(&standing->budget, now);
    (void)pthread_mutex_unlock(&standing->lock);
    return taken;
}

void route_standing_charge_retry(struct route_standing *standing, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    retry_budget_charge(&standing->budget, now);
    (void)pthread_mutex_unlock(&standing->lock);
}

/* ---- requests in flight ---- */

/* The count is never above the bound, not even while it is refused. */
usec_t route_standing_clock(const struct route_standing *standing)
{
    return atomic_load_explicit(&standing->clock_ahead, memory_order_relaxed);
}

bool route_standing_set_clock(struct route_standing *standing, usec_t ahead, usec_t now)
{
    usec_t told = atomic_load_explicit(&standing->clock_told_at, memory_order_relaxed);
    atomic_store_explicit(&standing->clock_ahead, ahead, memory_order_relaxed);
    return (told == 0 || now - told >= 60 * SEC) &&
           atomic_compare_exchange_strong_explicit(&standing->clock_told_at, &told, now,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static bool enter(_Atomic unsigned *in_flight, unsigned most)
{
    if (most == 0) {
        (void)atomic_fetch_add_explicit(in_flight, 1, memory_order_relaxed);
        return true;
    }
    unsigned before = atomic_load_explicit(in_flight, memory_order_relaxed);
    do {
        if (before >= most) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(in_flight, &before, before + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool route_standing_enter(struct route_standing *standing, unsigned most)
{
    return enter(&standing->in_flight, most);
}

void route_standing_leave(struct route_standing *standing)
{
    (void)atomic_fetch_sub_explicit(&standing->in_flight, 1, memory_order_relaxed);
}

bool tenant_standing_enter(struct tenant_standing *standing, unsigned most)
{
    return enter(&standing->in_flight, most);
}

void tenant_standing_leave(struct tenant_standing *standing)
{
    (void)atomic_fetch_sub_explicit(&standing->in_flight, 1, memory_order_relaxed);
}

void tenant_standing_deny(struct tenant_standing *standing)
{
    (void)atomic_fetch_add_explicit(&standing->denied, 1, memory_order_relaxed);
}

uint64_t tenant_standing_denied(const struct tenant_standing *standing)
{
    return atomic_load_explicit(&standing->denied, memory_order_relaxed);
}

/* ---- reset ---- */

static void reset_route(struct route_standing *standing, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    if (standing->breaker.state != BREAKER_CLOSED) {
        standing->transitions[BREAKER_CLOSED]++;
    }
    breaker_reset(&standing->breaker, now);
    (void)pthread_mutex_unlock(&standing->lock);
}

static void reset_key(struct key_standing *standing, usec_t now)
{
    (void)pthread_mutex_lock(&standing->lock);
    breaker_reset(&standing->breaker, now);
    standing->benched_until = 0;
    for (unsigned i = 0; i < KEY_DOMAINS; i++) {
        standing->domains[i].cools_until = 0;
    }
    (void)pthread_mutex_unlock(&standing->lock);
}

unsigned standings_reset(struct standings *standings, const struct snapshot *snapshot,
                         const char *route, usec_t now)
{
    unsigned count = 0;
    (void)standings;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *each = snapshot->routes[i];
        if (route != NULL && strcmp(route, each->name) != 0) {
            continue;
        }
        reset_route(each->standing, now);
        for (unsigned h = 0; h < each->host_count; h++) {
            reset_route(each->hosts[h].standing, now);
        }
        for (unsigned k = 0; k < each->credential_count; k++) {
            reset_key(each->credentials[k].standing, now);
        }
        count++;
    }
    return count;
}
