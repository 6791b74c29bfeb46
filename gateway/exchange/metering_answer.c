/* metering of the answer: looks at it while it streams by, and says in the end what was used. */
#include "base/memory.h"
#include "gateway/exchange/content_type.h"
#include "gateway/exchange/entry.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering_state.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/meter/event_drop.h"
#include "gateway/meter/stream_end.h"
#include "gateway/observe/families.h"
#include "limiter/reservation.h"
#include "limiter/store.h"
#include "routes/codings.h"
#include "routes/price.h"
#include "routes/profile.h"

#include <assert.h>

enum {
    BYTES_SLICE = 256 * 1024, /* of an answer whose length is not known */
    BYTES_A_TOKEN = 4,        /* of text, for estimates */
};

/* ---- the head ---- */

/* Answers to a call that no profile knows are read as those of the provider's other calls. */
static const struct usage_table *table_of(const struct exchange *exchange)
{
    const struct profile *profile = exchange->route->profile;
    assert(profile->call_count > 0); /* else there is no usage to be looked for */
    return exchange->metering->call != NULL ? exchange->metering->call->usage
                                            : profile->calls[0].usage;
}

static enum scanned_body form_of(struct slice type)
{
    static const struct {
        struct slice type;
        enum scanned_body body;
    } forms[] = {
        {SLICE_INIT("text/event-stream"), SCAN_EVENTS},
        {SLICE_INIT("application/vnd.amazon.eventstream"), SCAN_AMAZON},
        {SLICE_INIT("application/stream+json"), SCAN_LINES},
        {SLICE_INIT("application/x-ndjson"), SCAN_LINES},
        {SLICE_INIT("application/jsonl"), SCAN_LINES},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (slice_equal_nocase(type, forms[i].type)) {
            return forms[i].body;
        }
    }
    return content_type_is_json(type) ? SCAN_JSON : SCAN_OTHER;
}

/* Figures in headers. */
static void read_headers(const struct usage_table *table, const struct http1_response *response,
                         struct usage_figures *figures)
{
    for (unsigned i = 0; i < table->place_count; i++) {
        const struct usage_place *place = &table->places[i];
        for (unsigned j = 0; place->kind == PLACE_HEADER && j < response->field_count; j++) {
            const struct http1_field *field = &response->fields[j];
            uint64_t value = 0;
            if (slice_equal_nocase(field->name, place->header) &&
                slice_number(field->value, USAGE_TOKENS_MAX, &value)) {
                usage_figures_note(figures, i, value);
            }
        }
    }
}

/* An error is only charged by what it tells. */
static void begin_scan(struct exchange *exchange, const struct http1_response *response,
                       enum scanned_body form)
{
    struct metering *metering = exchange->metering;
    const struct usage_table *table = table_of(exchange);
    metering->scan = usage_scan_new(table, form);
    struct object_scan *objects = form == SCAN_JSON ? object_watch_share(exchange) : NULL;
    if (objects != NULL) {
        usage_scan_share(metering->scan, objects);
    }
    if (metering->call != NULL && response->status < 400) {
        struct usage_figures told;
        told.seen = 0;
        read_headers(table, response, &told);
        usage_scan_note(metering->scan, &metering->known);
        usage_scan_note(metering->scan, &told);
    }
}

bool metering_head(struct exchange *exchange, const struct http1_response *response)
{
    struct metering *metering = exchange->metering;
    enum scanned_body form = form_of(content_type_of(response));
    metering->events = form != SCAN_JSON && form != SCAN_OTHER;
    metering->plain = form == SCAN_JSON;
    if (metering->counts_usage && exchange->route->profile->call_count > 0 &&
        (form != SCAN_OTHER || metering->call != NULL)) {
        begin_scan(exchange, response, form);
    }
    if (metering->asks_usage && form == SCAN_EVENTS &&
        coding_of(response->fields, response->field_count) == CODING_IDENTITY) {
        metering->drop = event_drop_new();
    }
    if (!metering->counts_bytes || response->framing == HTTP1_NO_BODY) {
        return false;
    }
    metering->wants_bytes =
        response->framing == HTTP1_LENGTH ? response->content_length : BYTES_SLICE;
    return metering->wants_bytes > 0;
}

