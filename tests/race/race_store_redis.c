/* Workers of one gateway, each with its own side of a Redis store, share what is known of it: they
 * admit exactly the limit, also while the server is flushed and cut off and others read counts. */
#include "base/memory.h"
#include "base/waiter.h"
#include "limiter/local_shares.h"
#include "limiter/store_redis.h"
#include "limiter/zone.h"
#include "tests/support/redis_server.h"

#include <pthread.h>
#include <stdatomic.h>

#include <event2/event.h>

enum { WORKERS = 3, ASKS = 600, LIMIT = 1000 };

static struct redis_server server;
static struct store_redis *store;
static struct limit limit = {.key = SLICE_INIT("{shop:acme}:v2:q:tokens/day"),
                             .tenant = "acme",
                             .unit = LIMIT_TOKENS,
                             .span = LIMIT_DAYS,
                             .days = 1,
                             .amount = LIMIT,
                             .on_failure = STORE_DENY};
static atomic_uint ids, news;

struct worker {
    pthread_t thread;
    struct event_base *base;
    struct timer_queue timers;
    struct ready_list ready;
    struct waiter waiter;
    struct store_redis_side *side;
    struct reservation *reservation;
    unsigned admitted, unavailable;
};

static struct worker workers[WORKERS];

static void on_news(void *ctx, enum store_news kind, const char *text)
{
    (void)ctx;
    (void)kind;
    (void)text;
    (void)atomic_fetch_add(&news, 1);
}

static void resume(struct waiter *waiter)
{
    (void)waiter;
}

static void turn(struct worker *worker)
{
    struct store_side side = store_redis_side(worker->side);
    (void)event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    (void)timer_queue_run(&worker->timers, clock_now(), 100);
    (void)ready_list_run(&worker->ready, 100);
    side.ops->turn_end(side.side);
}

static void use(struct worker *worker)
{
    struct store_side side = store_redis_side(worker->side);
    struct reservation *reservation = reservation_new(1, limit.key.len);
    reservation->demands[0].limit = &limit;
    reservation->demands[0].key = reservation_keep_key(reservation, limit.key);
    reservation->demands[0].fixed = 1;
    reservation->demands[0].used = 1;
    reservation->tenant = "acme";
    reservation->lifetime = 600 * SEC;
    reservation->step = 1;
    (void)snprintf(reservation->id, sizeof(reservation->id), "%032x", atomic_fetch_add(&ids, 1));
    reservation->waiter = &worker->waiter;
    side.ops->ask(side.side, reservation);
    while (reservation->state == RESERVATION_ASKED) {
        turn(worker);
    }
    worker->admitted += reservation->state == RESERVATION_HELD;
    worker->unavailable += reservation->state == RESERVATION_UNAVAILABLE;
    waiter_cancel(&worker->waiter);
    side.ops->settle(side.side, reservation);
    turn(worker);
}

static bool is_quiet(const struct worker *worker)
{
    struct store_redis_counts counts = store_redis_counts(worker->side);
    return counts.up && counts.pending == 0;
}

static void *work(void *ctx)
{
    struct worker *worker = ctx;
    worker->base = event_base_new();
    waiter_init(&worker->waiter, &worker->ready, resume);
    worker->side = store_redis_side_new(store, worker->base, &worker->timers);
    usec_t end = clock_now() + 60 * SEC;
    for (unsigned i = 0; i < ASKS; i++) {
        while (!is_quiet(worker) && clock_now() < end) {
            turn(worker);
        }
        use(worker);
    }
    while (!is_quiet(worker) && clock_now() < end) {
        turn(worker);
    }
    return NULL;
}

static uint64_t count_used(void)
{
    struct store_redis_admin *admin = NULL;
    struct store_entry entry = {0};
    struct error err;
    if (store_redis_admin_open(store, &admin, &err) != STATUS_OK ||
        store_redis_admin_read(admin, &limit, limit.key, "acme", &entry, &err) != STATUS_OK) {
        (void)printf("%s\n", err.message);
    }
    store_redis_admin_close(admin);
    return entry.used;
}

static enum status open_store(void)
{
    return store_redis_new(
        &(struct store_redis_settings){
            .address = {.url_shown = "redis://x", .host = "127.0.0.1", .port = server.port},
            .name = "shop",
            .timeout = 10 * SEC,
            .gateways = 1,
            .clock = {clock_now, clock_wall},
            .ears = {.news = on_news}},
        &store, NULL);
}

/* Another thread: looks on, and cuts all links now and then. */
static void disturb(void)
{
    char out[256];
    for (unsigned i = 0; i < 5; i++) {
        struct local_view view;
        (void)local_shares_view(store_redis_shares(store), limit.key, &view);
        (void)count_used();
        (void)redis_server_cli(&server, out, sizeof(out), "SCRIPT", "FLUSH", NULL);
        (void)redis_server_cli(&server, out, sizeof(out), "DEL", "{shop}:v2:gateways", NULL);
        (void)redis_server_cli(&server, out, sizeof(out), "CLIENT", "KILL", "TYPE", "normal", NULL);
    }
}

int main(void)
{
    struct arena arena = {0};
    unsigned admitted = 0;
    unsigned unavailable = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    redis_server_start(&server, &(struct redis_server_settings){.password = NULL});
    if (zone_load(&arena, "UTC", &limit.zone, NULL) != STATUS_OK || open_store() != STATUS_OK) {
        return 1;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            return 1;
        }
    }
    disturb();
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        admitted += workers[i].admitted;
        unavailable += workers[i].unavailable;
    }
    uint64_t used = count_used();
    bool asked_enough = WORKERS * ASKS - unavailable >= LIMIT;
    (void)printf("admitted %u, counted %u, without an answer %u, news %u\n", admitted,
                 (unsigned)used, unavailable, news);
    for (unsigned i = 0; i < WORKERS; i++) {
        store_redis_side_free(workers[i].side);
        event_base_free(workers[i].base);
        timer_queue_fini(&workers[i].timers);
    }
    store_redis_free(store);
    arena_fini(&arena);
    redis_server_stop(&server);
    return asked_enough && admitted == LIMIT && used == LIMIT ? 0 : 1;
}
