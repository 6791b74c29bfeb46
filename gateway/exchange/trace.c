#include "gateway/exchange/trace.h"

#include "auth/inbound/tenant.h"
#include "config/snapshot.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/path_key.h"
#include "gateway/exchange/steps.h"
#include "gateway/otlp/otlp.h"
#include "gateway/otlp/span_record.h"
#include "routes/call.h"
#include "routes/profile.h"

#include <stdio.h>

static const struct otlp_settings *settings_of(const struct exchange *exchange)
{
    return &exchange->snapshot->otlp;
}

/* By the id alone, so that every gateway and every span of a trace decides the same. */
static bool is_chosen(struct slice trace_id, unsigned percent)
{
    uint64_t number = 0;
    for (size_t i = TRACE_ID_LEN / 2; i < TRACE_ID_LEN; i++) {
        char byte = trace_id.ptr[i];
        number = number << 4 | (uint64_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
    }
    return percent >= 100 || number / (UINT64_MAX / 100) < percent;
}

void trace_find(const struct exchange *exchange, struct trace_context *ret)
{
    const struct http1_request *request = exchange->request;
    const struct otlp_settings *otlp = settings_of(exchange);
    trace_context_read(request->fields, request->field_count, exchange->id, ret);
    if (ret->parent_id.len == 0) {
        ret->sampled = otlp->traces && is_chosen(ret->trace_id, otlp->sample);
    }
}

static bool is_exported(const struct exchange *exchange, const struct trace_context *trace)
{
    return settings_of(exchange)->traces && trace->sampled && exchange->side->otlp != NULL;
}

/* ---- upstream ---- */

static enum status write_state(const struct http1_request *request, struct buffer *out)
{
    char state[TRACE_STATE_MAX];
    size_t len = trace_state_read(request->fields, request->field_count, state);
    if (len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE("tracestate: ")));
    TRY(buffer_append(out, slice_make(state, len)));
    return buffer_append(out, SLICE("\r\n"));
}

enum status trace_write(const struct exchange *exchange, struct buffer *out)
{
    char text[TRACE_PARENT_LEN];
    struct trace_context trace;
    const struct header_rules *rules = &exchange->route->headers;
    if (!rules->trace_parent) {
        return STATUS_OK;
    }
    trace_find(exchange, &trace);
    trace_parent_write(trace.trace_id,
                       is_exported(exchange, &trace) ? trace.call_id : trace.span_id, trace.sampled,
                       text);
    TRY(buffer_append(out, SLICE("traceparent: ")));
    TRY(buffer_append(out, slice_make(text, sizeof(text))));
    TRY(buffer_append(out, SLICE("\r\n")));
    return rules->trace_state ? write_state(exchange->request, out) : STATUS_OK;
}

/* ---- what is told ---- */

enum { STATUS_TEXT_MAX = 12 };

static struct slice status_text(unsigned status, char out[STATUS_TEXT_MAX])
{
    return slice_make(out, (size_t)snprintf(out, STATUS_TEXT_MAX, "%u", status));
}

static struct slice ended_text(const struct exchange *exchange)
{
    switch (exchange->ended_by) {
    case ENDED_NORMALLY:
        break;
    case ENDED_BY_CLIENT:
        return SLICE("client_gone");
    case ENDED_BY_GATEWAY:
        return SLICE("stopped");
    case ENDED_BY_UPSTREAM:
        return SLICE("broken_off");
    case ENDED_BY_QUOTA:
        return SLICE("quota_used_up");
    }
    return slice_make("", 0);
}

/* The gateway's own code, what broke it off, or the status. */
static struct slice error_of(const struct exchange *exchange, unsigned status, unsigned least,
                             char text[STATUS_TEXT_MAX])
{
    if (exchange->refused) {
        return slice_from(problem_code_text(exchange->refusal.code));
    }
    if (exchange->ended_by != ENDED_NORMALLY) {
        return ended_text(exchange);
    }
    return status >= least ? status_text(status, text) : slice_make("", 0);
}

/* The names of https://opentelemetry.io/docs/specs/semconv/gen-ai/ that differ from ours. */
static struct slice provider_of(const struct profile *profile)
{
    static const struct {
        const char *profile;
        struct slice name;
    } names[] = {
        {"azure-openai", SLICE_INIT("azure.ai.openai")},
        {"bedrock", SLICE_INIT("aws.bedrock")},
        {"gemini", SLICE_INIT("gcp.gemini")},
        {"mistral", SLICE_INIT("mistral_ai")},
        {"vertex", SLICE_INIT("gcp.vertex_ai")},
        {"xai", SLICE_INIT("x_ai")},
    };
    struct slice own = slice_from(profile->name);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(own, slice_from(names[i].profile))) {
            return names[i].name;
        }
    }
    return own;
}