struct event_drop *metering_drop(const struct exchange *exchange)
{
    return exchange->metering == NULL ? NULL : exchange->metering->drop;
}

bool metering_tells(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    return metering != NULL && metering->scan != NULL && metering->plain;
}

bool metering_streams(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    return metering != NULL && metering->scan != NULL && metering->events;
}

bool metering_reads(const struct exchange *exchange)
{
    return metering_tells(exchange) || metering_streams(exchange);
}

bool metering_may_read(const struct exchange *exchange)
{
    return exchange->metering != NULL && exchange->metering->counts_usage;
}

bool metering_may_change(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    return metering != NULL &&
           ((metering->counts_output && metering->facts.stream) || metering->asks_usage);
}

/* ---- the body ---- */

static void take_extension(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    if (metering->extending && exchange->reservation->state != RESERVATION_ASKED) {
        metering->extending = false;
        if (!exchange->reservation->extension_refused) {
            metering->bytes_covered += metering->wants_bytes;
            quota_note_warnings(exchange);
            entry_reserved(exchange);
        }
        metering->wants_bytes = 0;
        metering->wants_output = false;
    }
}

enum metering_extension metering_extended(struct exchange *exchange)
{
    if (!exchange->metering->by_quota) {
        return METERING_GRANTED;
    }
    if (exchange->metering->extending && exchange->reservation->state == RESERVATION_ASKED) {
        return METERING_ASKED;
    }
    take_extension(exchange);
    return exchange->reservation->extension_refused ? METERING_REFUSED : METERING_GRANTED;
}

/* How many tokens the stream may have generated before more must be reserved. */
static uint64_t covered(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    const struct reservation *reservation = exchange->reservation;
    if (!metering->counts_output) {
        return UINT64_MAX;
    }
    uint64_t granted = metering_granted(exchange);
    bool all = granted >= metering->output_bound;
    return all || reservation->basis == BASIS_NONE || exchange->facts.upstream_status >= 400
               ? UINT64_MAX
               : granted;
}

enum metering_pass metering_look_text(struct exchange *exchange, struct slice text,
                                      size_t *ret_count)
{
    struct metering *metering = exchange->metering;
    enum metering_pass pass = METERING_PASS;
    if (metering->scan != NULL) {
        uint64_t enough = metering->events ? covered(exchange) : UINT64_MAX;
        text.len = usage_scan_feed(metering->scan, text, enough);
        if (enough != UINT64_MAX && usage_scan_output(metering->scan) > enough &&
            !usage_scan_ended(metering->scan)) {
            metering->wants_output = true;
            pass = METERING_EXTEND;
        }
    }
    metering->text_bytes += text.len;
    *ret_count = text.len;
    return pass;
}

enum metering_pass metering_look(struct exchange *exchange, struct slice data, size_t *ret_count)
{
    struct metering *metering = exchange->metering;
    enum metering_pass pass = METERING_PASS;
    if (metering->counts_bytes && data.len > metering->bytes_covered - metering->answer_bytes) {
        data.len = (size_t)(metering->bytes_covered - metering->answer_bytes);
        metering->wants_bytes = BYTES_SLICE;
        pass = METERING_EXTEND;
    }
    if (exchange->decoding == NULL && metering_look_text(exchange, data, &data.len) != pass) {
        pass = METERING_EXTEND;
    }
    metering->answer_bytes += data.len;
    *ret_count = data.len;
    return pass;
}

void metering_complete(struct exchange *exchange)
{
    exchange->metering->complete = true;
}

/* ---- what was used ---- */

