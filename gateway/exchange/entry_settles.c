#include "gateway/exchange/entry_settles.h"

#include "base/memory.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/ledger/ledger_ring.h"
#include "limiter/reservation.h"

#include <stdatomic.h>
#include <string.h>

/* ---- how much ---- */

/* Does the store have to hear of it? One without a verdict may have been taken all the same. */
static bool is_open(const struct reservation *reservation)
{
    return reservation->state == RESERVATION_NEW || reservation->state == RESERVATION_ASKED ||
           (reservation->state == RESERVATION_HELD && reservation->basis == BASIS_STORE);
}

enum how_much { AS_RESERVED, AS_USED };

static uint64_t amount_of(const struct reservation *reservation, const struct demand *demand,
                          enum how_much how_much)
{
    if (!reservation_is_held(reservation)) {
        return 0;
    }
    return how_much == AS_USED ? demand->used : demand->granted;
}

/* Returns the count behind it; more than there is room for, if it does not fit. */
static unsigned put(const struct reservation *reservation, enum how_much how_much, unsigned count,
                    struct ledger_row *row)
{
    for (unsigned i = 0; is_open(reservation) && i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (limit_settles(demand->limit) && count++ < LEDGER_SETTLES_MAX) {
            row->settles[count - 1] =
                (struct ledger_settle){.used = amount_of(reservation, demand, how_much),
                                       .index = (uint8_t)i,
                                       .first = reservation->id[0]};
        }
    }
    return count;
}

/* Each has its place as long as the request lives, so whoever reads the row of a process that was
 * killed in between finds each as it was or as it will be. Too many: the store charges them at
 * their deadline. */
static void put_all(const struct exchange *exchange, enum how_much how_much, struct ledger_row *row)
{
    const struct reservation *reservation;
    unsigned count = 0;
    if (!exchange->side->quota.shared) {
        return;
    }
    for (unsigned i = 0; (reservation = exchange_reservation(exchange, i)) != NULL; i++) {
        count = put(reservation, how_much, count, row);
    }
    atomic_signal_fence(memory_order_release); /* behind what it counts, also for the compiler */
    row->settle_count = count <= LEDGER_SETTLES_MAX ? count : 0;
}

void entry_settles_reserved(const struct exchange *exchange, struct ledger_row *row)
{
    put_all(exchange, AS_RESERVED, row);
}

void entry_settles_used(const struct exchange *exchange, struct ledger_row *row)
{
    put_all(exchange, AS_USED, row);
}

/* ---- when the store has heard it ---- */

/* In place of the reservation's own owner: a store frees it when it has been told. */
struct awaited {
    void (*release)(void *owner);
    void *owner;
    struct exchange_side *side;
    struct ledger_row *row;
    char id[RESERVATION_ID_LEN + 1];
};

static void release_awaited(void *ctx)
{
    struct awaited *awaited = ctx;
    ledger_ring_paid(awaited->row, awaited->id);
    awaited->side->rows_closed = true; /* it may go now */
    if (awaited->release != NULL) {
        awaited->release(awaited->owner);
    }
    memory_free(awaited);
}

static unsigned await_one(struct exchange *exchange, struct reservation *reservation,
                          struct ledger_row *row)
{
    if (!is_open(reservation)) {
        return 0;
    }
    struct awaited *awaited = MEMORY_NEW(struct awaited);
    awaited->release = reservation->release;
    awaited->owner = reservation->owner;
    awaited->side = exchange->side;
    awaited->row = row;
    memcpy(awaited->id, exchange->id, sizeof(awaited->id));
    reservation->release = release_awaited;
    reservation->owner = awaited;
    return 1;
}

void entry_settles_await(struct exchange *exchange, struct ledger_row *row)
{
    struct reservation *reservation;
    unsigned count = 0;
    if (row->settle_count == 0) {
        return;
    }
    for (unsigned i = 0; (reservation = exchange_reservation(exchange, i)) != NULL; i++) {
        count += await_one(exchange, reservation, row);
    }
    ledger_ring_owes(row, count);
}
