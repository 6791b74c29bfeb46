/* record: what is said and counted of an exchange when it ends: its log line and its metrics. */
#include "auth/inbound/tenant.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/path_key.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/trace.h"
#include "gateway/ledger/ledger_row.h"
#include "gateway/observe/access_log.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"
#include "routes/price.h"

enum { LABEL_MAX = 128, TRIES_MAX_BYTES = 16 * 1024, MODEL_LABEL_MAX = 96 };

const char *exchange_ended_by_name(enum ended_by by)
{
    switch (by) {
    case ENDED_NORMALLY:
        return "";
    case ENDED_BY_CLIENT:
        return "client";
    case ENDED_BY_GATEWAY:
        return "gateway";
    case ENDED_BY_UPSTREAM:
        return "upstream";
    case ENDED_BY_QUOTA:
        return "quota";
    }
    return "";
}

/* The client's own X-Request-Id, as a label: visible ASCII only, and not too long. */
struct slice exchange_client_label(const struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (field->id != HTTP1_OTHER || !slice_equal_nocase(field->name, SLICE("x-request-id"))) {
            continue;
        }
        for (size_t k = 0; k < field->value.len; k++) {
            if (field->value.ptr[k] <= ' ' || field->value.ptr[k] > '~') {
                return slice_make("", 0);
            }
        }
        return field->value.len <= LABEL_MAX ? field->value : slice_make("", 0);
    }
    return slice_make("", 0);
}

struct durations {
    usec_t total, upstream, first_byte;
};

static struct durations measure(const struct exchange *exchange, usec_t now)
{
    const struct exchange_facts *facts = &exchange->facts;
    return (struct durations){
        .total = now - facts->started,
        .upstream = facts->sent == 0 ? -1 : now - facts->sent,
        .first_byte = facts->first_byte_out == 0 ? -1 : facts->first_byte_out - facts->started,
    };
}

static const char *reason_of(const struct exchange *exchange)
{
    if (exchange->refused) {
        return exchange->refusal.why.message;
    }
    return exchange->ended_by == ENDED_BY_CLIENT ? "the client left" : "";
}

static void put_usage(const struct exchange *exchange, struct access_record *record)
{
    struct metering_result used;
    record->metered = metering_result(exchange, &used);
    if (record->metered) {
        record->model = used.model;
        record->input_tokens = usage_input(&used.usage);
        record->output_tokens = usage_output(&used.usage);
        record->cost_nanousd = used.cost_nanousd;
        record->estimated = used.estimated;
    }
}

static void write_log(struct exchange *exchange, const struct durations *durations,
                      const struct trace_context *trace)
{
    struct exchange_side *side = exchange->side;
    const struct exchange_facts *facts = &exchange->facts;
    if (side->scribe == NULL) {
        return;
    }
    struct access_record record = {
        .wall_time = facts->started_wall,
        .id = exchange->id,
        .trace_id = trace->trace_id,
        .span_id = trace->span_id,
        .label = exchange_client_label(exchange),
        .peer = connection_source(exchange->connection),
        .tenant = exchange->tenant == NULL ? "" : exchange->tenant->name,
        .route = exchange->route == NULL ? "" : exchange->way.asked->name,
        .method = exchange->request->method_text,
        .path = path_key_shown(exchange),
        .status = facts->status,
        .code = exchange->refused ? problem_code_text(exchange->refusal.code) : "",
        .ended_by = exchange_ended_by_name(exchange->ended_by),
        .step = exchange->ended_by == ENDED_NORMALLY ? "" : exchange_state_name(exchange->ended_in),
        .reason = reason_of(exchange),
        .quota = exchange->refused_quota,
        .upstream =
            facts->sent == 0 || exchange->route == NULL ? "" : exchange->route->origin.authority,
        .upstream_status = facts->upstream_status,
        .attempts = facts->attempts,
        .reused = facts->reused,
        .request_bytes = facts->request_bytes,
        .response_bytes = facts->response_bytes,
        .duration = durations->total,
        .upstream_duration = durations->upstream,
        .time_to_first_byte = durations->first_byte,
        .overhead = facts->overhead,
    };
    put_usage(exchange, &record);
    struct buffer tries CLEANUP(buffer_fini);
    buffer_init(&tries, TRIES_MAX_BYTES);
    if (tries_write(&exchange->way.tries, &tries) == STATUS_OK) {
        record.tries = buffer_bytes(&tries);
    }
    if (!access_log_format(&record, &side->log)) {
        metrics_add(side->metrics, METRIC_access_log_dropped_total, 1);
    }
}