static uint64_t tokens_of_bytes(uint64_t bytes)
{
    return (bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
}

/* Nothing tells how far a provider got with a plain answer that did not come: all that was
 * reserved. Where nothing was, what came is all there is to go by. */
static uint64_t output_estimate(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    if (metering->events) {
        return usage_scan_output_estimate(metering->scan);
    }
    return !metering->counts_output || (metering->complete && metering->scan != NULL)
               ? at_most(tokens_of_bytes(metering->text_bytes), metering->output_bound)
               : metering_granted(exchange);
}

static struct usage estimate(const struct exchange *exchange)
{
    const struct metering *metering = exchange->metering;
    struct usage usage = metering_units(exchange);
    struct usage tokens = {0};
    if (!metering_has_tokens(metering)) {
        return usage;
    }
    if (metering->scan == NULL || !usage_scan_input(metering->scan, &tokens)) {
        uint64_t bytes = exchange->body_mode == BODY_STREAMED ? exchange->facts.request_bytes
                                                              : metering->facts.text_bytes;
        tokens.input = at_most(tokens_of_bytes(bytes), metering->input_bound);
    }
    tokens.output = output_estimate(exchange);
    if (usage_tokens(&tokens) == 0) {
        tokens.input = 1;
    }
    usage_add(&usage, &tokens);
    return usage;
}

/* A byte of the request has left: the provider may have worked on it. */
static bool was_sent(const struct exchange *exchange)
{
    return exchange->metering->running && exchange->attempt != NULL &&
           attempt_facts(exchange->attempt)->sent_bytes > 0;
}

/* Where the body could not be read, the answer tells. */
static void find_model(const struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    struct slice told =
        metering->scan == NULL ? slice_make("", 0) : usage_scan_model(metering->scan);
    if (!metering->counts_output && !metering_model_known(metering) && told.len > 0) {
        memcpy(metering->facts.model, told.ptr, told.len);
        metering->facts.model[told.len] = '\0';
        metering_find_price(exchange, metering);
    }
}

static void find_usage(const struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    if (!was_sent(exchange)) {
        return;
    }
    metering->sent = true;
    if (!metering->counts_usage) {
        return;
    }
    find_model(exchange);
    if (metering->by_request) {
        metering->charged = exchange->facts.upstream_status < 400;
    } else if (metering->scan != NULL && usage_scan_result(metering->scan, &metering->usage) &&
               (metering->price == NULL || price_covers(metering->price, &metering->usage))) {
        metering->charged = true;
    } else if (exchange->facts.upstream_status < 400) {
        const char *const labels[] = {exchange->route->name};
        metering->usage = estimate(exchange);
        metering->charged = true;
        metering->estimated = true;
        metrics_count(exchange->side->metrics, FAMILY_usage_missing_total, labels, 1);
    }
    if (metering->charged && metering->price != NULL) {
        metering->cost_nanousd = price_cost(metering->price, &metering->usage);
    }
}

static uint64_t amount_used(const struct exchange *exchange, const struct demand *demand)
{
    struct metering *metering = exchange->metering;
    uint64_t used = 0;
    uint64_t spent = 0;
    switch (demand->limit->unit) {
    case LIMIT_TOKENS:
        used = metering->charged ? usage_tokens(&metering->usage) : 0;
        spent = usage_tokens(&metering->spent);
        break;
    case LIMIT_COST:
        used = metering->charged ? metering->cost_nanousd : 0;
        spent = metering->spent_nanousd;
        break;
    case LIMIT_BYTES:
        return metering->sent ? exchange->facts.request_bytes + exchange->facts.response_bytes : 0;
    case LIMIT_REQUESTS:
    case LIMIT_CONCURRENCY:
    case LIMIT_UNITS:
        return 0;
    }
    uint64_t granted = demand->granted > spent ? demand->granted - spent : 0;
    used = at_most(used, metering->estimated ? granted : LIMIT_AMOUNT_MAX);
    if (demand->limit->unit == LIMIT_COST) {
        metering->cost_nanousd = used; /* the log says what was charged */
    } else if (metering->estimated) {
        usage_cut_tokens(&metering->usage, used);
    }
    return used + spent;
}

/* ---- an attempt that is lost ---- */

void metering_sent(struct exchange *exchange)
{
    exchange->metering->running = true;
}

/* As much as the first attempt wanted; of bytes, the answer's are still to come. */
static void ask_again(struct exchange *exchange)
{
    struct reservation *reservation = exchange->reservation;
    const struct store_side *store = &exchange->side->quota.store;
    exchange->metering->granted_before = reservation->output_granted;
    metering_want(exchange, reservation);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->fixed = demand->limit->unit == LIMIT_BYTES ? 0 : demand->fixed;
    }
    reservation->step++;
    exchange->metering->extending = true;
    store->ops->extend(store->side, reservation);
}

