#include "gateway/ledger/ledger_format.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/observe/timestamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { NANO_DIGITS = 9 };
#define NANOUSD UINT64_C(1000000000)

const char *ledger_cost_text(uint64_t nanousd, unsigned decimals, char out[LEDGER_COST_TEXT_MAX])
{
    assert(decimals <= NANO_DIGITS);
    uint64_t part = nanousd % NANOUSD;
    for (unsigned i = decimals; i < NANO_DIGITS; i++) {
        part /= 10;
    }
    (void)snprintf(out, LEDGER_COST_TEXT_MAX, decimals > 0 ? "%" PRIu64 ".%0*" PRIu64 : "%" PRIu64,
                   nanousd / NANOUSD, (int)decimals, part);
    return out;
}

unsigned ledger_cost_decimals(uint64_t nanousd)
{
    unsigned decimals = NANO_DIGITS;
    uint64_t part = nanousd % NANOUSD;
    for (; decimals > 2 && part % 10 == 0; decimals--) {
        part /= 10;
    }
    return decimals;
}

const char *ledger_unit_name(enum ledger_unit unit)
{
#define NAME_OF(name, text) [LEDGER_UNIT_##name] = (text),
    static const char *const names[LEDGER_UNIT_COUNT] = {LEDGER_UNITS(NAME_OF)};
#undef NAME_OF
    return names[unit];
}

const char *ledger_by_name(enum ledger_by by)
{
    switch (by) {
    case LEDGER_BY_NOTHING:
        return "";
    case LEDGER_BY_TENANT:
        return "tenant";
    case LEDGER_BY_ROUTE:
        return "route";
    case LEDGER_BY_MODEL:
        return "model";
    case LEDGER_BY_DAY:
        return "day";
    }
    return "";
}

static bool begins_a_formula(struct slice text)
{
    return text.len > 0 && strchr("=+-@\t\r", text.ptr[0]) != NULL;
}

enum status ledger_csv_text(struct slice text, struct buffer *out)
{
    bool quoted = begins_a_formula(text);
    for (size_t i = 0; i < text.len && !quoted; i++) {
        quoted = strchr("\",\r\n", text.ptr[i]) != NULL;
    }
    if (!quoted) {
        return buffer_append(out, text);
    }
    TRY(buffer_append(out, begins_a_formula(text) ? SLICE("\"'") : SLICE("\"")));
    while (text.len > 0) {
        size_t plain = slice_find(text, '"');
        TRY(buffer_append(out, slice_make(text.ptr, plain)));
        TRY(buffer_append(out, plain < text.len ? SLICE("\"\"") : SLICE("")));
        text = slice_skip(text, plain + 1);
    }
    return buffer_append(out, SLICE("\""));
}

/* ---- JSON ---- */

static enum status put_member(const char *name, const char *text, struct buffer *out)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(slice_from(text), out));
    return buffer_append(out, SLICE(","));
}

enum status ledger_sum_json(const struct ledger_sum *sum, enum ledger_by by, struct buffer *out)
{
    char cost[LEDGER_COST_TEXT_MAX];
    TRY(buffer_append(out, SLICE("{")));
    if (by != LEDGER_BY_NOTHING) {
        TRY(put_member(ledger_by_name(by), sum->name, out));
    }
    TRY(buffer_print(out,
                     "\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"estimated\":%" PRIu64 ",",
                     sum->requests, sum->errors, sum->estimated));
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        TRY(buffer_print(out, "\"%s\":%" PRIu64 ",", ledger_unit_name((enum ledger_unit)i),
                         sum->units[i]));
    }
    return buffer_print(out, "\"cost_nanousd\":%" PRIu64 ",\"cost_usd\":\"%s\"}", sum->cost,
                        ledger_cost_text(sum->cost, NANO_DIGITS, cost));
}

enum status ledger_object_json(const struct ledger_row *row, struct buffer *out)
{
    char time[TIMESTAMP_LEN];
    char cost[LEDGER_COST_TEXT_MAX];
    (void)timestamp_write(row->opened_at, time);
    TRY(buffer_print(out, "{\"time\":\"%.*s\",", (int)sizeof(time), time));
    TRY(put_member("request_id", row->id, out));
    TRY(put_member("tenant", row->tenant, out));
    TRY(put_member("route", row->route, out));
    TRY(put_member("type", row->object.type, out));
    TRY(put_member("id", row->object.id, out));
    TRY(put_member("status", row->object.status, out));
    if (row->object.has_amount) {
        TRY(buffer_print(out, "\"amount\":%" PRId64 ",", row->object.amount));
    } else {
        TRY(buffer_append(out, SLICE("\"amount\":null,")));
    }
    TRY(buffer_append(out, SLICE("\"currency\":")));
    TRY(encode_json_string(slice_from(row->object.currency), out));
    return buffer_print(out, ",\"cost_nanousd\":%" PRIu64 ",\"cost_usd\":\"%s\"}", row->cost,
                        ledger_cost_text(row->cost, NANO_DIGITS, cost));
}