static const char *method_label(const struct http1_request *request)
{
    static const char *const names[] = {
        [HTTP1_METHOD_OTHER] = "OTHER", [HTTP1_GET] = "GET",         [HTTP1_HEAD] = "HEAD",
        [HTTP1_POST] = "POST",          [HTTP1_PUT] = "PUT",         [HTTP1_DELETE] = "DELETE",
        [HTTP1_PATCH] = "PATCH",        [HTTP1_OPTIONS] = "OPTIONS", [HTTP1_CONNECT] = "CONNECT",
        [HTTP1_TRACE] = "TRACE",
    };
    return names[request->method];
}

/* Where there is no trace, whoever looks for it finds nothing. */
static struct slice told_trace(const struct trace_context *trace)
{
    return trace->sampled ? trace->trace_id : slice_make("", 0);
}

static void count(const struct exchange *exchange, const struct durations *durations,
                  const struct trace_context *trace)
{
    struct metrics_block *metrics = exchange->side->metrics;
    const struct exchange_facts *facts = &exchange->facts;
    metrics_request(metrics, &(struct request_metrics){
                                 .tenant = exchange->tenant == NULL ? "" : exchange->tenant->name,
                                 .route = exchange->route == NULL ? "" : exchange->way.asked->name,
                                 .method = method_label(exchange->request),
                                 .status = facts->status,
                                 .duration = durations->total,
                                 .upstream_duration = durations->upstream,
                                 .overhead_duration = facts->overhead,
                                 .time_to_first_byte = durations->first_byte,
                                 .store_duration = facts->store_wait > 0 ? facts->store_wait : -1,
                                 .trace_id = told_trace(trace),
                                 .ended_wall = facts->started_wall + durations->total,
                             });
    if (exchange->tenant == NULL) {
        metrics_add(metrics, METRIC_requests_refused_total, 1);
    }
    if (connection_gone(exchange->connection)) {
        metrics_add(metrics, METRIC_clients_gone_total, 1);
    }
}

/* What the price list calls it; of others, which callers name as they like, only so many. */
static const char *model_label(struct metrics_block *metrics, const struct metering_result *used,
                               char out[MODEL_LABEL_MAX])
{
    bool listed = used->price != NULL && !used->price_fallback;
    if (!listed) {
        ledger_text(out, MODEL_LABEL_MAX, used->model);
        return metrics_model(metrics, slice_from(out));
    }
    ledger_text(out, MODEL_LABEL_MAX, used->price->model);
    bool as_it_is = out[0] != '\0' && slice_equal(used->price->model, slice_from(out));
    return as_it_is ? used->price->model.ptr : out; /* a price of requests has no model */
}

/* Tokens alone: what else is counted of a call has no place in that sum. */
static bool is_tokens(enum usage_kind kind)
{
    return kind < USAGE_REASONING;
}

static void count_usage(const struct exchange *exchange)
{
    struct metrics_block *metrics = exchange->side->metrics;
    struct metering_result used;
    char model[MODEL_LABEL_MAX];
    if (!metering_result(exchange, &used) ||
        (usage_tokens(&used.usage) == 0 && used.cost_nanousd == 0)) {
        return;
    }
    const char *labels[FAMILY_LABELS_MAX] = {exchange->tenant->name, exchange->way.asked->name,
                                             model_label(metrics, &used, model)};
    for (unsigned i = 0; i < USAGE_KINDS; i++) {
        enum usage_kind kind = (enum usage_kind)i;
        uint64_t count = usage_get(&used.usage, kind);
        if (count > 0 && is_tokens(kind)) {
            labels[3] = usage_kind_name(kind).ptr;
            metrics_count(metrics, FAMILY_tokens_total, labels, count);
        }
    }
    if (used.price != NULL) {
        metrics_count(metrics, FAMILY_cost_usd_total, labels, used.cost_nanousd);
    }
}

void exchange_count_attempt(const struct exchange *exchange)
{
    struct metrics_block *metrics = exchange->side->metrics;
    const struct attempt_facts *facts = attempt_facts(exchange->attempt);
    if (facts->reused || facts->resent) {
        metrics_add(metrics, METRIC_upstream_reuses_total, 1);
    }
    if (!facts->reused && facts->connected_at != 0) {
        metrics_add(metrics, METRIC_upstream_connects_total, 1);
    }
    if (facts->resent) {
        metrics_add(metrics, METRIC_upstream_resends_total, 1);
    }
    if (exchange->scrub.hits > 0) {
        metrics_add(metrics, METRIC_scrubbed_total, (int64_t)exchange->scrub.hits);
    }
}

void exchange_record(struct exchange *exchange, usec_t now)
{
    struct durations durations = measure(exchange, now);
    struct trace_context trace;
    trace_find(exchange, &trace);
    write_log(exchange, &durations, &trace);
    count(exchange, &durations, &trace);
    count_usage(exchange);
    trace_record(exchange, &trace, durations.total);
}