/* Adds what the attempt that runs may have used to what is spent. */
static void charge(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    find_usage(exchange);
    if (!metering->charged) {
        return;
    }
    usage_add(&metering->spent, &metering->usage);
    metering->spent_nanousd += metering->cost_nanousd;
    metering->lost = true;
    metering->usage = (struct usage){0};
    metering->cost_nanousd = 0;
    metering->charged = false;
    metering->estimated = false;
    metering->running = false;
}

void metering_lose(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    charge(exchange);
    usage_scan_free(TAKE(metering->scan));
    metering->events = false;
    metering->complete = false;
    if (!metering->running && metering->by_quota) {
        ask_again(exchange);
    }
}

static void set_used(struct exchange *exchange)
{
    if (!exchange->metering->by_quota || exchange->reservation == NULL) {
        return; /* the second: the body was refused */
    }
    for (unsigned i = 0; i < exchange->reservation->count; i++) {
        struct demand *demand = &exchange->reservation->demands[i];
        demand->used = amount_used(exchange, demand);
    }
}

void metering_leave(struct exchange *exchange)
{
    charge(exchange);
    set_used(exchange);
}

void metering_carry(struct exchange *exchange, const struct metering *metering)
{
    usage_add(&exchange->carried, &metering->spent);
    exchange->carried_nanousd += metering->spent_nanousd;
    exchange->carries |= metering->lost;
}

/* ---- the end ---- */

void metering_close(struct exchange *exchange)
{
    struct metering *metering = exchange->metering;
    if (!metering->closed) {
        metering->closed = true;
        find_usage(exchange);
    }
    set_used(exchange);
}

bool metering_closed(const struct exchange *exchange)
{
    return exchange->metering != NULL && exchange->metering->closed;
}

/* What the usage is so far, where the stream is ended by us. A quota of bytes may stop it within an
 * event: what came behind that would be read as a part of it. */
enum status metering_write_end(struct exchange *exchange, struct buffer *out)
{
    const struct metering *metering = exchange->metering;
    struct usage usage;
    if (metering->scan == NULL || !usage_scan_between_events(metering->scan)) {
        return STATUS_OK;
    }
    if (!usage_scan_result(metering->scan, &usage)) {
        usage = estimate(exchange);
    }
    return stream_end_write(metering->scan, &usage, metering->facts.include_usage, out);
}

bool metering_result(const struct exchange *exchange, struct metering_result *ret)
{
    static const struct metering none;
    const struct metering *metering = exchange->metering == NULL ? &none : exchange->metering;
    bool metered = metering->closed && metering->counts_usage;
    *ret = (struct metering_result){
        .model = metering_model(metering),
        .usage = metering->usage,
        .cost_nanousd =
            metering->cost_nanousd + metering->spent_nanousd + exchange->carried_nanousd,
        .last_nanousd = metering->cost_nanousd,
        .price = metering->price,
        .price_fallback = metering->price_fallback,
    };
    bool lost = false;
    if (metering->lost || exchange->carries) {
        usage_add(&ret->usage, &metering->spent);
        usage_add(&ret->usage, &exchange->carried);
        lost = usage_tokens(&metering->spent) + usage_tokens(&exchange->carried) > 0;
    }
    ret->estimated = metering->estimated || lost;
    ret->exact = metered && metering->charged && !metering->estimated && !metering->lost &&
                 !exchange->carries;
    return metered || lost;
}
