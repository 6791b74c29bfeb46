#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_reprice.h"
#include "gateway/ledger/ledger_store.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct scratch_folder folder;
static const char *path;
static struct ledger_store *store;
static struct error err;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
    OK(ledger_store_open(path, 0, &store, &err));
}

static void teardown(void)
{
    ledger_store_close(store);
    scratch_remove(&folder);
}

TestSuite(ledger_reprice, .init = setup, .fini = teardown);

static void add(const struct ledger_row *rows, unsigned count)
{
    struct ledger_minutes minutes = {0};
    OK(ledger_store_begin(store, &err));
    for (unsigned i = 0; i < count; i++) {
        bool new = false;
        OK(ledger_store_add(store, &rows[i], &new, &err));
        ledger_minutes_add(&minutes, &rows[i]);
    }
    for (const struct ledger_minute *minute = minutes.first; minute != NULL;
         minute = minute->next) {
        OK(ledger_store_add_minute(store, minute, &err));
    }
    OK(ledger_store_commit(store, &err));
    ledger_minutes_fini(&minutes);
}

/* So many rows, some in a minute, of two tenants; number n costs n. */
static void add_many(unsigned count)
{
    struct ledger_row *rows = memory_alloc(count * sizeof(*rows));
    for (unsigned i = 0; i < count; i++) {
        fill_row(&rows[i], i + 1);
        rows[i].opened_at = row_time + (usec_t)i * SEC;
        rows[i].closed_at = row_time + (usec_t)(i / 7 + 1) * 7 * SEC; /* seven at once */
        LEDGER_TEXT(rows[i].tenant, i % 2 == 0 ? SLICE("checkout") : SLICE("search"));
    }
    add(rows, count);
    memory_free(rows);
}

/* Twice as much and one more, but for what ends with 7; or as `fixed` says. */
struct prices {
    uint64_t fixed;
    unsigned asked;
};

static bool price(void *ctx, const struct ledger_row *row, uint64_t *ret_cost, bool *ret_fallback)
{
    struct prices *prices = ctx;
    prices->asked++;
    *ret_fallback = row->id[31] == '1';
    *ret_cost = prices->fixed > 0 ? prices->fixed : 2 * row->cost + 1;
    return row->id[31] != '7';
}

static struct ledger_repriced run(bool write, const struct ledger_filter *filter, uint64_t fixed)
{
    struct ledger_repriced done;
    struct prices prices = {.fixed = fixed};
    struct ledger_repricing repricing = {
        .filter = *filter, .write = write, .ctx = &prices, .price = price};
    repricing.filter.until = filter->until > 0 ? filter->until : row_time + 86400 * SEC;
    OK(ledger_reprice(path, &repricing, &done, &err));
    cr_expect_eq(done.rows, prices.asked);
    return done;
}

static struct row_list list_rows(void)
{
    struct ledger_reader *reader = NULL;
    struct row_list list = {0};
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_recent(reader, false, ROWS_MAX, &list, list_row, &err));
    ledger_reader_close(reader);
    return list;
}

static void note_sum(void *ctx, const struct ledger_sum *sum)
{
    *(uint64_t *)ctx += sum->cost;
}

static uint64_t sum_of(const struct ledger_filter *filter)
{
    struct ledger_reader *reader = NULL;
    uint64_t sum = 0;
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_sums(reader, filter, &sum, note_sum, &err));
    ledger_reader_close(reader);
    return sum;
}

/* Of all rows; and it is what the minutes say. */
static uint64_t total(void)
{
    struct row_list list = list_rows();
    uint64_t sum = 0;
    for (unsigned i = 0; i < list.count; i++) {
        sum += list.rows[i].cost;
    }
    row_list_fini(&list);
    cr_expect_eq(sum_of(&(struct ledger_filter){0}), sum);
    return sum;
}

enum { MANY = 1300 }; /* three batches */

Test(ledger_reprice, looks_at_every_row_once_and_changes_nothing_unless_told)
{
    add_many(MANY);
    uint64_t before = total();
    struct ledger_repriced done = run(false, &(struct ledger_filter){0}, 0);
    cr_expect_eq(done.rows, MANY);
    cr_expect_gt(done.changed, (unsigned)MANY / 16 * 14);
    cr_expect_eq(total(), before);
}

