/* Workers share a circuit, a pool, a budget and bounds: never more probes than there are places,
 * never more in flight than the bound, never more retries than the budget had; and every permit
 * that was given has come back. Beside them news are read, and a page is written. */
#include "base/buffer.h"
#include "config/snapshot.h"
#include "gateway/upstream/credential_pool.h"
#include "gateway/upstream/standing.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 8, ROUNDS = 20000, PROBES = 3, MOST = 5, KEYS = 3 };

static struct route_credential keys[KEYS] = {
    {.secret_name = "k0", .account = "", .weight = 1},
    {.secret_name = "k1", .account = "", .weight = 2},
    {.secret_name = "k2", .account = "other", .account_index = 1, .weight = 3},
};
static struct route route = {
    .name = "api",
    .credentials = keys,
    .credential_count = KEYS,
    .account_count = 2,
    .breaker = {.window = 10 * SEC,
                .min_requests = 10,
                .failure_rate = 50,
                .consecutive = 3,
                .open = 5 * MSEC,
                .max_open = 20 * MSEC,
                .probes = PROBES},
};
static struct tenant tenant = {.name = "acme"};
static struct route *routes[] = {&route};
static struct tenant *tenants[] = {&tenant};
static struct snapshot snapshot = {
    .routes = routes, .route_count = 1, .tenants = tenants, .tenant_count = 1};

static struct standings *standings;
static atomic_int probing, in_flight, at_gate, retries, running;
static atomic_bool too_many_probes, too_many_in_flight, none_chosen;
static atomic_uint probes_seen, refused_seen, woken;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void call(uint64_t *random)
{
    struct breaker_permit permit;
    usec_t after;
    usec_t now = clock_now();
    if (!route_standing_admit(route.standing, &route.breaker, now, &permit, &after)) {
        atomic_fetch_add(&refused_seen, 1);
        return;
    }
    bool fails = next_random(random) % 3 == 0;
    route_standing_report(route.standing, &route.breaker, &permit,
                          fails ? BREAKER_CONNECT_FAILURE : BREAKER_SUCCESS, 0, clock_now(),
                          next_random(random));
}

static void choose(uint64_t *random)
{
    struct pool_choice choice;
    const struct pool_ask ask = {
        .route = &route,
        .domain = next_random(random) % 2 == 0 ? SLICE("") : SLICE("model"),
        .tried = (uint32_t)next_random(random) % 8,
        .pinned = next_random(random) % 2 == 0,
        .account = next_random(random),
        .now = clock_now(),
        .random = next_random(random),
    };
    const struct judgement judgement = {
        .outcome = next_random(random) % 3 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS,
        .throttled = next_random(random) % 50 == 0,
        .key_refused = next_random(random) % 50 == 0,
    };
    const struct advice advice = {.retry_after = MSEC,
                                  .has_limit = true,
                                  .limit = 100,
                                  .remaining = next_random(random) % 100,
                                  .reset_after = MSEC};
    credential_pool_choose(&ask, &choice);
    if (choice.credential == NULL) {
        atomic_store(&none_chosen, true);
        return;
    }
    credential_pool_note(&ask, &choice, &judgement, &advice, 0);
}

static void pass_the_bounds(void)
{
    if (route_standing_enter(route.standing, MOST)) {
        if (atomic_fetch_add(&in_flight, 1) >= MOST) {
            atomic_store(&too_many_in_flight, true);
        }
        (void)sched_yield(); /* so that others come while it is in */
        (void)atomic_fetch_sub(&in_flight, 1);
        route_standing_leave(route.standing);
    }
}

/* One place, many who want it, and nothing between: where a check and an add were two steps, two
 * would get in. */
static void pass_the_gate(void)
{
    for (unsigned i = 0; i < 20; i++) {
        if (tenant_standing_enter(tenant.standing, 1)) {
            if (atomic_fetch_add(&at_gate, 1) > 0) {
                atomic_store(&too_many_in_flight, true);
            }
            (void)atomic_fetch_sub(&at_gate, 1);
            tenant_standing_leave(tenant.standing);
        }
    }
}

static void *work(void *number)
{
    uint64_t random = 88172645463325252U + (uint64_t)(uintptr_t)number;
    for (unsigned i = 0; i < ROUNDS; i++) {
        call(&random);
        choose(&random);
        pass_the_bounds();
        pass_the_gate();
        if (route_standing_take_retry(route.standing, SEC)) {
            (void)atomic_fetch_add(&retries, 1);
        }
        if (i % 500 == 0) {
            route_standing_health(route.standing, &route.breaker, i % 1000 == 0, clock_now(), 0);
        }
    }
    (void)atomic_fetch_sub(&running, 1);
    return NULL;
}

