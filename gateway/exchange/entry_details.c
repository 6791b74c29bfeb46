#include "gateway/exchange/entry_details.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "limiter/reservation.h"

#include <string.h>

enum { TRIES_MAX_BYTES = 16 * 1024, CLOSING_BYTES = 16 };

/* ---- quotas ---- */

static uint64_t used_before(const struct demand *demand)
{
    uint64_t room = demand->left + demand->granted;
    return demand->whole > room ? demand->whole - room : 0;
}

static enum status put_demand(const struct reservation *reservation, const struct demand *demand,
                              struct buffer *out)
{
    bool held = reservation->state == RESERVATION_HELD || reservation->extending;
    bool settles = limit_settles(demand->limit) && demand->limit->unit != LIMIT_CONCURRENCY;
    uint64_t wanted = held ? demand->granted : demand_amount(demand, reservation->output_want);
    TRY(buffer_append(out, SLICE("{\"name\":")));
    TRY(encode_json_string(slice_from(demand->limit->name), out));
    TRY(buffer_append(out, SLICE(",\"unit\":\"")));
    TRY(buffer_append(out, slice_from(limit_unit_name(demand->limit->unit))));
    TRY(buffer_append_with_number(out, SLICE("\",\"limit\":"), demand->limit->amount));
    if (demand->whole > 0) { /* else nobody said */
        TRY(buffer_append_with_number(out, SLICE(",\"used\":"), used_before(demand)));
    }
    TRY(buffer_append_with_number(out, SLICE(",\"demand\":"), wanted));
    TRY(buffer_append_with_number(out, SLICE(",\"settled\":"),
                                  !held     ? 0
                                  : settles ? demand->used
                                            : demand->granted));
    if (demand->refused) {
        TRY(buffer_append(out, SLICE(",\"refused\":true")));
    }
    return buffer_append(out, SLICE("}"));
}

static enum status put_reservation(const struct reservation *reservation, bool *first,
                                   struct buffer *out)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        TRY(buffer_append(out, *first ? SLICE("") : SLICE(",")));
        TRY(put_demand(reservation, &reservation->demands[i], out));
        *first = false;
    }
    return STATUS_OK;
}

static enum status put_quotas(const struct exchange *exchange, struct buffer *out)
{
    bool first = true;
    const struct reservation *reservation;
    if (exchange_reservation(exchange, 0) == NULL) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"quotas\":[")));
    for (unsigned i = 0; (reservation = exchange_reservation(exchange, i)) != NULL; i++) {
        TRY(put_reservation(reservation, &first, out));
    }
    return buffer_append(out, SLICE("]"));
}

/* ---- the rest ---- */

static enum status put_tries(const struct exchange *exchange, struct buffer *out)
{
    struct buffer tries CLEANUP(buffer_fini);
    buffer_init(&tries, TRIES_MAX_BYTES);
    TRY(tries_write(&exchange->way.tries, &tries));
    if (buffer_len(&tries) == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"tries\":")));
    return buffer_append(out, buffer_bytes(&tries));
}

static enum status put_price(const struct exchange *exchange, struct buffer *out)
{
    struct metering_result used;
    if (!metering_result(exchange, &used) || used.price == NULL) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"price\":")));
    return price_memo_write(&exchange->side->prices, used.price, out);
}

/* In which steps it waited, and how long; shorter than that is nobody's question. */
static enum status put_waits(const struct exchange *exchange, struct buffer *out)
{
    const struct exchange_facts *facts = &exchange->facts;
    const usec_t shortest = 100;
    bool any = false;
    for (enum exchange_state state = EXCHANGE_MATCH; state < EXCHANGE_STATES; state++) {
        if (facts->waited[state] >= shortest) {
            TRY(buffer_append(out, any ? SLICE(",\"") : SLICE(",\"waited\":{\"")));
            TRY(buffer_append(out, slice_from(exchange_state_name(state))));
            TRY(buffer_append_with_number(out, SLICE("\":"), (uint64_t)facts->waited[state]));
            any = true;
        }
    }
    return any ? buffer_append(out, SLICE("}")) : STATUS_OK;
}

/* From the first byte of the head, in microseconds. */
static enum status put_times(const struct exchange *exchange, struct buffer *out)
{
    const struct exchange_facts *facts = &exchange->facts;
    if (facts->sent == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append_with_number(out, SLICE(",\"times\":{\"sent\":"),
                                  (uint64_t)(facts->sent - facts->started)));
    if (facts->store_wait > 0) {
        TRY(buffer_append_with_number(out, SLICE(",\"store\":"), (uint64_t)facts->store_wait));
    }
    return buffer_append(out, SLICE("}"));
}

static enum status put_reason(const struct exchange *exchange, struct buffer *out)
{
    if (!exchange->refused) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"reason\":")));
    return encode_json_string(slice_from(exchange->refusal.why.message), out);
}

/* The more important first: what does not fit any more is left out. */
static enum status (*const parts[])(const struct exchange *exchange, struct buffer *out) = {
    put_reason, put_quotas, put_tries, put_price, put_times, put_waits,
};

void entry_details_write(const struct exchange *exchange, char *ret, size_t size)
{
    bool cut = false;
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, size - CLOSING_BYTES);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t before = out.end;
        if (parts[i](exchange, &out) != STATUS_OK) {
            out.end = before;
            cut = true;
        }
    }
    struct slice members = slice_skip(buffer_bytes(&out), buffer_len(&out) > 0 ? 1 : 0);
    struct slice end = !cut              ? SLICE("}")
                       : members.len > 0 ? SLICE(",\"cut\":true}")
                                         : SLICE("\"cut\":true}");
    memcpy(ret + 1, members.ptr, members.len);
    memcpy(ret + 1 + members.len, end.ptr, end.len);
    ret[1 + members.len + end.len] = '\0';
    /* The last: a process that is killed here leaves no half of it, but none. */
    __atomic_store_n(&ret[0], '{', __ATOMIC_RELEASE);
}
