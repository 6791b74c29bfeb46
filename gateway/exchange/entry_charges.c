#include "gateway/exchange/entry_charges.h"

#include "gateway/exchange/exchange.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_ring.h"
#include "limiter/reservation.h"

/* Fills a row's charges in anew. Each demand keeps its place, for reservations are only added while
 * the request lives: a process that is killed in between leaves each charge as it was or as it will
 * be. */
struct charges {
    struct ledger *ledger;
    struct ledger_row *row;
    unsigned count; /* looked at so far */
    bool settled;
};

static bool is_held(const struct reservation *reservation)
{
    bool held = reservation->state == RESERVATION_HELD ||
                (reservation->state == RESERVATION_ASKED && reservation->extending);
    return held && reservation->basis != BASIS_NONE;
}

/* Its key has what a peer chose. */
static bool is_of_value(const struct limit *limit)
{
    return limit->each == EACH_IP || limit->each == EACH_HEADER;
}

static void put(struct charges *charges, const struct reservation *reservation,
                const struct demand *demand)
{
    struct ledger_row *row = charges->row;
    unsigned index = charges->count++;
    bool known = index < row->charge_count;
    struct ledger_charge charge = {
        .hash = known ? row->charges[index].hash : ledger_key_hash(charges->ledger, demand->key),
        .epoch = reservation->basis == BASIS_STORE ? reservation->epoch : 0,
        .start_ms = demand->window_start_ms,
        .end_ms = demand->window_end_ms,
        .amount = charges->settled ? demand_window_charge(demand) : demand_window_reserved(demand),
    };
    if (!known && charge.epoch != 0 && is_of_value(demand->limit)) {
        ledger_note_key(charges->ledger, &charge, demand->key);
    }
    if (index < LEDGER_CHARGES_MAX) {
        ledger_row_charge(row, index, &charge);
    } else if (charges->settled) {
        ledger_fold_charge(charges->ledger, &charge);
    }
}

static void put_all(struct charges *charges, const struct reservation *reservation)
{
    if (!is_held(reservation)) {
        return;
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        bool window = demand->limit->span != LIMIT_RATE && demand->limit->span != LIMIT_HELD;
        if (window && demand->window_end_ms != 0) {
            put(charges, reservation, demand);
        }
    }
}

static void fill(const struct exchange *exchange, struct ledger_row *row, bool settled)
{
    struct charges charges = {
        .ledger = exchange->side->ledger, .row = row, .count = 0, .settled = settled};
    for (unsigned i = 0; i < exchange->earlier_count; i++) {
        put_all(&charges, exchange->earlier[i]);
    }
    if (exchange->reservation != NULL) {
        put_all(&charges, exchange->reservation);
    }
}

void entry_charges_reserved(const struct exchange *exchange, struct ledger_row *row)
{
    fill(exchange, row, false);
}

void entry_charges_settled(const struct exchange *exchange, struct ledger_row *row)
{
    fill(exchange, row, true);
}
