/*
 * ledger_settlement_rig: rows that made objects, in a store of the test's own, and what their
 * settlement changes.
 */
#pragma once

#include "base/table.h"
#include "gateway/ledger/ledger_differences.h"
#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/ledger/ledger_settler.h"
#include "gateway/ledger/ledger_sql.h"
#include "tests/unit/gateway/ledger/ledger_store_rig.h"

#include <sqlite3.h>

static const uint64_t seed[2] = {1, 2};
static struct ledger_differences differences;
static int64_t now_ms;

static inline void setup(void)
{
    rig_setup();
    now_ms = row_time / MSEC;
    OK(ledger_store_open(path, 0, &store, &err));
}

static inline void teardown(void)
{
    ledger_differences_fini(&differences);
    rig_teardown();
}
/* Number n, which made the object "made-n" and costs 100, of two windows: one of them in memory. */
static inline void fill_maker(struct ledger_row *row, unsigned n)
{
    fill_row(row, n);
    (void)snprintf(row->object.id, sizeof(row->object.id), "made-%u", n);
    LEDGER_TEXT(row->object.status, SLICE("queued"));
    LEDGER_TEXT(row->provider, SLICE("twilio"));
    row->cost = 100;
    row->object_cost = 100;
    row->flags |= LEDGER_EXACT;
    row->charges[0] = (struct ledger_charge){
        .hash = 7, .start_ms = now_ms - 10, .end_ms = now_ms + 1000, .amount = 100};
    row->charges[1] = (struct ledger_charge){
        .hash = 8, .start_ms = now_ms - 10, .end_ms = now_ms + 1000, .amount = 3};
    row->charges[2] = (struct ledger_charge){
        .hash = 9, .epoch = 55, .start_ms = now_ms - 10, .end_ms = now_ms + 1000, .amount = 100};
    row->charge_count = 3;
    row->object_charges = 1 | 4; /* the second one is of a quota on tokens */
}

static inline void add(const struct ledger_row *row)
{
    bool new = false;
    struct ledger_minutes minutes = {0};
    OK(ledger_store_begin(store, &err));
    OK(ledger_store_add(store, row, &new, &err));
    OK(ledger_store_add_object(store, table_hash_with(seed, slice_from(row->object.id)), row,
                               &err));
    ledger_minutes_add(&minutes, row);
    OK(ledger_store_add_minute(store, minutes.first, &err));
    for (unsigned i = 0; i < row->charge_count; i++) {
        OK(ledger_store_add_charge(store, &row->charges[i], &err));
    }
    OK(ledger_store_commit(store, &err));
    ledger_minutes_fini(&minutes);
}

static inline void add_maker(unsigned n)
{
    struct ledger_row row;
    fill_maker(&row, n);
    add(&row);
}

static inline struct ledger_settlement cost_of(const char *object, uint64_t cost)
{
    struct ledger_settlement settlement = {.has_cost = true, .cost = cost};
    LEDGER_TEXT(settlement.object, slice_from(object));
    LEDGER_TEXT(settlement.provider, SLICE("twilio"));
    LEDGER_TEXT(settlement.hook, SLICE("sms"));
    LEDGER_TEXT(settlement.event, SLICE("evt-1"));
    return settlement;
}

static inline struct ledger_settler_outcome settle(const struct ledger_settlement *settlement)
{
    struct ledger_settler_outcome outcome;
    const struct ledger_settler_now now = {
        .seed = seed, .now_ms = now_ms, .differences = &differences};
    OK(ledger_store_begin(store, &err));
    OK(ledger_settler_settle(ledger_store_settler(store), settlement, &now, &outcome, &err));
    OK(ledger_settler_end(ledger_store_settler(store), &err));
    OK(ledger_store_commit(store, &err));
    return outcome;
}

static inline enum ledger_settle_result settle_cost(const char *object, uint64_t cost)
{
    struct ledger_settlement settlement = cost_of(object, cost);
    struct ledger_settler_outcome outcome = settle(&settlement);
    cr_expect(outcome.found);
    return outcome.result;
}

static inline struct ledger_row row_of(const char *object)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row row;
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_find_object(reader, object, &row, &err));
    ledger_reader_close(reader);
    return row;
}

static inline int64_t number(const char *sql)
{
    int64_t ret = -1;
    OK(ledger_sql_number(ledger_store_db(store), sql, &ret, &err));
    return ret;
}

static inline int64_t minutes(void)
{
    return number("SELECT sum(cost_nanousd) FROM minutes");
}

static inline int64_t used(unsigned hash)
{
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "SELECT sum(used) FROM quota_sums WHERE hash = %u", hash);
    return number(sql);
}

static inline const struct ledger_difference *difference_of(uint64_t hash)
{
    for (const struct ledger_difference_at *at = differences.first; at != NULL; at = at->next) {
        if (at->difference.window.hash == hash) {
            return &at->difference;
        }
    }
    return NULL;
}