/* ---- probes: four threads in a circuit that is half open ---- */

static pthread_barrier_t opened, asked, told;

static void *probe(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < 2000; i++) {
        struct breaker_permit permit;
        usec_t after;
        (void)pthread_barrier_wait(&opened);
        bool mine = route_standing_admit(route.standing, &route.breaker,
                                         (usec_t)(i + 2) * 3600 * SEC, &permit, &after);
        if (mine && atomic_fetch_add(&probing, 1) >= PROBES) {
            atomic_store(&too_many_probes, true);
        }
        atomic_fetch_add(&probes_seen, mine ? 1 : 0);
        (void)pthread_barrier_wait(&asked);
        if (mine) {
            (void)atomic_fetch_sub(&probing, 1);
            route_standing_report(route.standing, &route.breaker, &permit, BREAKER_CONNECT_FAILURE,
                                  0, (usec_t)(i + 2) * 3600 * SEC, i);
        }
        (void)pthread_barrier_wait(&told); /* it is open again for the next round */
    }
    return NULL;
}

/* As many threads as there are places, and one more: each round all places are taken. */
static void race_for_probes(void)
{
    enum { PROBERS = PROBES + 1 };
    pthread_t threads[PROBERS];
    struct breaker_permit permit;
    usec_t after;
    for (unsigned i = 0; i < route.breaker.consecutive; i++) {
        (void)route_standing_admit(route.standing, &route.breaker, SEC, &permit, &after);
        route_standing_report(route.standing, &route.breaker, &permit, BREAKER_CONNECT_FAILURE, 0,
                              SEC, 0);
    }
    (void)pthread_barrier_init(&opened, NULL, PROBERS);
    (void)pthread_barrier_init(&asked, NULL, PROBERS);
    (void)pthread_barrier_init(&told, NULL, PROBERS);
    for (unsigned i = 0; i < PROBERS; i++) {
        (void)pthread_create(&threads[i], NULL, probe, NULL);
    }
    for (unsigned i = 0; i < PROBERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

/* ---- all at once ---- */

static void count_news(void *ctx, const struct standing_news *news)
{
    *(unsigned *)ctx += news->text[0] != '\0' ? 1 : 0;
}

static void wake(void *ctx)
{
    (void)ctx;
    (void)atomic_fetch_add(&woken, 1);
}

static unsigned race_for_all(void)
{
    pthread_t threads[THREADS];
    struct buffer page;
    unsigned news = 0;
    unsigned lost = 0;
    buffer_init(&page, 1024 * 1024);
    atomic_store(&running, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++) {
        (void)pthread_create(&threads[i], NULL, work, (void *)i);
    }
    while (atomic_load(&running) > 0) {
        unsigned more = 0;
        standings_news(standings, &news, count_news, &more);
        lost += more;
        buffer_consume(&page, buffer_len(&page));
        (void)standings_show(standings, &snapshot, clock_now(), &page);
        (void)standings_show_metrics(standings, &snapshot, clock_now(), &page);
        (void)standings_reset(standings, &snapshot, NULL, clock_now());
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    buffer_fini(&page);
    return news + lost;
}

int main(void)
{
    standings = standings_new();
    standings_join(standings, &snapshot);
    standings_on_news(standings, wake, NULL);
    race_for_probes();
    (void)standings_reset(standings, &snapshot, NULL, clock_now());
    unsigned news = race_for_all();

    /* A budget that begins full and gains nothing while its clock stands. */
    bool budget_kept = atomic_load(&retries) == 20;
    bool empty =
        route_standing_enter(route.standing, 1) && tenant_standing_enter(tenant.standing, 1);
    bool all_places = atomic_load(&probes_seen) == 2000 * PROBES;
    bool good = !too_many_probes && !too_many_in_flight && !none_chosen && budget_kept && empty &&
                all_places && news > 0 && atomic_load(&woken) > 0;
    (void)printf("probes %u%s, %d retries, %u refused, %u news, woken %u%s%s%s\n", probes_seen,
                 too_many_probes ? " (too many at once)" : "", retries, refused_seen, news, woken,
                 too_many_in_flight ? ", too many in flight" : "", empty ? "" : ", some never left",
                 none_chosen ? ", none chosen" : "");
    standings_free(standings);
    return good ? 0 : 1;
}
