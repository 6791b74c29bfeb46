/*
 * ledger_columns: the fields of a row as a table: what SQL calls them, where they lie. Inserting,
 * reading back, and looking over what a ring file holds all go by it. Internal to ledger/.
 */
#pragma once

#include "gateway/ledger/ledger_row.h"

enum ledger_column_kind {
    LEDGER_COLUMN_TEXT,  /* char[size], ends with a zero */
    LEDGER_COLUMN_SHORT, /* uint16_t */
    LEDGER_COLUMN_FLAGS, /* uint32_t */
    LEDGER_COLUMN_COUNT, /* uint64_t, as far as SQL's 63 bits go */
    LEDGER_COLUMN_TIME,  /* int64_t */
    LEDGER_COLUMN_MONEY, /* int64_t, NULL where the object has no amount */
};

struct ledger_column {
    const char *name;
    enum ledger_column_kind kind;
    size_t offset, size;
};

extern const struct ledger_column ledger_columns[];
extern const unsigned ledger_column_count;

static inline int64_t ledger_saturated(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* What lies in a file may be torn: ends all texts and lists; false: its id is none, so it is no
 * row. */
bool ledger_row_sound(struct ledger_row *row);
/* Of one that nobody will close any more: with all that was reserved. */
void ledger_row_died(struct ledger_row *row, usec_t now);