/* What is done, as the path of the call says it: the first part that is in it. */
static struct slice operation_of(struct slice path)
{
    static const struct {
        struct slice part, operation;
    } operations[] = {
        {SLICE_INIT("mbed"), SLICE_INIT("embeddings")},
        {SLICE_INIT("chat"), SLICE_INIT("chat")},
        {SLICE_INIT("messages"), SLICE_INIT("chat")},
        {SLICE_INIT("responses"), SLICE_INIT("chat")},
        {SLICE_INIT("converse"), SLICE_INIT("chat")},
        {SLICE_INIT("completions"), SLICE_INIT("text_completion")},
    };
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (memmem(path.ptr, path.len, operations[i].part.ptr, operations[i].part.len) != NULL) {
            return operations[i].operation;
        }
    }
    return SLICE("generate_content");
}

/* Of a call of a model; others have tokens of nothing. */
static void tell_model(const struct exchange *exchange, struct span_record *record)
{
    struct metering_result used;
    const struct call *call = metering_call(exchange);
    if (call == NULL || metering_model(exchange->metering).len == 0) {
        return;
    }
    record->texts[SPAN_OPERATION] = operation_of(call->path);
    record->texts[SPAN_PROVIDER] = provider_of(exchange->route->profile);
    record->texts[SPAN_MODEL] = metering_model(exchange->metering);
    record->metered = metering_result(exchange, &used);
    if (record->metered) {
        record->input_tokens = usage_input(&used.usage);
        record->output_tokens = usage_output(&used.usage);
        record->cost_nanousd = used.cost_nanousd;
    }
}

static void tell_call(const struct exchange *exchange, struct span_record *record,
                      char text[STATUS_TEXT_MAX])
{
    const struct exchange_facts *facts = &exchange->facts;
    const struct origin *origin = &exchange->route->origin;
    record->call_start = record->start + (facts->sent - facts->started);
    record->upstream_status = facts->upstream_status;
    record->attempts = facts->attempts;
    record->port = origin->port;
    record->texts[SPAN_SERVER] = slice_from(origin->host);
    record->texts[SPAN_CALL_ERROR] = facts->upstream_status >= 400
                                         ? status_text(facts->upstream_status, text)
                                         : error_of(exchange, facts->upstream_status, 400, text);
    tell_model(exchange, record);
}

static void tell_request(const struct exchange *exchange, const struct trace_context *trace,
                         struct span_record *record, char text[STATUS_TEXT_MAX])
{
    const struct exchange_facts *facts = &exchange->facts;
    record->status = facts->status;
    record->failed =
        facts->status >= 500 || (facts->status < 400 && exchange->ended_by == ENDED_BY_UPSTREAM);
    record->texts[SPAN_TRACE_ID] = trace->trace_id;
    record->texts[SPAN_ID] = trace->span_id;
    record->texts[SPAN_PARENT_ID] = trace->parent_id;
    record->texts[SPAN_CALL_ID] = trace->call_id;
    record->texts[SPAN_METHOD] = exchange->request->method_text;
    record->texts[SPAN_PATH] = path_key_shown(exchange);
    record->texts[SPAN_TENANT] = slice_from(exchange->tenant == NULL ? "" : exchange->tenant->name);
    record->texts[SPAN_ROUTE] =
        slice_from(exchange->route == NULL ? "" : exchange->way.asked->name);
    record->texts[SPAN_ENDED_BY] = slice_from(exchange_ended_by_name(exchange->ended_by));
    record->texts[SPAN_ERROR] = error_of(exchange, facts->status, 500, text);
}

void trace_record(struct exchange *exchange, const struct trace_context *trace, usec_t took)
{
    struct exchange_side *side = exchange->side;
    const struct exchange_facts *facts = &exchange->facts;
    const struct http1_request *request = exchange->request;
    char text[STATUS_TEXT_MAX];
    char call_text[STATUS_TEXT_MAX];
    char state[TRACE_STATE_MAX];
    if (!is_exported(exchange, trace)) {
        return;
    }
    struct span_record record = {.start = facts->started_wall, .end = facts->started_wall + took};
    size_t state_len = trace_state_read(request->fields, request->field_count, state);
    record.texts[SPAN_STATE] = slice_make(state, state_len);
    tell_request(exchange, trace, &record, text);
    if (facts->sent != 0 && exchange->route != NULL) {
        tell_call(exchange, &record, call_text);
    }
    if (span_record_write(&record, &side->spans) == STATUS_OK) {
        side->span_count += span_record_spans(&record);
    } else {
        otlp_count_dropped(side->otlp, span_record_spans(&record));
    }
}
