/*
 * What is charged where: input is bounded by the body's bytes (a byte is at most one token) and the
 * model's context, output by the request's own limit or the model's. A stream reserves slices. In
 * the end the provider's figures count; without any, an estimate that is never above the
 * reservation.
 */
#include "gateway/exchange/metering.h"

#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/exchange/body_facts.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering_state.h"
#include "gateway/meter/event_drop.h"
#include "gateway/meter/request_usage.h"
#include "limiter/reservation.h"
#include "limiter/store.h"
#include "routes/price.h"
#include "routes/profile.h"
#include "routes/target.h"

#include <assert.h>

enum {
    STREAM_SLICE_TOKENS = 1000, /* output that a stream reserves at a time, for each choice */
    EDIT_MAX = 256,             /* a limit of output with its name, or INCLUDE_USAGE_MAX */
    QUARTER = 4,
};

/* ---- what the request may use ---- */

static const struct call *known_call(const struct exchange *exchange)
{
    return body_facts_call(exchange, exchange->route, exchange->rest);
}

/* Where the body names no model, the path may. */
static void take_path_model(const struct exchange *exchange, struct metering *metering)
{
    if (metering->call != NULL && !metering_model_known(metering)) {
        (void)body_facts_path_model(metering->call, exchange->rest, metering->facts.model,
                                    sizeof(metering->facts.model));
    }
}

void metering_find_price(const struct exchange *exchange, struct metering *metering)
{
    const struct price_list *prices = exchange->route->prices;
    take_path_model(exchange, metering);
    if (prices == NULL) {
        return;
    }
    metering->price = price_memo_find(&exchange->side->prices, prices, metering_model(metering),
                                      &metering->price_fallback);
}

/* What the answers of a call that has no limits can be, at most; a model may write less. */
static uint64_t output_each(const struct metering *metering, uint64_t most)
{
    const struct call *call = metering->call;
    if (metering->facts.has_output_limit) {
        return metering->facts.output_limit;
    }
    if (call != NULL && call->output_limit_count == 0 && call->nested_limit.len == 0) {
        return at_most(call->output_each, most);
    }
    return most;
}

bool metering_has_tokens(const struct metering *metering)
{
    return metering->call == NULL || usage_table_has(metering->call->usage, USAGE_INPUT);
}

static void set_bounds(struct metering *metering)
{
    const struct request_facts *facts = &metering->facts;
    const struct price *price = metering->price;
    uint64_t context = price == NULL ? USAGE_TOKENS_MAX : price->context;
    uint64_t most = price == NULL ? USAGE_TOKENS_MAX : price->max_output;
    uint64_t input = facts->inputs * context; /* both are bounded far below overflow */
    metering->input_bound = !metering_has_tokens(metering) ? 0
                            : facts->text_only             ? at_most(facts->text_bytes, input)
                                                           : input;
    uint64_t each = metering_has_tokens(metering) ? output_each(metering, most) : 0;
    if (__builtin_mul_overflow(each, facts->choices, &metering->output_bound)) {
        metering->output_bound = UINT64_MAX;
    }
}

/* Streams of such a call have to be asked for their usage, in a way that is known. */
static bool asks_usage(const struct exchange *exchange, const struct call *call)
{
    return call->include_usage && call->dialect == USAGE_OPENAI_CHAT && exchange->route->asks_usage;
}

/* What the request itself tells of its usage. */
static void read_known(const struct exchange *exchange, struct metering *metering)
{
    bool whole = exchange->body_mode == BODY_WHOLE;
    if (metering->call == NULL) {
        return;
    }
    metering->asks_usage = whole && asks_usage(exchange, metering->call) &&
                           metering->facts.stream && !metering->facts.include_usage;
    metering->facts.stream |= call_streams(metering->call, exchange->query);
    request_usage_read(metering->call->usage, whole ? exchange->body_slice : slice_make("", 0),
                       &metering->known);
}

struct usage metering_units(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    if (metering->call == NULL) {
        return (struct usage){0};
    }
    uint64_t bytes = exchange->body_mode == BODY_STREAMED ? exchange->facts.request_bytes
                                                          : metering->facts.text_bytes;
    struct usage usage =
        usage_table_bound(metering->call->usage, &metering->known,
                          at_most(bytes, USAGE_TOKENS_MAX - 1), metering->facts.choices);
    if (metering->price != NULL && price_counts_tokens(metering->price)) {
        usage.searches = 0; /* a model makes them by itself, if at all */
    }
    return usage;
}

