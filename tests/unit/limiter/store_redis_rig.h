/*
 * store_redis_rig: a store in a real Redis server of the test's own, with a loop, sides as workers
 * have them, and a clock that runs and can be set forward. Time-outs are so long that none is over
 * unless the test sets the clock.
 */
#pragma once

#include "base/memory.h"
#include "base/waiter.h"
#include "limiter/local_shares.h"
#include "limiter/store_redis_state.h"
#include "limiter/zone.h"
#include "tests/support/redis_server.h"

#include <stdio.h>

#include <criterion/criterion.h>
#include <event2/event.h>

enum { RIG_SIDES = 4, RIG_TEXT = 1024 };

#define RIG_TIMEOUT (20 * SEC)

struct rig {
    struct redis_server server;
    struct event_base *base;
    struct timer_queue timers;
    struct ready_list ready;
    struct store_redis *stores[RIG_SIDES]; /* "processes" */
    struct store_redis_side *sides[RIG_SIDES];
    struct arena arena;
    const struct zone *utc;
    unsigned ids;   /* reservations made */
    unsigned woken; /* waiters resumed */
    unsigned news[STORE_WARNING + 1];
    char text[RIG_TEXT]; /* of the last news */
};

static struct rig rig;
static usec_t rig_ahead;      /* how far the monotonic clock was set forward */
static usec_t rig_wall_ahead; /* how wrong the clock on the wall is */

static inline usec_t rig_now(void)
{
    return clock_now() + rig_ahead;
}

static inline usec_t rig_wall(void)
{
    return clock_wall() + rig_wall_ahead;
}

static inline void rig_news(void *ctx, enum store_news kind, const char *text)
{
    cr_assert_eq(ctx, &rig);
    rig.news[kind]++;
    (void)snprintf(rig.text, sizeof(rig.text), "%s", text);
}

static inline struct redis_address rig_address(void)
{
    return (struct redis_address){
        .url_shown = "redis://SHOWN",
        .host = rig.server.ca[0] != '\0' ? "localhost" : "127.0.0.1",
        .port = rig.server.port,
        .tls = rig.server.ca[0] != '\0',
        .ca = rig.server.ca[0] != '\0' ? rig.server.ca : NULL,
    };
}

/* A gateway's process; a side of it is made by rig_add_side(). */
static inline struct store_redis *rig_new_store(usec_t timeout)
{
    const struct store_redis_settings settings = {
        .address = rig_address(),
        .name = "shop",
        .timeout = timeout,
        .gateways = 2,
        .clock = {.now = rig_now, .wall = rig_wall},
        .ears = {.news = rig_news, .ctx = &rig},
    };
    struct store_redis *store = NULL;
    struct error err;
    cr_assert_eq(store_redis_new(&settings, &store, &err), STATUS_OK, "%s", err.message);
    return store;
}

static inline void rig_turn(void)
{
    (void)event_base_loop(rig.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    (void)timer_queue_run(&rig.timers, rig_now(), 1000);
    (void)ready_list_run(&rig.ready, 100000);
    for (unsigned i = 0; i < RIG_SIDES; i++) {
        if (rig.sides[i] != NULL) {
            struct store_side side = store_redis_side(rig.sides[i]);
            side.ops->turn_end(side.side);
        }
    }
}

/* Turns until it is so; the test fails if that takes 20 seconds. */
#define rig_until(claim)                                                                           \
    do {                                                                                           \
        usec_t until_end_ = clock_now() + 20 * SEC;                                                \
        while (!(claim)) {                                                                         \
            cr_assert_lt(clock_now(), until_end_, "it never came true: " #claim "; %s", rig.text); \
            rig_turn();                                                                            \
            redis_server_nap();                                                                    \
        }                                                                                          \
    } while (0)

static inline void rig_turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rig_turn();
        redis_server_nap();
    }
}

static inline bool rig_is_up(unsigned index)
{
    return store_redis_counts(rig.sides[index]).up;
}

/* All that was to be told has been told. */
static inline bool rig_is_quiet(unsigned index)
{
    struct store_redis_counts counts = store_redis_counts(rig.sides[index]);
    return counts.up && counts.pending == 0 && counts.waiting == 0 &&
           !local_shares_have_debts(rig.sides[index]->store->shares);
}

static inline void rig_add_side(unsigned index, struct store_redis *store)
{
    rig.sides[index] = store_redis_side_new(store, rig.base, &rig.timers);
}

static inline void rig_begin_with(const struct redis_server_settings *settings)
{
    (void)signal(SIGPIPE, SIG_IGN);
    redis_server_start(&rig.server, settings);
    rig.base = event_base_new();
    cr_assert_eq(zone_load(&rig.arena, "UTC", &rig.utc, NULL), STATUS_OK);
}

/* A server, a process, a side of it that is up. */
static inline void rig_begin(void)
{
    rig_begin_with(&(struct redis_server_settings){.password = NULL});
    rig.stores[0] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(0, rig.stores[0]);
    rig_until(rig_is_up(0));
}

static inline void rig_free_side(unsigned index)
{
    store_redis_side_free(rig.sides[index]);
    rig.sides[index] = NULL;
}

static inline void rig_end(void)
{
    redis_server_resume(&rig.server);
    for (unsigned i = 0; i < RIG_SIDES; i++) {
        store_redis_side_free(rig.sides[i]);
    }
    for (unsigned i = 0; i < RIG_SIDES; i++) {
        store_redis_free(rig.stores[i]);
    }
    event_base_free(rig.base);
    timer_queue_fini(&rig.timers);
    arena_fini(&rig.arena);
    redis_server_stop(&rig.server);
}

