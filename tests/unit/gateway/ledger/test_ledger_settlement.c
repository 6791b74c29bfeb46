#include "base/table.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_differences.h"
#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_reprice.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/ledger/ledger_settler.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_state.h"
#include "tests/unit/gateway/ledger/ledger_store_rig.h"

#include <sqlite3.h>
#include <unistd.h>

static const uint64_t seed[2] = {1, 2};
static struct scratch_folder folder;
static const char *path;
static struct ledger_store *store;
static struct ledger_differences differences;
static struct error err;
static int64_t now_ms;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
    now_ms = row_time / MSEC;
    OK(ledger_store_open(path, 0, &store, &err));
}

static void teardown(void)
{
    ledger_store_close(store);
    ledger_differences_fini(&differences);
    scratch_remove(&folder);
}

TestSuite(ledger_settlement, .init = setup, .fini = teardown);

/* Number n, which made the object "made-n" and costs 100, of two windows: one of them in memory. */
static void fill_maker(struct ledger_row *row, unsigned n)
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

static void add(const struct ledger_row *row)
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

static void add_maker(unsigned n)
{
    struct ledger_row row;
    fill_maker(&row, n);
    add(&row);
}

static struct ledger_settlement cost_of(const char *object, uint64_t cost)
{
    struct ledger_settlement settlement = {.has_cost = true, .cost = cost};
    LEDGER_TEXT(settlement.object, slice_from(object));
    LEDGER_TEXT(settlement.provider, SLICE("twilio"));
    LEDGER_TEXT(settlement.hook, SLICE("sms"));
    LEDGER_TEXT(settlement.event, SLICE("evt-1"));
    return settlement;
}

static struct ledger_settler_outcome settle(const struct ledger_settlement *settlement)
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

static enum ledger_settle_result settle_cost(const char *object, uint64_t cost)
{
    struct ledger_settlement settlement = cost_of(object, cost);
    struct ledger_settler_outcome outcome = settle(&settlement);
    cr_expect(outcome.found);
    return outcome.result;
}

static struct ledger_row row_of(const char *object)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row row;
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_find_object(reader, object, &row, &err));
    ledger_reader_close(reader);
    return row;
}

static int64_t number(const char *sql)
{
    int64_t ret = -1;
    OK(ledger_sql_number(ledger_store_db(store), sql, &ret, &err));
    return ret;
}

static int64_t minutes(void)
{
    return number("SELECT sum(cost_nanousd) FROM minutes");
}

static int64_t used(unsigned hash)
{
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "SELECT sum(used) FROM quota_sums WHERE hash = %u", hash);
    return number(sql);
}

static const struct ledger_difference *difference_of(uint64_t hash)
{
    for (const struct ledger_difference_at *at = differences.first; at != NULL; at = at->next) {
        if (at->difference.window.hash == hash) {
            return &at->difference;
        }
    }
    return NULL;
}

Test(ledger_settlement, row_minute_and_windows_change_together)
{
    add_maker(1);
    add_maker(2);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(row_of("made-1").cost, 30);
    cr_expect_eq(row_of("made-2").cost, 100);
    cr_expect_eq(minutes(), 130);
    cr_expect_eq(used(7), 130);
    cr_expect_eq(used(8), 6); /* no quota on cost */
    cr_expect_eq(used(9), 130);
    cr_expect_eq(settle_cost("made-2", 1000), LEDGER_SETTLE_COST);
    cr_expect_eq(minutes(), 1030);
    cr_expect_eq(used(7), 1030);
    cr_expect_eq(used(9), 1030);
    cr_expect_eq(difference_of(7)->change, 830);
    cr_expect_eq(difference_of(9)->change, 830);
    cr_expect_null(difference_of(8));
}

Test(ledger_settlement, same_event_again_changes_nothing)
{
    add_maker(1);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_SAME);
    cr_expect_eq(minutes(), 30);
    cr_expect_eq(used(7), 30);
    cr_expect_eq(difference_of(7)->change, -70);
    cr_expect_eq(settle_cost("made-1", 100), LEDGER_SETTLE_COST);
    cr_expect_eq(minutes(), 100);
    cr_expect_eq(difference_of(7)->change, 0);
    cr_expect_eq(number("SELECT count(*) FROM quota_differences"), 1);
    cr_expect_eq(number("SELECT difference FROM quota_differences"), 0);
    cr_expect_eq(number("SELECT edition FROM quota_differences"), 2);
}

