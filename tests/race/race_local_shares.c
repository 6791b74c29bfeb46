/* Threads go alone on shared keys: together never beyond the gateway's share, and what is handed
 * over is what was used, whoever takes it out and whoever looks on. */
#include "base/memory.h"
#include "limiter/local_shares.h"
#include "limiter/zone.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { THREADS = 4, ASKS = 20000, LEFT = 60000, SLOTS = 4, GATEWAYS = 2 };

static struct local_shares *shares;
static struct limit budget = {.key = SLICE_INIT("budget"),
                              .tenant = "acme",
                              .unit = LIMIT_TOKENS,
                              .span = LIMIT_DAYS,
                              .days = 1,
                              .amount = 1000000};
static const struct limit slots = {.key = SLICE_INIT("slots"),
                                   .tenant = "acme",
                                   .unit = LIMIT_CONCURRENCY,
                                   .span = LIMIT_HELD,
                                   .amount = SLOTS};
static _Atomic int64_t used, handed_over;
static atomic_int held;
static atomic_bool too_many;

static usec_t read_clock(void)
{
    return 20000 * (86400 * SEC) + 3600 * SEC;
}

static struct reservation *reserve(void)
{
    struct reservation *reservation = reservation_new(2, LIMIT_KEY_MAX);
    const struct limit *const limits[] = {&budget, &slots};
    reservation->tenant = "acme";
    for (unsigned i = 0; i < 2; i++) {
        reservation->demands[i].limit = limits[i];
        reservation->demands[i].key = reservation_keep_key(reservation, limits[i]->key);
        reservation->demands[i].fixed = i == 0 ? 2 : 1;
    }
    return reservation;
}

static void take_out(void)
{
    struct local_debt debts[4];
    unsigned count = local_shares_take(shares, debts, 4);
    for (unsigned i = 0; i < count; i++) {
        (void)atomic_fetch_add(&handed_over, debts[i].hand_over.amount);
    }
}

static void *work(void *number)
{
    uint64_t mine = (uint64_t)(uintptr_t)number;
    for (unsigned i = 0; i < ASKS; i++) {
        struct reservation *reservation = reserve();
        local_shares_ask(shares, reservation);
        if (reservation->state == RESERVATION_HELD) {
            if (atomic_fetch_add(&held, 1) >= SLOTS / GATEWAYS) {
                atomic_store(&too_many, true);
            }
            reservation->demands[0].used = (i + mine) % 4; /* more or less than was reserved */
            (void)atomic_fetch_add(&used, (int64_t)reservation->demands[0].used);
            (void)atomic_fetch_sub(&held, 1);
            local_shares_settle(shares, reservation);
        }
        reservation_free(reservation);
        struct local_view view;
        (void)local_shares_view(shares, budget.key, &view);
        if (i % 16 == mine) {
            take_out();
        }
    }
    return NULL;
}

static void hear(void)
{
    struct reservation *reservation = reserve();
    reservation->state = RESERVATION_REFUSED;
    reservation->demands[0].left = LEFT;
    reservation->demands[0].reset_after = 3600 * SEC;
    reservation->demands[1].left = SLOTS;
    local_shares_note_gateways(shares, GATEWAYS);
    local_shares_note(shares, reservation);
    reservation_free(reservation);
}

int main(void)
{
    static const struct limiter_clock clock = {read_clock, read_clock};
    struct arena arena = {0};
    pthread_t threads[THREADS];
    if (zone_load(&arena, "UTC", &budget.zone, NULL) != STATUS_OK) {
        return 1;
    }
    shares = local_shares_new(&clock, GATEWAYS);
    local_shares_set_away(shares, true);
    hear();
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0) {
            return 1;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    take_out();
    /* The last one in may use one token more than was reserved, and so may each beside it. */
    bool within = used <= LEFT / GATEWAYS + THREADS && used > LEFT / GATEWAYS - 2 * THREADS;
    bool good = within && used == handed_over && !too_many && !local_shares_have_debts(shares);
    (void)printf("used %lld, handed over %lld, %s\n", (long long)used, (long long)handed_over,
                 too_many ? "too many slots" : "slots as they should be");
    local_shares_free(shares);
    arena_fini(&arena);
    return good ? 0 : 1;
}