Test(ledger_reprice, rows_and_sums_change_together_and_once)
{
    add_many(MANY);
    uint64_t expected = 0;
    uint64_t changed = 0;
    for (unsigned n = 1; n <= MANY; n++) {
        expected += n % 16 == 7 ? n : 42;
        changed += n % 16 != 7 && n != 42;
    }
    cr_expect_eq(run(true, &(struct ledger_filter){0}, 42).changed, changed);
    cr_expect_eq(total(), expected);
    cr_expect_eq(run(true, &(struct ledger_filter){0}, 42).changed, 0U);
    cr_expect_eq(total(), expected);
    struct row_list list = list_rows();
    for (unsigned i = 0; i < list.count; i++) {
        const struct ledger_row *row = &list.rows[i];
        bool touched = row->id[31] != '7' && strcmp(row->id + 24, "0000002a") != 0;
        cr_expect_eq((row->flags & LEDGER_REPRICED) != 0, touched, "%s", row->id);
        cr_expect_eq((row->flags & LEDGER_PRICE_FALLBACK) != 0, touched && row->id[31] == '1');
        cr_expect_eq(row->flags & LEDGER_METERED, (uint32_t)LEDGER_METERED);
    }
    row_list_fini(&list);
}

Test(ledger_reprice, only_what_the_filter_says)
{
    add_many(100);
    uint64_t search = sum_of(&(struct ledger_filter){.tenant = "search"});
    (void)run(true, &(struct ledger_filter){.tenant = "checkout"}, 1000);
    cr_expect_eq(sum_of(&(struct ledger_filter){.tenant = "search"}), search);
    cr_expect_eq(run(true, &(struct ledger_filter){.route = "other"}, 1).rows, 0U);
    cr_expect_eq(run(true, &(struct ledger_filter){.model = "other"}, 1).rows, 0U);
    const struct ledger_filter some = {.since = row_time + 10 * SEC, .until = row_time + 20 * SEC};
    cr_expect_eq(run(false, &some, 1).rows, 10U);
    (void)total();
}

Test(ledger_reprice, sums_that_say_nothing_any_more_stay)
{
    struct ledger_row rows[2];
    fill_row(&rows[0], 1);
    fill_row(&rows[1], 2);
    rows[0].cost = (uint64_t)INT64_MAX - 10;
    rows[1].cost = 5;
    add(rows, 2);
    (void)run(true, &(struct ledger_filter){.until = row_time + 2}, UINT64_MAX);
    struct row_list list = list_rows();
    cr_expect_eq(list.rows[0].cost + list.rows[1].cost, 5 + (uint64_t)INT64_MAX);
    row_list_fini(&list);
    cr_expect_eq(sum_of(&(struct ledger_filter){0}), (uint64_t)INT64_MAX);
    (void)run(true, &(struct ledger_filter){0}, 1);
    cr_expect_eq(sum_of(&(struct ledger_filter){0}), (uint64_t)INT64_MAX);
}

/* While its price is asked somebody else writes. */
static bool disturb(void *ctx, const struct ledger_row *row, uint64_t *ret_cost, bool *ret_fallback)
{
    struct ledger_repriced done;
    struct prices prices = {.fixed = 50};
    const struct ledger_repricing other = {
        .filter = {.until = row_time + 86400 * SEC}, .write = true, .ctx = &prices, .price = price};
    unsigned *calls = ctx;
    if ((*calls)++ == 0) {
        OK(ledger_reprice(path, &other, &done, &err));
    }
    *ret_fallback = false;
    *ret_cost = 99;
    return row != NULL;
}

Test(ledger_reprice, a_row_that_somebody_else_has_changed_meanwhile_is_not_counted_twice)
{
    struct ledger_repriced done;
    unsigned calls = 0;
    add_many(10);
    const struct ledger_repricing repricing = {.filter = {.until = row_time + 86400 * SEC},
                                               .write = true,
                                               .ctx = &calls,
                                               .price = disturb};
    OK(ledger_reprice(path, &repricing, &done, &err));
    cr_expect_eq(done.changed, 1U); /* that which the other one leaves alone */
    cr_expect_eq(total(), 9 * 50U + 99);
}

Test(ledger_reprice, a_file_that_is_not_there_is_an_error)
{
    struct ledger_repriced done;
    struct prices prices = {.fixed = 1};
    const struct ledger_repricing repricing = {
        .filter = {.until = 1}, .write = true, .ctx = &prices, .price = price};
    cr_expect_eq(ledger_reprice(scratch_path(&folder, "none.db"), &repricing, &done, &err),
                 STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "none.db"));
}
