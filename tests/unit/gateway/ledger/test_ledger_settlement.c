#include "gateway/ledger/ledger_reprice.h"
#include "tests/unit/gateway/ledger/ledger_settlement_rig.h"

TestSuite(ledger_settlement, .init = setup, .fini = teardown);

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

Test(ledger_settlement, of_an_array_that_is_said_again_the_elements_behind_the_last_one_count)
{
    struct ledger_settlement settlement = cost_of("made-1", 30);
    add_maker(1);
    settlement.element = 9;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_COST);
    cr_expect_str_eq(row_of("made-1").details,
                     "{\"settled\":{\"hook\":\"sms\",\"event\":\"evt-1\",\"element\":9,"
                     "\"before_nanousd\":100}}");
    settlement.again = true;
    settlement.element = 8;
    settlement.cost = 20;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_SAME);
    settlement.element = 9;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_SAME);
    settlement.element = 10;
    cr_expect_eq(settle(&settlement).result, LEDGER_SETTLE_COST);
    cr_expect_eq(minutes(), 20);
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

Test(ledger_settlement, amounts_beyond_all_sums_stop_at_the_largest)
{
    const uint64_t most = 9000000000000000; /* of an event */
    int64_t past = INT64_MAX / (int64_t)most + 2;
    add_maker(1);
    add_maker(2);
    OK(ledger_sql_run(ledger_store_db(store),
                      "INSERT INTO quota_differences SELECT ends_ms, hash, epoch, starts_ms, 1, 1, "
                      "9223372036854775000 FROM quota_sums WHERE epoch = 55",
                      &err));
    cr_expect_eq(settle_cost("made-1", most), LEDGER_SETTLE_COST);
    cr_expect_eq(number("SELECT difference FROM quota_differences"), INT64_MAX);
    OK(ledger_sql_run(ledger_store_db(store),
                      "UPDATE quota_differences SET difference = -9223372036854775000", &err));
    cr_expect_eq(settle_cost("made-1", 0), LEDGER_SETTLE_COST);
    cr_expect_eq(number("SELECT difference FROM quota_differences"), -INT64_MAX);
    struct ledger_difference difference = {.window = {.hash = 70}, .change = (int64_t)most};
    for (int64_t i = 0; i < past; i++) {
        ledger_differences_add(&differences, &difference);
    }
    cr_expect_eq(difference_of(70)->change, INT64_MAX);
    difference.change = -difference.change;
    for (int64_t i = 0; i < 2 * past; i++) {
        ledger_differences_add(&differences, &difference);
    }
    cr_expect_eq(difference_of(70)->change, -INT64_MAX);
}

Test(ledger_settlement, of_what_was_charged_alone_the_difference_is_kept)
{
    struct ledger_row row;
    fill_maker(&row, 1);
    row.charges[0].epoch = LEDGER_EPOCH_ALONE;
    add(&row);
    cr_expect_eq(settle_cost("made-1", 30), LEDGER_SETTLE_COST);
    cr_expect_eq(difference_of(7)->window.epoch, LEDGER_EPOCH_ALONE);
    cr_expect_eq(number("SELECT difference FROM quota_differences WHERE epoch = 1"), -70);
    cr_expect_eq(used(7), 30);
}
