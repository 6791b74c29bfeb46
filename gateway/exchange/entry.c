#include "gateway/exchange/entry.h"

#include "auth/inbound/tenant.h"
#include "gateway/exchange/clean_text.h"
#include "gateway/exchange/entry_charges.h"
#include "gateway/exchange/entry_details.h"
#include "gateway/exchange/entry_settles.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/path_key.h"
#include "gateway/exchange/steps.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_ring.h"
#include "limiter/reservation.h"
#include "routes/profile.h"

/* Names of the config are short enough and clean: they need no look at every character. */
#define PUT_NAME(field, name) put_name((field), sizeof(field), (name))
static void put_name(char *ret, size_t size, const char *name)
{
    size_t len = strlen(name);
    len = len < size ? len : size - 1;
    memcpy(ret, name, len);
    ret[len] = '\0';
}

/* ---- what is reserved ---- */

struct reserved {
    uint64_t tokens, cost;
};

/* Rules of one unit ask for the same: the most that one of them was given is what is reserved. */
static void add_reserved(const struct reservation *reservation, struct reserved *sum)
{
    uint64_t tokens = 0;
    uint64_t cost = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->limit->unit == LIMIT_TOKENS && demand->granted > tokens) {
            tokens = demand->granted;
        } else if (demand->limit->unit == LIMIT_COST && demand->granted > cost) {
            cost = demand->granted;
        }
    }
    sum->tokens += tokens;
    sum->cost += cost;
}

void entry_reserved(struct exchange *exchange)
{
    struct ledger_row *row = exchange->entry;
    if (row == NULL) {
        return;
    }
    const struct reservation *reservation;
    struct reserved sum = {0};
    for (unsigned i = 0; (reservation = exchange_reservation(exchange, i)) != NULL; i++) {
        add_reserved(reservation, &sum);
    }
    row->reserved_tokens = sum.tokens;
    row->reserved_cost = sum.cost;
    row->flags |= sum.tokens > 0 || sum.cost > 0 ? LEDGER_METERED : 0;
    entry_charges_reserved(exchange, row);
    entry_settles_reserved(exchange, row);
}

/* ---- who asks for what ---- */

static void put_call(const struct exchange *exchange, struct ledger_row *row)
{
    if (exchange->route != exchange->way.asked) {
        PUT_NAME(row->served_by, exchange->route->name);
    }
    PUT_NAME(row->provider, exchange->route->profile->name);
    if (exchange->metering != NULL) {
        LEDGER_TEXT(row->model, metering_model(exchange->metering));
    }
}

static void describe(const struct exchange *exchange, struct ledger_row *row)
{
    PUT_NAME(row->id, exchange->id);
    row->opened_at = exchange->facts.started_wall;
    PUT_NAME(row->tenant, exchange->tenant->name);
    PUT_NAME(row->route, exchange->way.asked->name);
    LEDGER_TEXT(row->method, exchange->request->method_text);
    LEDGER_TEXT(row->path, path_key_shown(exchange));
    LEDGER_TEXT(row->label, exchange_client_label(exchange));
    put_call(exchange, row);
    row->duration = -1;
    row->upstream_duration = -1;
    row->first_byte = -1;
    row->overhead = -1;
}

static void open(struct exchange *exchange)
{
    struct ledger_ring *ring = exchange->side->ring;
    exchange->entry = ring == NULL ? NULL : ledger_ring_take(ring);
    if (exchange->entry != NULL) {
        describe(exchange, exchange->entry);
        entry_reserved(exchange);
        ledger_ring_opened(ring, exchange->entry);
    }
}

void entry_asks(struct exchange *exchange)
{
    if (!exchange->side->quota.shared) {
        return;
    }
    if (exchange->entry == NULL) {
        open(exchange);
    } else {
        entry_settles_reserved(exchange, exchange->entry);
    }
}

void entry_admitted(struct exchange *exchange)
{
    if (exchange->entry == NULL) {
        open(exchange);
    } else {
        put_call(exchange, exchange->entry);
        entry_reserved(exchange);
    }
}

void entry_sent(struct exchange *exchange)
{
    if (exchange->entry != NULL && exchange->metering != NULL) {
        LEDGER_TEXT(exchange->entry->model, metering_model(exchange->metering));
    }
}

/* ---- what it came to ---- */

/* The names by which providers give their request's id. */
static const struct slice id_names[] = {
    SLICE_INIT("x-request-id"),    SLICE_INIT("request-id"),        SLICE_INIT("x-amzn-requestid"),
    SLICE_INIT("apim-request-id"), SLICE_INIT("twilio-request-id"), SLICE_INIT("paypal-debug-id"),
};

void entry_answered(struct exchange *exchange, const struct http1_response *response)
{
    if (exchange->entry == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(id_names) / sizeof(id_names[0]); i++) {
        const struct http1_field *field =
            http1_find_field(response->fields, response->field_count, id_names[i]);
        if (field != NULL) {
            CLEAN_TEXT(exchange, exchange->entry->upstream_id, field->value);
            return;
        }
    }
}

