#include "gateway/request_report.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/ledger/ledger_row.h"
#include "gateway/observe/timestamp.h"

#include <inttypes.h>

enum { NANO_DIGITS = 9 };

static enum status put_text(const char *name, const char *text, struct buffer *out)
{
    if (text[0] == '\0') {
        return STATUS_OK;
    }
    TRY(buffer_print(out, ",\"%s\":", name));
    return encode_json_string(slice_from(text), out);
}

static enum status put_when(const char *name, usec_t wall, struct buffer *out)
{
    char when[TIMESTAMP_LEN];
    (void)timestamp_write(wall, when);
    return buffer_print(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_LEN, when);
}

static enum status put_span(const char *name, int64_t span, struct buffer *out)
{
    return span < 0 ? STATUS_OK : buffer_print(out, ",\"%s\":%" PRId64, name, span);
}

static enum status put_flag(const char *name, const struct ledger_row *row, enum ledger_flag flag,
                            struct buffer *out)
{
    bool is_set = (row->flags & (uint32_t)flag) != 0;
    return buffer_print(out, ",\"%s\":%s", name, is_set ? "true" : "false");
}

static enum status put_who(const struct ledger_row *row, struct buffer *out)
{
    TRY(put_text("tenant", row->tenant, out));
    TRY(put_text("route", row->route, out));
    TRY(put_text("served_by", row->served_by, out));
    TRY(put_text("provider", row->provider, out));
    TRY(put_text("model", row->model, out));
    TRY(put_text("method", row->method, out));
    TRY(put_text("path", row->path, out));
    TRY(put_text("label", row->label, out));
    TRY(put_text("upstream_id", row->upstream_id, out));
    return put_text("credential", row->credential, out);
}

static enum status put_end(const struct ledger_row *row, struct buffer *out)
{
    TRY(buffer_print(out, ",\"status\":%u,\"upstream_status\":%u,\"attempts\":%u",
                     (unsigned)row->status, (unsigned)row->upstream_status,
                     (unsigned)row->attempts));
    TRY(put_text("code", row->code, out));
    TRY(put_text("ended_by", row->ended_by, out));
    return put_text("step", row->step, out);
}

static enum status put_usage(const struct ledger_row *row, struct buffer *out)
{
    char cost[LEDGER_COST_TEXT_MAX];
    TRY(put_flag("metered", row, LEDGER_METERED, out));
    TRY(put_flag("estimated", row, LEDGER_ESTIMATED, out));
    TRY(put_flag("price_fallback", row, LEDGER_PRICE_FALLBACK, out));
    TRY(put_flag("gateway_died", row, LEDGER_GATEWAY_DIED, out));
    TRY(put_flag("repriced", row, LEDGER_REPRICED, out));
    TRY(put_flag("settled", row, LEDGER_SETTLED, out));
    TRY(buffer_append(out, SLICE(",\"units\":{")));
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        TRY(buffer_print(out, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                         ledger_unit_name((enum ledger_unit)i), row->units[i]));
    }
    return buffer_print(out,
                        "},\"cost_nanousd\":%" PRIu64 ",\"cost_usd\":\"%s\""
                        ",\"reserved_tokens\":%" PRIu64 ",\"reserved_cost\":%" PRIu64,
                        row->cost, ledger_cost_text(row->cost, NANO_DIGITS, cost),
                        row->reserved_tokens, row->reserved_cost);
}

static enum status put_object(const struct ledger_object *object, struct buffer *out)
{
    if (object->id[0] == '\0') {
        return STATUS_OK;
    }
    TRY(buffer_append(out, SLICE(",\"object\":{\"id\":")));
    TRY(encode_json_string(slice_from(object->id), out));
    TRY(put_text("type", object->type, out));
    TRY(put_text("status", object->status, out));
    TRY(put_text("currency", object->currency, out));
    if (object->has_amount) {
        TRY(buffer_print(out, ",\"amount\":%" PRId64 ",\"amount_text\":\"%" PRId64 "\"",
                         object->amount, object->amount));
    }
    return buffer_append(out, SLICE("}"));
}

static enum status put_times(const struct ledger_row *row, struct buffer *out)
{
    TRY(put_span("duration", row->duration, out));
    TRY(put_span("upstream_duration", row->upstream_duration, out));
    TRY(put_span("first_byte", row->first_byte, out));
    return put_span("overhead", row->overhead, out);
}

enum status request_report_write(const struct ledger_row *row, struct buffer *out)
{
    TRY(buffer_print(out, "{\"id\":\"%s\"", row->id));
    TRY(put_when("opened", row->opened_at, out));
    TRY(put_when("closed", row->closed_at, out));
    TRY(put_who(row, out));
    TRY(put_end(row, out));
    TRY(put_usage(row, out));
    TRY(put_object(&row->object, out));
    TRY(put_times(row, out));
    if (row->details[0] == '{') { /* JSON of our own */
        TRY(buffer_append(out, SLICE(",\"details\":")));
        TRY(buffer_append(out, slice_from(row->details)));
    }
    return buffer_append(out, SLICE("}\n"));
}