Test(ledger_settlement, an_estimate_that_was_right_is_settled_all_the_same)
{
    add_maker(1);
    cr_expect_eq(settle_cost("made-1", 100), LEDGER_SETTLE_COST);
    struct ledger_row row = row_of("made-1");
    cr_expect_neq(row.flags & LEDGER_SETTLED, 0);
    cr_expect_eq(row.flags & LEDGER_EXACT, 0);
    cr_expect_eq(differences.count, 0);
}

Test(ledger_settlement, a_shared_store_is_told_the_sum_of_all_differences)
{
    add_maker(1);
    add_maker(2);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(settle_cost("made-2", 120), LEDGER_SETTLE_COST);
    cr_expect_eq(difference_of(9)->sum, -50);
    cr_expect_eq(difference_of(9)->edition, 2);
    cr_expect_eq(difference_of(9)->window.epoch, 55);
    cr_expect_eq(difference_of(7)->sum, 0); /* a store in memory is told changes alone */
    struct ledger_differences kept = {0};
    OK(ledger_differences_read(ledger_store_db(store), now_ms, &kept, &err));
    cr_assert_eq(kept.count, 1);
    cr_expect_eq(kept.first->difference.sum, -50);
    cr_expect_eq(kept.first->difference.change, 0);
    cr_expect_eq(kept.first->difference.edition, 2);
    cr_expect_eq(kept.first->difference.since, difference_of(9)->since);
    ledger_differences_fini(&kept);
}

Test(ledger_settlement, what_is_called_off_has_not_happened)
{
    add_maker(1);
    struct ledger_settlement settlement = cost_of("made-1", 30);
    struct ledger_settler_outcome outcome;
    const struct ledger_settler_now now = {
        .seed = seed, .now_ms = now_ms, .differences = &differences};
    OK(ledger_store_begin(store, &err));
    OK(ledger_settler_settle(ledger_store_settler(store), &settlement, &now, &outcome, &err));
    OK(ledger_settler_end(ledger_store_settler(store), &err));
    ledger_store_call_off(store);
    cr_expect_eq(row_of("made-1").cost, 100);
    cr_expect_eq(minutes(), 100);
    cr_expect_eq(used(7), 100);
    cr_expect_eq(number("SELECT count(*) FROM quota_differences"), 0);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(minutes(), 30);
}

Test(ledger_settlement, a_window_that_is_over_changes_in_the_ledger_only)
{
    add_maker(1);
    now_ms += 1000;
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(row_of("made-1").cost, 30);
    cr_expect_eq(used(7), 30);
    cr_expect_eq(differences.count, 0);
    cr_expect_eq(number("SELECT count(*) FROM quota_differences"), 0);
}

Test(ledger_settlement, other_attempts_of_the_request_keep_their_cost)
{
    struct ledger_row row;
    fill_maker(&row, 1);
    row.cost = 140;
    add(&row);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(row_of("made-1").cost, 70);
    cr_expect_eq(minutes(), 70);
    cr_expect_eq(difference_of(7)->change, -70);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_SAME);
}

Test(ledger_settlement, objects_of_others_are_not_settled)
{
    add_maker(1);
    struct ledger_settlement settlement = cost_of("made-2", 30);
    cr_expect_not(settle(&settlement).found);
    settlement = cost_of("made-1", 30);
    LEDGER_TEXT(settlement.provider, SLICE("stripe"));
    cr_expect_not(settle(&settlement).found);
    cr_expect_eq(minutes(), 100);
    settlement.provider[0] = '\0';
    cr_expect(settle(&settlement).found);
}

Test(ledger_settlement, the_request_that_made_it_is_settled_and_not_a_later_one)
{
    struct ledger_row row;
    fill_maker(&row, 2);
    LEDGER_TEXT(row.object.id, SLICE("made-1"));
    add(&row);
    add_maker(1);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(row_of("made-1").id[31], '1');
    cr_expect_eq(row_of("made-1").cost, 30);
    cr_expect_eq(minutes(), 130);
}

