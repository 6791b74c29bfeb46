#include "gateway/ledger/ledger_columns.h"

#define COLUMN(name_, kind_, field)                                                                \
    {                                                                                              \
        name_, LEDGER_COLUMN_##kind_, offsetof(struct ledger_row, field),                          \
            sizeof(((struct ledger_row *)0)->field)                                                \
    }
#define UNIT(unit, name_)                                                                          \
    {name_, LEDGER_COLUMN_COUNT,                                                                   \
     offsetof(struct ledger_row, units) + LEDGER_UNIT_##unit * sizeof(uint64_t),                   \
     sizeof(uint64_t)},

const struct ledger_column ledger_columns[] = {
    COLUMN("id", TEXT, id), /* the first */
    COLUMN("opened_at", TIME, opened_at),
    COLUMN("closed_at", TIME, closed_at),
    COLUMN("tenant", TEXT, tenant),
    COLUMN("route", TEXT, route),
    COLUMN("served_by", TEXT, served_by),
    COLUMN("provider", TEXT, provider),
    COLUMN("model", TEXT, model),
    COLUMN("method", TEXT, method),
    COLUMN("path", TEXT, path),
    COLUMN("label", TEXT, label),
    COLUMN("upstream_id", TEXT, upstream_id),
    COLUMN("credential", TEXT, credential),
    COLUMN("status", SHORT, status),
    COLUMN("upstream_status", SHORT, upstream_status),
    COLUMN("attempts", SHORT, attempts),
    COLUMN("code", TEXT, code),
    COLUMN("ended_by", TEXT, ended_by),
    COLUMN("step", TEXT, step),
    COLUMN("flags", FLAGS, flags),
    LEDGER_UNITS(UNIT) COLUMN("cost_nanousd", COUNT, cost),
    COLUMN("reserved_tokens", COUNT, reserved_tokens),
    COLUMN("reserved_cost_nanousd", COUNT, reserved_cost),
    COLUMN("duration_us", TIME, duration),
    COLUMN("upstream_duration_us", TIME, upstream_duration),
    COLUMN("first_byte_us", TIME, first_byte),
    COLUMN("overhead_us", TIME, overhead),
    COLUMN("object_id", TEXT, object.id),
    COLUMN("object_type", TEXT, object.type),
    COLUMN("object_status", TEXT, object.status),
    COLUMN("object_currency", TEXT, object.currency),
    COLUMN("object_amount", MONEY, object.amount),
    COLUMN("details", TEXT, details),
};
const unsigned ledger_column_count = sizeof(ledger_columns) / sizeof(ledger_columns[0]);

bool ledger_row_sound(struct ledger_row *row)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        if (column->kind == LEDGER_COLUMN_TEXT) {
            ((char *)row)[column->offset + column->size - 1] = '\0';
        }
    }
    if (row->charge_count > LEDGER_CHARGES_MAX) {
        row->charge_count = 0;
    }
    return strspn(row->id, "0123456789abcdef") == sizeof(row->id) - 1;
}

static void charge_reserved(struct ledger_row *row)
{
    uint64_t input = row->units[LEDGER_UNIT_INPUT];
    row->flags |= (row->flags & LEDGER_METERED) != 0 ? LEDGER_ESTIMATED : 0U;
    row->cost = row->reserved_cost;
    row->units[LEDGER_UNIT_CACHE_READ] = 0;
    row->units[LEDGER_UNIT_CACHE_WRITE] = 0;
    row->units[LEDGER_UNIT_REASONING] = 0;
    row->units[LEDGER_UNIT_AUDIO] = 0;
    row->units[LEDGER_UNIT_INPUT] = input < row->reserved_tokens ? input : row->reserved_tokens;
    row->units[LEDGER_UNIT_OUTPUT] = row->reserved_tokens - row->units[LEDGER_UNIT_INPUT];
}

void ledger_row_died(struct ledger_row *row, usec_t now)
{
    row->closed_at = now;
    row->duration = -1; /* nobody knows */
    if ((row->flags & LEDGER_TOLD) == 0) {
        charge_reserved(row);
    }
    row->flags &= ~(uint32_t)LEDGER_TOLD;
    row->flags |= LEDGER_GATEWAY_DIED;
    LEDGER_TEXT(row->code, SLICE("gateway_died"));
    LEDGER_TEXT(row->ended_by, SLICE("gateway"));
}
