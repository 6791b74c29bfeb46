/*
 * settle: everything that the exchange holds is released here, once, however it ended; what others
 * may wait for, before the last bytes of its answer go.
 */
#include "auth/secrets/secret_store.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/decoding.h"
#include "gateway/exchange/entry.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/mint.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/wait_line.h"
#include "limiter/reservation.h"

#include <assert.h>

/* Behind the attempt's end: it may have borrowed the body from the connection. */
static void let_go(struct exchange *exchange)
{
    struct connection *connection = TAKE(exchange->connection);
    switch (exchange->ending) {
    case ENDING_CUT:
        connection_cut(connection);
        break;
    case ENDING_KEEP:
        if (exchange->body_mode == BODY_WHOLE && !exchange->body_ended) {
            connection_consume(connection, exchange->body_slice.len);
        }
        connection_finish(connection, CONNECTION_KEEP);
        break;
    case ENDING_CLOSE:
        connection_finish(connection, CONNECTION_CLOSE);
        break;
    }
}

/* Whoever waits for what is given back may ask now. */
static void tell_lines(const struct exchange_side *side, const struct buffer *keys)
{
    for (struct slice rest = buffer_bytes(keys); rest.len > 0;) {
        struct slice key = slice_make(rest.ptr, slice_find(rest, '\n'));
        wait_line_room(side->quota.lines, key);
        rest = slice_skip(rest, key.len + 1);
    }
}

/* The keys that others may wait for, a line each: settling frees the reservation with its keys. */
static void note_keys(const struct reservation *reservation, struct buffer *keys)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->limit->wait > 0 && limit_settles(demand->limit)) {
            enum status status = buffer_append(keys, demand->key);
            assert(status == STATUS_OK); /* it has room for all of them */
            status = buffer_append(keys, SLICE("\n"));
            assert(status == STATUS_OK);
        }
    }
}

static void settle_one(struct exchange *exchange, struct reservation *take_reservation)
{
    struct exchange_side *side = exchange->side;
    struct buffer keys CLEANUP(buffer_fini);
    buffer_init(&keys, (size_t)RESERVATION_DEMANDS_MAX * (LIMIT_KEY_MAX + 1));
    note_keys(take_reservation,
              &keys); /* nobody waits yet, but who comes meanwhile may be refused */
    if (take_reservation->state == RESERVATION_HELD) {
        quota_count_overruns(exchange, take_reservation);
    }
    take_reservation->waiter = NULL;
    side->quota.store.ops->settle(side->quota.store.side, take_reservation);
    tell_lines(side, &keys);
}

/* The store is told what was really used, whatever way the exchange ended; those of the routes
 * before the one that it ended on know their use already. */
static void settle_quotas(struct exchange *exchange)
{
    if (exchange->reservation != NULL) {
        settle_one(exchange, TAKE(exchange->reservation));
    }
    while (exchange->earlier_count > 0) {
        settle_one(exchange, exchange->earlier[--exchange->earlier_count]);
    }
}

static void release(struct exchange *exchange)
{
    struct exchange_side *side = exchange->side;
    issuer_wait_leave(&exchange->key_wait);
    way_fini(exchange);
    idempotency_use_free(TAKE(exchange->key));
    metering_free(TAKE(exchange->metering));
    object_watch_free(TAKE(exchange->object));
    timer_cancel(&side->loop->timers, &exchange->room);
    timer_cancel(&side->loop->timers, &exchange->hedge_timer);
    timer_cancel(&side->loop->timers, &exchange->total);
    waiter_cancel(&exchange->waiter);
    decoding_free(exchange);
    mint_fini(exchange);
    sign_fini(exchange);
    credential_unref(TAKE(exchange->credential));
    scrub_state_fini(&exchange->scrub);
    buffer_fini(&exchange->body);
    buffer_fini(&exchange->keyed);
    buffer_wipe(&exchange->injected);
    memory_free(TAKE(exchange->cut_path));
    memory_free(TAKE(exchange->made_route));
    hold_fini(exchange);
    exchange_side_release(side, exchange->held_bytes);
    if (exchange->prev != NULL) {
        exchange->prev->next = exchange->next;
    } else {
        side->first = exchange->next;
    }
    if (exchange->next != NULL) {
        exchange->next->prev = exchange->prev;
    }
    side->count--;
    snapshot_unref(TAKE(exchange->snapshot));
}

void settle_before_end(struct exchange *exchange)
{
    if (exchange->facts.settled_at != 0) {
        return;
    }
    usec_t now = clock_now();
    exchange->facts.settled_at = now;
    exchange->facts.overhead += now - exchange->facts.running_since;
    wait_place_leave(TAKE(exchange->place));
    fallback_carry(exchange);
    if (exchange->metering != NULL) {
        metering_close(exchange);
    }
    entry_close(exchange, now);
    exchange_end_attempt(exchange); /* who comes next is not to find it at the provider still */
    settle_quotas(exchange);
    if (exchange->key != NULL) {
        wait_place_leave(TAKE(exchange->key->place));
    }
    way_leave(exchange);
}

enum step_result settle_begin(struct exchange *exchange)
{
    settle_before_end(exchange);
    exchange_record(exchange, exchange->facts.settled_at);
    let_go(exchange);
    release(exchange);
    return STEP_END;
}
