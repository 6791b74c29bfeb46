#include "gateway/otlp/otlp_spans.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/otlp/otlp_json.h"
#include "gateway/otlp/span_record.h"

#include <inttypes.h>

/* Of opentelemetry-proto's Span.SpanKind and Status.StatusCode. */
enum { KIND_SERVER = 2, KIND_CLIENT = 3, STATUS_CODE_ERROR = 2 };

#define NANO UINT64_C(1000000000)

enum { COST_MAX_BYTES = 32 };

size_t otlp_spans_cut(struct slice records, unsigned most, unsigned *ret_spans)
{
    struct span_record record;
    size_t used = 0;
    *ret_spans = 0;
    while (used < records.len) {
        size_t len = span_record_read(slice_skip(records, used), &record);
        unsigned spans = span_record_spans(&record);
        if (used > 0 && *ret_spans + spans > most) {
            break;
        }
        used += len;
        *ret_spans += spans;
    }
    return used;
}

/* {"name":value as it is: ids and numbers need no escapes. */
static enum status put_id(struct buffer *out, struct slice name, struct slice id)
{
    if (id.len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, id));
    return buffer_append(out, SLICE("\""));
}

/* "POST openai", "chat gpt-4o": what is done, and where; of few values as long as callers do not
 * name models as they like. */
static enum status put_name(struct buffer *out, struct slice what, struct slice where)
{
    TRY(buffer_append(out, SLICE(",\"name\":\"")));
    TRY(encode_json(what, out));
    if (where.len > 0) {
        TRY(buffer_append(out, SLICE(" ")));
        TRY(encode_json(where, out));
    }
    return buffer_append(out, SLICE("\""));
}

static enum status put_times(struct buffer *out, unsigned kind, usec_t start, usec_t end)
{
    TRY(buffer_append(out, SLICE(",\"kind\":")));
    TRY(buffer_append_number(out, kind));
    TRY(buffer_append(out, SLICE(",\"startTimeUnixNano\":")));
    TRY(otlp_json_time(out, start));
    TRY(buffer_append(out, SLICE(",\"endTimeUnixNano\":")));
    TRY(otlp_json_time(out, end));
    return buffer_append(out, SLICE(",\"attributes\":["));
}

static enum status put_end(struct buffer *out, bool failed)
{
    TRY(buffer_append(out, SLICE("]")));
    return failed ? buffer_print(out, ",\"status\":{\"code\":%d}}", STATUS_CODE_ERROR)
                  : buffer_append(out, SLICE("}"));
}

static enum status put_state(struct buffer *out, struct slice state)
{
    if (state.len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"traceState\":")));
    return encode_json_string(state, out);
}

static enum status put_request(const struct span_record *record, struct buffer *out)
{
    const struct slice *texts = record->texts;
    struct otlp_attributes list = {.out = out};
    TRY(put_id(out, SLICE("{\"traceId\":\""), texts[SPAN_TRACE_ID]));
    TRY(put_id(out, SLICE(",\"spanId\":\""), texts[SPAN_ID]));
    TRY(put_id(out, SLICE(",\"parentSpanId\":\""), texts[SPAN_PARENT_ID]));
    TRY(put_state(out, texts[SPAN_STATE]));
    TRY(put_name(out, texts[SPAN_METHOD], texts[SPAN_ROUTE]));
    TRY(put_times(out, KIND_SERVER, record->start, record->end));
    TRY(otlp_json_text(&list, "http.request.method", texts[SPAN_METHOD]));
    TRY(otlp_json_text(&list, "url.path", texts[SPAN_PATH]));
    if (record->status != 0) {
        TRY(otlp_json_number(&list, "http.response.status_code", record->status));
    }
    TRY(otlp_json_text(&list, "sallyport.tenant", texts[SPAN_TENANT]));
    TRY(otlp_json_text(&list, "sallyport.route", texts[SPAN_ROUTE]));
    TRY(otlp_json_text(&list, "sallyport.ended_by", texts[SPAN_ENDED_BY]));
    TRY(otlp_json_text(&list, "error.type", texts[SPAN_ERROR]));
    return put_end(out, record->failed);
}

/* "0.000123450": money is no float. */
static enum status put_cost(struct otlp_attributes *list, uint64_t nanousd)
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, COST_MAX_BYTES);
    TRY(buffer_print(&text, "%" PRIu64 ".%09" PRIu64, nanousd / NANO, nanousd % NANO));
    return otlp_json_text(list, "sallyport.cost_usd", buffer_bytes(&text));
}

/* https://opentelemetry.io/docs/specs/semconv/gen-ai/ */
static enum status put_model(const struct span_record *record, struct otlp_attributes *list)
{
    const struct slice *texts = record->texts;
    TRY(otlp_json_text(list, "gen_ai.operation.name", texts[SPAN_OPERATION]));
    TRY(otlp_json_text(list, "gen_ai.provider.name", texts[SPAN_PROVIDER]));
    TRY(otlp_json_text(list, "gen_ai.request.model", texts[SPAN_MODEL]));
    if (!record->metered) {
        return STATUS_OK;
    }
    TRY(otlp_json_number(list, "gen_ai.usage.input_tokens", record->input_tokens));
    TRY(otlp_json_number(list, "gen_ai.usage.output_tokens", record->output_tokens));
    return put_cost(list, record->cost_nanousd);
}

static enum status put_call(const struct span_record *record, struct buffer *out)
{
    const struct slice *texts = record->texts;
    struct otlp_attributes list = {.out = out};
    bool model = texts[SPAN_OPERATION].len > 0;
    TRY(put_id(out, SLICE(",{\"traceId\":\""), texts[SPAN_TRACE_ID]));
    TRY(put_id(out, SLICE(",\"spanId\":\""), texts[SPAN_CALL_ID]));
    TRY(put_id(out, SLICE(",\"parentSpanId\":\""), texts[SPAN_ID]));
    TRY(put_state(out, texts[SPAN_STATE]));
    TRY(put_name(out, texts[model ? SPAN_OPERATION : SPAN_METHOD],
                 model ? texts[SPAN_MODEL] : slice_make("", 0)));
    TRY(put_times(out, KIND_CLIENT, record->call_start, record->end));
    TRY(otlp_json_text(&list, "http.request.method", texts[SPAN_METHOD]));
    TRY(otlp_json_text(&list, "server.address", texts[SPAN_SERVER]));
    TRY(otlp_json_number(&list, "server.port", record->port));
    if (record->upstream_status != 0) {
        TRY(otlp_json_number(&list, "http.response.status_code", record->upstream_status));
    }
    TRY(otlp_json_number(&list, "sallyport.attempts", record->attempts));
    TRY(put_model(record, &list));
    TRY(otlp_json_text(&list, "error.type", texts[SPAN_CALL_ERROR]));
    return put_end(out, texts[SPAN_CALL_ERROR].len > 0);
}

enum status otlp_spans_write(struct slice records, struct slice service, struct buffer *out)
{
    struct span_record record;
    TRY(otlp_json_open(out, "resourceSpans", "scopeSpans", "spans", service));
    for (bool first = true; records.len > 0; first = false) {
        records = slice_skip(records, span_record_read(records, &record));
        TRY(buffer_append(out, first ? SLICE("") : SLICE(",")));
        TRY(put_request(&record, out));
        if (record.call_start != 0) {
            TRY(put_call(&record, out));
        }
    }
    return otlp_json_close(out);
}