/* Nothing is known of the body but its length. */
static void assume_facts(const struct exchange *exchange, struct metering *metering)
{
    metering->facts =
        (struct request_facts){.text_bytes = exchange->body_slice.len, .inputs = 1, .choices = 1};
}

/* The body of a call that no profile knows may be anything. */
static enum status read_facts(struct exchange *exchange, struct metering *metering,
                              struct error *err)
{
    struct slice body = exchange->body_slice;
    TRY(body_facts_check(exchange->request, "a quota", err));
    metering->call = known_call(exchange);
    metering->counts_usage |= metering->call != NULL;
    enum status status = request_facts_read(metering->call, body, &metering->facts, err);
    if (status != STATUS_OK && metering->call != NULL) {
        return status;
    }
    if (status != STATUS_OK) {
        assume_facts(exchange, metering);
    }
    read_known(exchange, metering);
    metering_find_price(exchange, metering);
    set_bounds(metering);
    return STATUS_OK;
}

/* Nothing has to be known of such a call. */
static void price_by_request(const struct exchange *exchange, struct metering *metering)
{
    if (exchange->route->priced_by_request) {
        metering->by_request = true;
        metering->counts_usage = true;
        metering_find_price(exchange, metering);
    }
}

enum status metering_start(struct exchange *exchange, enum metering_reading reading,
                           struct error *err)
{
    assert(exchange->metering == NULL);
    struct metering *metering = MEMORY_NEW(struct metering);
    exchange->metering = metering;
    metering->by_quota = true;
    price_by_request(exchange, metering);
    return reading == METERING_CONTENT ? read_facts(exchange, metering, err) : STATUS_OK;
}

void metering_watch(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    struct error err; /* nobody is told: no quota reads it, so the provider decides */
    if (metering != NULL && metering->counts_usage) {
        return;
    }
    if (exchange->route->priced_by_request) {
        exchange->metering = metering == NULL ? MEMORY_NEW(struct metering) : metering;
        price_by_request(exchange, exchange->metering);
        return;
    }
    if (exchange->request->framing == HTTP1_NO_BODY || exchange->route->profile->call_count == 0) {
        return;
    }
    const struct call *call = known_call(exchange);
    if (call == NULL) {
        return;
    }
    if (metering == NULL) {
        metering = MEMORY_NEW(struct metering);
        exchange->metering = metering;
    }
    metering->call = call;
    metering->counts_usage = true;
    if (exchange->body_mode != BODY_WHOLE ||
        body_facts_check(exchange->request, "a quota", &err) != STATUS_OK ||
        request_facts_read(call, exchange->body_slice, &metering->facts, &err) != STATUS_OK) {
        assume_facts(exchange, metering);
    }
    read_known(exchange, metering);
    metering_find_price(exchange, metering);
    set_bounds(metering);
}

void metering_free(struct metering *metering)
{
    if (metering != NULL) {
        usage_scan_free(metering->scan);
        event_drop_free(metering->drop);
        buffer_fini(&metering->body);
        memory_free(metering);
    }
}

const struct call *metering_call(const struct exchange *exchange)
{
    return exchange->metering == NULL ? NULL : exchange->metering->call;
}

struct slice metering_model(const struct metering *metering)
{
    return slice_from(metering->facts.model);
}

bool metering_model_known(const struct metering *metering)
{
    return metering->facts.model[0] != '\0';
}