Test(ledger_settlement, a_status_alone_leaves_the_cost)
{
    add_maker(1);
    struct ledger_settlement settlement = cost_of("made-1", 0);
    settlement.has_cost = false;
    LEDGER_TEXT(settlement.status, SLICE("delivered"));
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_STATUS);
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_SAME);
    struct ledger_row row = row_of("made-1");
    cr_expect_str_eq(row.object.status, "delivered");
    cr_expect_eq(row.cost, 100);
    cr_expect_eq(row.flags & LEDGER_SETTLED, 0);
}

static bool price_anew(void *ctx, const struct ledger_row *row, uint64_t *ret_cost,
                       bool *ret_fallback)
{
    (void)ctx;
    (void)row;
    *ret_cost = 200;
    *ret_fallback = false;
    return true;
}

Test(ledger_settlement, what_was_priced_anew_is_settled_by_what_quotas_were_charged)
{
    struct ledger_repriced done;
    const struct ledger_repricing repricing = {
        .filter = {.until = row_time + 86400 * SEC}, .write = true, .price = price_anew};
    add_maker(1);
    OK(ledger_reprice(path, &repricing, &done, &err));
    cr_expect_eq(minutes(), 200);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(minutes(), 30);
    cr_expect_eq(used(7), 30);
    cr_expect_eq(difference_of(7)->change, -70);
}

Test(ledger_settlement, explain_is_told_by_which_event)
{
    struct ledger_row row;
    fill_maker(&row, 1);
    LEDGER_TEXT(row.details, SLICE("{\"reason\":\"x\"}"));
    add(&row);
    add_maker(2);
    (void)settle_cost("made-1", 30);
    (void)settle_cost("made-1", 31);
    (void)settle_cost("made-2", 30);
    cr_expect_str_eq(row_of("made-1").details,
                     "{\"reason\":\"x\",\"settled\":{\"hook\":\"sms\",\"event\":\"evt-1\","
                     "\"before_nanousd\":30}}");
    cr_expect_str_eq(row_of("made-2").details,
                     "{\"settled\":{\"hook\":\"sms\",\"event\":\"evt-1\",\"before_nanousd\":100}}");
}

Test(ledger_settlement, what_is_said_again_takes_no_later_event_back)
{
    struct ledger_settlement settlement = cost_of("made-1", 30);
    add_maker(1);
    settlement.again = true;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_COST, "it was not heard");
    LEDGER_TEXT(settlement.event, SLICE("evt-2"));
    settlement.cost = 40;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_COST);
    LEDGER_TEXT(settlement.event, SLICE("evt-1"));
    settlement.cost = 30;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_SAME);
    cr_expect_eq(minutes(), 40);
    settlement.again = false;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_COST);
}

Test(ledger_settlement, details_without_room_stay_json)
{
    struct ledger_row row;
    fill_maker(&row, 1);
    memset(row.details, 'x', sizeof(row.details) - 1);
    memcpy(row.details, "{\"a\":\"", 6);
    memcpy(row.details + sizeof(row.details) - 3, "\"}", 3);
    char before[sizeof(row.details)];
    memcpy(before, row.details, sizeof(before));
    add(&row);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_str_eq(row_of("made-1").details, before);
}

Test(ledger_settlement, entries_go_with_their_rows)
{
    unsigned blocks = 0;
    add_maker(1);
    OK(ledger_store_trim_windows(store, 0, &err));
    cr_expect_eq(number("SELECT count(*) FROM objects"), 1);
    OK(ledger_store_trim(store, row_time + 3600 * SEC, 0, &blocks, &err));
    cr_expect_eq(blocks, 1);
    OK(ledger_store_trim_windows(store, now_ms + 2000, &err));
    cr_expect_eq(number("SELECT count(*) FROM objects"), 0);
    struct ledger_settlement settlement = cost_of("made-1", 30);
    cr_expect_not(settle(&settlement).found);
}

Test(ledger_settlement, rows_that_come_behind_a_settled_block_are_found)
{
    add_maker(1);
    (void)settle_cost("made-1", 30);
    add_maker(2); /* the writer's block has changed under it */
    (void)settle_cost("made-2", 40);
    add_maker(3);
    cr_expect_eq(row_of("made-1").cost, 30);
    cr_expect_eq(row_of("made-2").cost, 40);
    cr_expect_eq(row_of("made-3").cost, 100);
    cr_expect_eq(minutes(), 170);
}

