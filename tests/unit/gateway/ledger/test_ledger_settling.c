/* Settlements on their way through the ledger's thread. */
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_state.h"
#include "tests/unit/gateway/ledger/ledger_settlement_rig.h"

#include <unistd.h>

TestSuite(ledger_settling, .init = setup, .fini = teardown);

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

Test(ledger_settling, an_event_may_overtake_the_end_of_its_request)
{
    struct ledger *ledger = start_ledger();
    struct ledger_settlement settlement = cost_of("made-1", 30);
    ledger_settle(ledger, &settlement);
    close_row(ledger, 1);
    ledger_stop(ledger);
    path = scratch_path(&folder, "whole.db");
    cr_expect_eq(row_of("made-1").cost, 30);
}

Test(ledger_settling, what_finds_no_room_is_counted)
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

Test(ledger_settling, an_object_that_stays_unknown_is_counted)
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

/* Each in a block of its own, as the ledger is begun anew. */
static void make_blocks(unsigned count)
{
    for (unsigned n = 1; n <= count; n++) {
        struct ledger *ledger = start_ledger();
        close_row(ledger, n);
        ledger_stop(ledger);
    }
    path = scratch_path(&folder, "whole.db");
}

/* Row n's block has more rows than can be packed again. */
static void fatten_block(unsigned n)
{
    struct ledger_block block;
    struct ledger_row row;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    ledger_block_init(&block, 16 << 20);
    fill_maker(&row, n);
    OK(ledger_block_add(&block, &row));
    for (unsigned i = 0; i < 1200; i++) {
        fill_row(&row, 1000 + i);
        memset(row.details, 'a' + (char)(i % 26), sizeof(row.details) - 1);
        OK(ledger_block_add(&block, &row));
    }
    struct slice packed = buffer_bytes(&block.bytes);
    cr_assert_gt(packed.len, 1 << 20);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    OK(ledger_sql_prepare(db, "UPDATE blocks SET packed = ?1 WHERE number = ?2", &statement, &err));
    (void)sqlite3_bind_blob(statement, 1, packed.ptr, (int)packed.len, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, n);
    cr_assert_eq(sqlite3_step(statement), SQLITE_DONE);
    cr_assert_eq(sqlite3_changes(db), 1);
    (void)sqlite3_finalize(statement);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    ledger_block_fini(&block);
}

/* Said in this order; what is not found is given up at once. */
static void settle_whole(const char *const *objects, unsigned count,
                         uint64_t results[LEDGER_SETTLE_RESULTS])
{
    struct ledger *ledger = start_ledger();
    uint64_t ended = 0;
    for (unsigned i = 0; i < count; i++) {
        struct ledger_settlement settlement = cost_of(objects[i], 30 + i);
        ledger_settle(ledger, &settlement);
    }
    for (unsigned tries = 0; ended < count && tries < 10000; tries++) {
        (void)usleep(1000);
        ledger_take_settled(ledger, results, count_settled);
        ended = 0;
        for (unsigned i = 0; i < LEDGER_SETTLE_RESULTS; i++) {
            ended += results[i];
        }
    }
    ledger_stop(ledger);
}

Test(ledger_settling, a_block_that_cannot_be_packed_again_hurts_its_own_events_alone)
{
    static const char *const objects[] = {"made-1", "made-2", "made-3", "made-1", "made-2"};
    static const char *const last[] = {"made-3", "made-2"};
    uint64_t results[LEDGER_SETTLE_RESULTS] = {0};
    uint64_t more[LEDGER_SETTLE_RESULTS] = {0};
    make_blocks(3);
    fatten_block(2);
    settle_whole(objects, 5, results);
    cr_expect_eq(results[LEDGER_SETTLE_BROKEN], 2);
    cr_expect_eq(results[LEDGER_SETTLE_COST], 3);
    cr_expect_eq(row_of("made-1").cost, 33, "the last one counts");
    cr_expect_eq(row_of("made-2").cost, 100);
    cr_expect_eq(row_of("made-3").cost, 32);
    settle_whole(last, 2, more); /* the broken one is the last that is written */
    cr_expect_eq(more[LEDGER_SETTLE_BROKEN], 1);
    cr_expect_eq(more[LEDGER_SETTLE_COST], 1);
    cr_expect_eq(row_of("made-3").cost, 30);
}

/* Row 2's block is none, and says of the others' rows that they may lie in it. */
static void break_block(void)
{
    unsigned char prints[3 * LEDGER_PRINT_BYTES];
    struct ledger_row row;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    for (unsigned n = 1; n <= 3; n++) {
        fill_maker(&row, n);
        ledger_print(row.id, prints + (n - 1) * LEDGER_PRINT_BYTES);
    }
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    OK(ledger_sql_prepare(db,
                          "UPDATE blocks SET packed = x'ff', ids = ?1, closed_from = 0, "
                          "closed_to = 9000000000000000000 WHERE number = 2",
                          &statement, &err));
    (void)sqlite3_bind_blob(statement, 1, prints, sizeof(prints), SQLITE_STATIC);
    cr_assert_eq(sqlite3_step(statement), SQLITE_DONE);
    cr_assert_eq(sqlite3_changes(db), 1);
    (void)sqlite3_finalize(statement);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

Test(ledger_settling, a_block_that_cannot_be_read_hurts_its_own_events_alone)
{
    static const char *const objects[] = {"made-1", "made-2", "made-3"};
    uint64_t results[LEDGER_SETTLE_RESULTS] = {0};
    make_blocks(3);
    break_block();
    settle_whole(objects, 3, results);
    cr_expect_eq(results[LEDGER_SETTLE_BROKEN], 1);
    cr_expect_eq(results[LEDGER_SETTLE_COST], 2);
    ledger_store_close(store);
    OK(ledger_store_open(path, 0, &store, &err));
    cr_expect_eq(number("SELECT sum(cost) FROM objects"), 30 + 100 + 32);
}

Test(ledger_settling, only_rows_that_may_be_settled_leave_entries)
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