static uint64_t add_bounded(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void metering_demand(const struct exchange *exchange, struct demand *demand)
{
    struct metering *metering = exchange->metering;
    struct usage units;
    switch (demand->limit->unit) {
    case LIMIT_TOKENS:
        demand->fixed = metering->input_bound;
        demand->per_output = 1;
        metering->counts_output = true;
        metering->counts_usage = true;
        break;
    case LIMIT_COST:
        assert(metering->price != NULL); /* admit leaves such rules out else */
        units = metering_units(exchange);
        demand->fixed = add_bounded(price_input_bound(metering->price, metering->input_bound),
                                    price_cost(metering->price, &units));
        demand->per_output = price_output_token(metering->price, metering->input_bound);
        metering->counts_output = true;
        metering->counts_usage = true;
        break;
    case LIMIT_BYTES:
        demand->fixed = exchange->body_mode == BODY_WHOLE ? exchange->body_slice.len
                                                          : exchange->request->content_length;
        metering->counts_bytes = true;
        break;
    case LIMIT_REQUESTS:
    case LIMIT_CONCURRENCY:
    case LIMIT_UNITS:
        break;
    }
    demand->fixed = at_most(demand->fixed, LIMIT_AMOUNT_MAX);
}

static uint64_t slice_of_output(const struct metering *metering)
{
    return STREAM_SLICE_TOKENS * metering->facts.choices;
}

void metering_want(const struct exchange *exchange, struct reservation *reservation)
{
    const struct metering *metering = exchange->metering;
    const struct request_facts *facts = &metering->facts;
    if (!metering->counts_output) {
        return;
    }
    reservation->output_want = metering->output_bound;
    if (metering->call != NULL && facts->stream) {
        reservation->output_want = at_most(slice_of_output(metering), metering->output_bound);
        reservation->output_share = 1;
    } else if (metering->call != NULL && metering->call->output_limit_count > 0 &&
               !facts->has_output_limit && metering->output_bound > 0) {
        reservation->output_share = QUARTER;
    }
}

/* ---- the body ---- */

uint64_t metering_granted(const struct exchange *exchange)
{
    assert(exchange->metering->by_quota);
    return exchange->reservation->output_granted - exchange->metering->granted_before;
}

void metering_held(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    const struct reservation *reservation = exchange->reservation;
    if (!metering->by_quota) {
        return;
    }
    uint64_t granted = metering_granted(exchange);
    if (reservation->output_share == QUARTER && granted < reservation->output_want &&
        reservation->basis != BASIS_NONE) {
        uint64_t each = granted / metering->facts.choices;
        metering->output_limit = each > 0 ? each : 1;
        buffer_reset(&metering->body); /* of the attempt before */
    }
}

uint64_t metering_output_limit(const struct exchange *exchange)
{
    return exchange->metering == NULL ? 0 : exchange->metering->output_limit;
}

bool metering_wants_body(const struct exchange *exchange)
{
    const struct call *call = known_call(exchange);
    return call != NULL && asks_usage(exchange, call) &&
           body_facts_check(exchange->request, "a quota", NULL) == STATUS_OK;
}

bool metering_edits_body(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    return metering != NULL && (metering->output_limit > 0 || metering->asks_usage);
}

bool metering_spare_copy(struct exchange *exchange)
{
    exchange->metering->asks_usage = false;
    return exchange->metering->output_limit == 0;
}

bool metering_take_back(struct exchange *exchange)
{
    bool asked = exchange->metering != NULL && exchange->metering->asks_usage;
    if (asked) {
        exchange->metering->asks_usage = false;
        buffer_reset(&exchange->metering->body);
    }
    return asked;
}

/* A limit is written for plain answers, so never with the other. */
static enum status write_body(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    struct slice body = exchange->call_body;
    buffer_init(&metering->body, body.len + EDIT_MAX);
    return metering->output_limit == 0
               ? request_write_include_usage(body, &metering->body)
               : request_write_output_limit(body, metering->call->output_limits[0],
                                            metering->output_limit, &metering->body);
}

struct slice metering_body(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    if (!metering_edits_body(exchange)) {
        return exchange->call_body;
    }
    if (buffer_len(&metering->body) == 0) {
        enum status status = write_body(exchange);
        assert(status == STATUS_OK); /* it was read, and there is room */
    }
    return buffer_bytes(&metering->body);
}

/* ---- extensions ---- */

void metering_extend(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    struct reservation *reservation = exchange->reservation;
    const struct store_side *store = &exchange->side->quota.store;
    uint64_t granted = metering_granted(exchange);
    uint64_t rest = metering->output_bound > granted ? metering->output_bound - granted : 0;
    reservation->output_want =
        metering->wants_output ? at_most(slice_of_output(metering), rest) : 0;
    reservation->output_share = 1;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->fixed = demand->limit->unit == LIMIT_BYTES ? metering->wants_bytes : 0;
    }
    reservation->step++;
    metering->extending = true;
    store->ops->extend(store->side, reservation);
}