Test(ledger_settlement, a_ledger_that_was_begun_before_there_was_that_goes_on)
{
    ledger_store_close(TAKE(store));
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    OK(ledger_sql_run(db, "DROP TABLE objects; DROP TABLE quota_differences", &err));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    OK(ledger_store_open(path, 0, &store, &err));
    add_maker(1);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
}

/* ---- the ledger as a whole ---- */

static bool any = true;

static struct ledger *start_ledger(void)
{
    struct ledger *ledger = NULL;
    const struct ledger_settings settings = {.path = scratch_path(&folder, "whole.db"),
                                             .keep = 86400 * SEC * 40000,
                                             .workers = 1,
                                             .settleable = {.any = any}};
    OK(ledger_start(&settings, &ledger, &err));
    return ledger;
}

static void close_row(struct ledger *ledger, unsigned n)
{
    struct ledger_ring *ring = ledger_ring_of(ledger, 0);
    struct ledger_row *row = ledger_ring_take(ring);
    fill_maker(row, n);
    ledger_ring_opened(ring, row);
    ledger_ring_closed(ring, row);
}

static void count_settled(void *ctx, const struct ledger_settled *settled)
{
    uint64_t *results = ctx;
    for (unsigned i = 0; i < LEDGER_SETTLE_RESULTS; i++) {
        results[i] += settled->results[i];
    }
}

Test(ledger_settlement, an_event_may_overtake_the_end_of_its_request)
{
    struct ledger *ledger = start_ledger();
    struct ledger_settlement settlement = cost_of("made-1", 30);
    ledger_settle(ledger, &settlement);
    close_row(ledger, 1);
    ledger_stop(ledger);
    path = scratch_path(&folder, "whole.db");
    cr_expect_eq(row_of("made-1").cost, 30);
}

Test(ledger_settlement, what_finds_no_room_is_counted)
{
    struct ledger *ledger = start_ledger();
    struct ledger_settlement settlement = cost_of("nobody", 30);
    uint64_t results[LEDGER_SETTLE_RESULTS] = {0};
    for (unsigned i = 0; i < LEDGER_SETTLEMENTS_MAX + 7; i++) {
        ledger_settle(ledger, &settlement);
    }
    ledger_take_settled(ledger, results, count_settled);
    cr_expect_eq(results[LEDGER_SETTLE_OVERFLOW], 7);
    ledger_stop(ledger);
}

Test(ledger_settlement, an_object_that_stays_unknown_is_counted)
{
    struct ledger *ledger = start_ledger();
    struct ledger_settlement settlement = cost_of("nobody", 30);
    uint64_t results[LEDGER_SETTLE_RESULTS] = {0};
    ledger->settling.waits_for = 0; /* nothing has come yet, so the thread does not look at it */
    ledger_settle(ledger, &settlement);
    while (results[LEDGER_SETTLE_UNKNOWN_OBJECT] == 0) {
        ledger_take_settled(ledger, results, count_settled);
        (void)usleep(1000);
    }
    cr_expect_eq(results[LEDGER_SETTLE_UNKNOWN_OBJECT], 1);
    ledger_stop(ledger);
}

Test(ledger_settlement, only_rows_that_may_be_settled_leave_entries)
{
    any = false;
    struct ledger *ledger = start_ledger();
    const struct ledger_settleable others = {.count = 2, .providers = {"stripe", "openai"}};
    const struct ledger_settleable this = {.count = 2, .providers = {"stripe", "twilio"}};
    close_row(ledger, 1);
    ledger_stop(ledger);
    ledger = start_ledger();
    ledger_set_settleable(ledger, &others);
    close_row(ledger, 2);
    ledger_stop(ledger);
    ledger = start_ledger();
    ledger_set_settleable(ledger, &this);
    close_row(ledger, 3);
    ledger_stop(ledger);
    ledger_store_close(store);
    path = scratch_path(&folder, "whole.db");
    OK(ledger_store_open(path, 0, &store, &err));
    cr_expect_eq(number("SELECT count(*) FROM blocks"), 3);
    cr_expect_eq(number("SELECT count(*) FROM objects"), 1);
}