static void put_units(const struct exchange *exchange, struct ledger_row *row)
{
    struct metering_result used;
    row->flags &= ~(uint32_t)(LEDGER_METERED | LEDGER_TOLD | LEDGER_EXACT);
    if (!metering_result(exchange, &used)) {
        return;
    }
    const struct usage *usage = &used.usage;
    row->units[LEDGER_UNIT_INPUT] = usage->input + usage->image_input;
    row->units[LEDGER_UNIT_CACHE_READ] = usage->cache_read;
    row->units[LEDGER_UNIT_CACHE_WRITE] = usage->cache_write;
    row->units[LEDGER_UNIT_OUTPUT] = usage->output + usage->image_output;
    row->units[LEDGER_UNIT_REASONING] = usage->reasoning;
    row->units[LEDGER_UNIT_AUDIO] = usage->audio_input + usage->audio_output;
    row->units[LEDGER_UNIT_IMAGES] = usage->images;
    row->units[LEDGER_UNIT_CHARACTERS] = usage->characters;
    row->units[LEDGER_UNIT_MILLISECONDS] = usage->milliseconds;
    row->units[LEDGER_UNIT_MESSAGES] = usage->messages;
    row->units[LEDGER_UNIT_SEGMENTS] = usage->segments;
    row->units[LEDGER_UNIT_SEARCHES] = usage->searches;
    row->units[LEDGER_UNIT_AUDIO_OUTPUT] = usage->audio_output;
    row->units[LEDGER_UNIT_IMAGE_INPUT] = usage->image_input;
    row->units[LEDGER_UNIT_IMAGE_OUTPUT] = usage->image_output;
    row->cost = used.cost_nanousd;
    row->object_cost = used.last_nanousd;
    row->flags |= LEDGER_METERED | (used.estimated ? (uint32_t)LEDGER_ESTIMATED : 0) |
                  (used.price_fallback ? (uint32_t)LEDGER_PRICE_FALLBACK : 0);
    bool model_kept = slice_equal(used.model, slice_from(row->model)); /* whole, and as it was */
    row->flags |= used.exact && model_kept ? (uint32_t)LEDGER_EXACT : 0;
}

static void put_end(const struct exchange *exchange, struct ledger_row *row, usec_t now)
{
    const struct exchange_facts *facts = &exchange->facts;
    row->status = (uint16_t)facts->status;
    row->upstream_status = (uint16_t)facts->upstream_status;
    row->attempts = (uint16_t)facts->attempts;
    if (exchange->credential != NULL) {
        PUT_NAME(row->credential, exchange->way.choice.credential->secret_name);
    }
    if (exchange->refused) {
        PUT_NAME(row->code, problem_code_text(exchange->refusal.code));
    }
    if (exchange->ended_by != ENDED_NORMALLY) {
        PUT_NAME(row->ended_by, exchange_ended_by_name(exchange->ended_by));
        PUT_NAME(row->step, exchange_state_name(exchange->ended_in));
    }
    row->duration = now - facts->started;
    row->upstream_duration = facts->sent == 0 ? -1 : now - facts->sent;
    row->first_byte = facts->first_byte_out == 0 ? -1 : facts->first_byte_out - facts->started;
    row->overhead = facts->overhead;
    row->closed_at = row->opened_at + row->duration;
}

static void conclude(const struct exchange *exchange, struct ledger_row *row, usec_t now)
{
    if ((row->flags & LEDGER_TOLD) == 0) { /* else it is there, and does not change any more */
        put_call(exchange, row);
        put_units(exchange, row);
    }
    row->units[LEDGER_UNIT_REQUEST_BYTES] = exchange->facts.request_bytes;
    row->units[LEDGER_UNIT_RESPONSE_BYTES] = exchange->facts.response_bytes;
    object_watch_put(exchange, row);
    put_end(exchange, row, now);
    entry_details_write(exchange, row->details, sizeof(row->details));
    entry_charges_settled(exchange, row);
    entry_settles_used(exchange, row);
    row->flags &= ~(uint32_t)LEDGER_TOLD;
}

void entry_used(struct exchange *exchange)
{
    struct ledger_row *row = exchange->entry;
    struct metering_result used;
    if (row == NULL || !metering_result(exchange, &used)) {
        return;
    }
    put_call(exchange, row);
    put_units(exchange, row);
    row->flags |= LEDGER_TOLD;
    if (row->charge_count < LEDGER_CHARGES_MAX) { /* what has no room there is summed, once */
        entry_charges_settled(exchange, row);
    }
    entry_settles_used(exchange, row);
}

void entry_close(struct exchange *exchange, usec_t now)
{
    struct exchange_side *side = exchange->side;
    if (side->ledger == NULL || exchange->tenant == NULL) {
        return;
    }
    if (exchange->entry == NULL) {
        open(exchange);
    }
    if (exchange->entry == NULL) {
        struct ledger_row row;
        ledger_row_clear(&row);
        describe(exchange, &row);
        conclude(exchange, &row, now);
        ledger_fold(side->ledger, &row);
        return;
    }
    conclude(exchange, exchange->entry, now);
    entry_settles_await(exchange, exchange->entry);
    ledger_ring_closed(side->ring, TAKE(exchange->entry));
    side->rows_closed = true;
}
