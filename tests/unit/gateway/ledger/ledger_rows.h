/*
 * ledger_rows: rows for tests, and a list of what a taker or reader was given.
 */
#pragma once

#include "base/memory.h"
#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_row.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* When the first row was opened: the first minute of a day. */
static usec_t row_time = 20000 * 86400 * SEC;

/* Number n of the rows: all that follows from n. */
static inline void fill_row(struct ledger_row *row, unsigned n)
{
    *row = (struct ledger_row){.opened_at = row_time + (usec_t)n,
                               .closed_at = row_time + (usec_t)n + MSEC,
                               .status = 200,
                               .attempts = 1,
                               .flags = LEDGER_METERED,
                               .cost = n,
                               .reserved_cost = 10 * (uint64_t)n,
                               .reserved_tokens = 100,
                               .duration = 1000,
                               .upstream_duration = -1};
    (void)snprintf(row->id, sizeof(row->id), "%032x", n);
    LEDGER_TEXT(row->tenant, SLICE("checkout"));
    LEDGER_TEXT(row->route, SLICE("openai"));
    LEDGER_TEXT(row->model, SLICE("gpt-4o-mini"));
    row->units[LEDGER_UNIT_INPUT] = 10;
    row->units[LEDGER_UNIT_OUTPUT] = 20;
}

/* A row that has little in common with the one before, and takes its bytes. */
static inline void fill_row_with_noise(struct ledger_row *row, unsigned n)
{
    uint64_t state = n + 1;
    fill_row(row, n);
    for (unsigned i = 0; i < sizeof(row->details) - 1; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        row->details[i] = (char)('a' + (state >> 33) % 26);
    }
}

enum { ROWS_MAX = 10000 };

struct row_list {
    unsigned count;
    struct ledger_row *rows; /* owned */
};

static inline void list_row(void *ctx, const struct ledger_row *row)
{
    struct row_list *list = ctx;
    cr_assert_lt(list->count, (unsigned)ROWS_MAX);
    if (list->rows == NULL) {
        list->rows = memory_alloc(ROWS_MAX * sizeof(*row));
    }
    list->rows[list->count++] = *row;
}

static inline void row_list_fini(struct row_list *list)
{
    memory_free(list->rows);
    *list = (struct row_list){0};
}
