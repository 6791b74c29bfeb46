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
    const struct reservation *answered; /* of the route that was answered; NULL: none */
    unsigned count;                     /* looked at so far */
    bool settled, shared;
};

static uint64_t epoch_of(const struct charges *charges, const struct reservation *reservation)
{
    if (!charges->shared) {
        return LEDGER_EPOCH_MEMORY;
    }
    return reservation->basis == BASIS_STORE ? reservation->epoch : LEDGER_EPOCH_ALONE;
}

static void put(struct charges *charges, const struct reservation *reservation,
                const struct demand *demand)
{
    struct ledger_row *row = charges->row;
    unsigned index = charges->count++;
    bool known = index < row->charge_count;
    struct ledger_charge charge = {
        .hash = known ? row->charges[index].hash : ledger_key_hash(charges->ledger, demand->key),
        .epoch = epoch_of(charges, reservation),
        .start_ms = demand->window_start_ms,
        .end_ms = demand->window_end_ms,
        .amount = charges->settled ? demand_window_charge(demand) : demand_window_reserved(demand),
    };
    if (!known && charges->shared && limit_is_of_values(demand->limit)) {
        ledger_note_key(charges->ledger, &charge, demand->key);
    }
    if (index < LEDGER_CHARGES_MAX) {
        if (charges->settled && demand->limit->unit == LIMIT_COST &&
            reservation == charges->answered) {
            row->object_charges |= UINT32_C(1) << index;
        }
        ledger_row_charge(row, index, &charge);
    } else if (charges->settled) {
        ledger_fold_charge(charges->ledger, &charge);
    }
}

static void put_all(struct charges *charges, const struct reservation *reservation)
{
    if (!reservation_is_held(reservation) || reservation->basis == BASIS_NONE) {
        return;
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (limit_span_is_window(demand->limit->span) && demand->window_end_ms != 0) {
            put(charges, reservation, demand);
        }
    }
}

static void fill(const struct exchange *exchange, struct ledger_row *row, bool settled)
{
    struct charges charges = {.ledger = exchange->side->ledger,
                              .row = row,
                              .answered = exchange->reservation,
                              .settled = settled,
                              .shared = exchange->side->quota.shared};
    const struct reservation *reservation;
    for (unsigned i = 0; (reservation = exchange_reservation(exchange, i)) != NULL; i++) {
        put_all(&charges, reservation);
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