/* ---- rules ---- */

static inline const struct limit *rig_limit(struct limit limit)
{
    char text[LIMIT_KEY_MAX];
    struct limit *kept = ARENA_NEW(&rig.arena, struct limit);
    limit.tenant = "acme";
    size_t len = limit_identity(&limit, text, sizeof(text));
    limit.identity = arena_copy(&rig.arena, slice_make(text, len));
    len = limit_key_prefix(&limit, "shop", text, sizeof(text));
    limit.key = arena_copy(&rig.arena, slice_make(text, len));
    *kept = limit;
    return kept;
}

static inline const struct limit *rig_daily(enum limit_unit unit, uint64_t amount,
                                            enum store_failure on_failure)
{
    return rig_limit((struct limit){.unit = unit,
                                    .span = LIMIT_DAYS,
                                    .days = 1,
                                    .amount = amount,
                                    .zone = rig.utc,
                                    .on_failure = on_failure});
}

static inline const struct limit *rig_slots(uint64_t amount)
{
    return rig_limit(
        (struct limit){.unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .amount = amount});
}

/* ---- a request ---- */

struct rig_request {
    struct waiter waiter;
    struct reservation *reservation;
    unsigned side;
};

static inline void rig_resume(struct waiter *waiter)
{
    (void)waiter;
    rig.woken++;
}

static inline void rig_make(struct rig_request *request, unsigned side, const struct limit *limit,
                            uint64_t fixed)
{
    struct reservation *reservation = reservation_new(1, limit->key.len);
    reservation->demands[0].limit = limit;
    reservation->demands[0].key = reservation_keep_key(reservation, limit->key);
    reservation->demands[0].fixed = fixed;
    (void)snprintf(reservation->id, sizeof(reservation->id), "%032x", ++rig.ids);
    reservation->tenant = "acme";
    reservation->lifetime = 600 * SEC;
    waiter_init(&request->waiter, &rig.ready, rig_resume);
    reservation->waiter = &request->waiter;
    request->reservation = reservation;
    request->side = side;
}

static inline enum reservation_state rig_ask_again(struct rig_request *request)
{
    struct store_side side = store_redis_side(rig.sides[request->side]);
    request->reservation->state = RESERVATION_NEW;
    request->reservation->step++;
    side.ops->ask(side.side, request->reservation);
    return request->reservation->state;
}

/* Without a turn: what is asked of the store waits. */
static inline enum reservation_state rig_ask(struct rig_request *request, unsigned side,
                                             const struct limit *limit, uint64_t fixed)
{
    rig_make(request, side, limit, fixed);
    return rig_ask_again(request);
}

/* By the store: true if it was admitted. */
static inline bool rig_get(struct rig_request *request, unsigned side, const struct limit *limit,
                           uint64_t fixed)
{
    cr_assert_eq(rig_ask(request, side, limit, fixed), RESERVATION_ASKED);
    rig_until(request->reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request->reservation->basis, BASIS_STORE);
    return request->reservation->state == RESERVATION_HELD;
}

static inline void rig_extend(struct rig_request *request, uint64_t fixed)
{
    struct store_side side = store_redis_side(rig.sides[request->side]);
    request->reservation->step++;
    request->reservation->demands[0].fixed = fixed;
    side.ops->extend(side.side, request->reservation);
}

static inline void rig_settle(struct rig_request *request, uint64_t used)
{
    struct store_side side = store_redis_side(rig.sides[request->side]);
    waiter_cancel(&request->waiter);
    request->reservation->demands[0].used = used;
    side.ops->settle(side.side, TAKE(request->reservation));
}

/* Written and sent, but what comes back is not read. */
static inline void rig_send(unsigned index)
{
    struct store_side side = store_redis_side(rig.sides[index]);
    side.ops->turn_end(side.side);
}

/* ---- the server ---- */

/* What the key has counted; it always adds up. */
static inline struct store_entry rig_entry(const struct limit *limit)
{
    struct store_redis_admin *admin = NULL;
    struct store_entry entry = {0};
    struct error err;
    cr_assert_eq(store_redis_admin_open(rig.stores[0], &admin, &err), STATUS_OK, "%s", err.message);
    cr_assert_eq(store_redis_admin_read(admin, limit, limit->key, "acme", &entry, &err), STATUS_OK,
                 "%s", err.message);
    store_redis_admin_close(admin);
    cr_assert(store_entry_adds_up(&entry));
    return entry;
}

#define rig_cli(...)                                                                               \
    redis_server_cli(&rig.server, (char[RIG_TEXT]){0}, RIG_TEXT, __VA_ARGS__, (const char *)NULL)

/* Cuts all links; the data stays. */
static inline void rig_cut(void)
{
    (void)rig_cli("CLIENT", "KILL", "TYPE", "normal");
}

/* The store is away: its side has given it up. */
static inline void rig_lose(unsigned index)
{
    redis_server_pause(&rig.server);
    rig_ahead += BEAT_EVERY; /* a heartbeat is due */
    rig_turns(2);
    rig_ahead += RIG_TIMEOUT;
    rig_until(!rig_is_up(index));
}

/* It is back, and the retry is due. */
static inline void rig_find(unsigned index)
{
    redis_server_resume(&rig.server);
    rig_ahead += BACKOFF_MAX;
    rig_until(rig_is_quiet(index));
}
