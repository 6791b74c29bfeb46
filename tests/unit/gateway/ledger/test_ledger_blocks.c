/* ledger_blocks, as its store uses them: what comes together in a block, and whose it is. */
#include "gateway/ledger/ledger_blocks.h"
#include "tests/unit/gateway/ledger/ledger_store_rig.h"

TestSuite(ledger_blocks, .init = rig_setup, .fini = rig_teardown);

/* Rows from..to-1, in one batch; returns how many were new. */
static unsigned add_rows(unsigned from, unsigned to)
{
    unsigned count = 0;
    OK(ledger_store_begin(store, &err));
    for (unsigned n = from; n < to; n++) {
        struct ledger_row row;
        bool new = false;
        fill_row(&row, n);
        OK(ledger_store_add(store, &row, &new, &err));
        count += new;
    }
    OK(ledger_store_commit(store, &err));
    return count;
}

Test(ledger_blocks, few_rows_at_a_time_come_together_in_a_block)
{
    reopen(0);
    for (unsigned n = 0; n < 100; n++) {
        (void)add_rows(n, n + 1);
    }
    cr_expect_eq(ask("SELECT count(*) FROM blocks"), 2);
    cr_expect_eq(ask("SELECT max(rows) FROM blocks"), 64); /* each batch writes all of it */
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 100);
    cr_expect_eq(ask("SELECT sum(rows) FROM blocks"), 100);
}

/* Who looks for failures, or objects, reads blocks that have some. */
Test(ledger_blocks, each_block_counts_its_own)
{
    enum { BLOCK = LEDGER_BLOCK_ROWS };
    reopen(0);
    OK(ledger_store_begin(store, &err));
    for (unsigned n = 0; n < 3 * BLOCK; n++) {
        struct ledger_row row;
        bool new = false;
        fill_row(&row, n);
        row.status = n < 5 ? 500 : 200;
        (void)snprintf(row.object.id, sizeof(row.object.id), "%s", n < 7 ? "pi_1" : "");
        row.opened_at = row_time - (n % 10) * SEC;
        row.closed_at = row_time + (n % 10) * SEC;
        OK(ledger_store_add(store, &row, &new, &err));
    }
    OK(ledger_store_commit(store, &err));
    cr_expect_eq(ask("SELECT count(*) FROM blocks WHERE failed = 0 AND objects = 0"), 2);
    cr_expect_eq(ask("SELECT failed * 1000 + objects FROM blocks WHERE number = 1"), 5007);
    cr_expect_eq(ask("SELECT count(*) FROM blocks WHERE opened_to - opened_from = 9000000 AND "
                     "closed_to - closed_from = 9000000"),
                 3);
}

Test(ledger_blocks, but_not_those_of_a_long_time)
{
    struct ledger_row row;
    bool new = false;
    reopen(0);
    for (unsigned n = 0; n < 11; n++) {
        fill_row(&row, n);
        row.closed_at = row_time + n % 10 * 31 * SEC; /* the last one: of a clock set back */
        OK(ledger_store_begin(store, &err));
        OK(ledger_store_add(store, &row, &new, &err));
        OK(ledger_store_commit(store, &err));
    }
    cr_expect_eq(ask("SELECT count(*) FROM blocks"), 6); /* of 31 s and two rows */
    cr_expect_eq(ask("SELECT max(closed_to - closed_from) FROM blocks"), 31 * SEC);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 11);
}

/* It was changed, deleted, or goes on to be written by somebody else: it is not touched. */
Test(ledger_blocks, a_block_that_another_process_has_changed_is_left_alone)
{
    reopen(0);
    (void)add_rows(0, 1);
    (void)ask("UPDATE blocks SET edition = edition + 1 RETURNING 1");
    (void)add_rows(1, 2);
    cr_expect_eq(ask("SELECT count(*) FROM blocks"), 2);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 2);
    (void)ask("DELETE FROM blocks RETURNING 1");
    (void)add_rows(2, 3);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 1);
}

/* Who deletes the last block frees its number, too. */
Test(ledger_blocks, a_block_of_another_process_that_has_its_number_is_left_alone)
{
    struct ledger_store *other = NULL;
    reopen(0);
    (void)add_rows(0, 1);
    (void)ask("DELETE FROM blocks RETURNING 1");
    other = store;
    OK(ledger_store_open(path, 0, &store, &err));
    (void)add_rows(1, 2);
    ledger_store_close(TAKE(store));
    store = other;
    (void)add_rows(2, 3);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 2);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM requests"), 1 + 2);
}

Test(ledger_blocks, two_that_write_to_one_file_do_not_mix_their_blocks)
{
    struct ledger_store *first = NULL;
    reopen(0);
    first = store;
    OK(ledger_store_open(path, 0, &store, &err));
    for (unsigned n = 0; n < 10; n++) {
        struct ledger_store *other = store;
        (void)add_rows(n, n + 1);
        store = first;
        first = other;
    }
    ledger_store_close(first);
    cr_expect_eq(ask("SELECT count(*) FROM blocks"), 2);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 10);
    cr_expect_eq(ask("SELECT count(DISTINCT id) FROM requests"), 10);
}

/* By another id of the same hash, which may be. */
Test(ledger_blocks, an_id_is_there_if_it_is_there_whole)
{
    char sql[128];
    unsigned char print[LEDGER_PRINT_BYTES];
    char id[33];
    reopen(0);
    (void)add_rows(0, 1);
    (void)snprintf(id, sizeof(id), "%032x", 1);
    ledger_print(id, print);
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE blocks SET closed_to = closed_to + 10, ids = x'%02x%02x%02x%02x' "
                   "RETURNING 1",
                   print[0], print[1], print[2], print[3]);
    cr_expect_eq(ask(sql), 1);
    cr_expect_eq(add_rows(1, 2), 1U);
    cr_expect_eq(add_rows(1, 2), 0U);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 2);
}
