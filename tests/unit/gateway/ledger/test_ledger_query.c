#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_store.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <sqlite3.h>

static struct scratch_folder folder;
static const char *path;
static struct ledger_store *store;
static struct ledger_reader *reader;
static struct row_list list;
static struct error err;

#define OK(expr)   cr_assert_eq((expr), STATUS_OK, "%s", err.message)
#define DAY        (86400 * SEC)
#define SUMS_MAX   16
#define MINUTES(n) ((n)*60 * SEC)

static struct {
    char name[100];
    struct ledger_sum sum;
} sums[SUMS_MAX];
static unsigned sum_count;

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
    OK(ledger_store_open(path, 0, &store, &err));
    OK(ledger_reader_open(path, &reader, &err));
}

static void teardown(void)
{
    row_list_fini(&list);
    ledger_reader_close(reader);
    ledger_store_close(store);
    scratch_remove(&folder);
}

TestSuite(ledger_query, .init = setup, .fini = teardown);

static void add(const struct ledger_row *row)
{
    bool new = false;
    struct ledger_minutes minutes = {0};
    ledger_minutes_add(&minutes, row);
    OK(ledger_store_begin(store, &err));
    OK(ledger_store_add(store, row, &new, &err));
    OK(ledger_store_add_minute(store, minutes.first, &err));
    OK(ledger_store_commit(store, &err));
    ledger_minutes_fini(&minutes);
    cr_assert(new);
}

/* Number n, of that tenant, route and model, opened so long after the first. */
static void add_call(unsigned n, const char *names[3], usec_t after, uint64_t cost)
{
    struct ledger_row row;
    fill_row(&row, n);
    row.opened_at = row_time + after;
    row.closed_at = row.opened_at + SEC;
    row.cost = cost;
    LEDGER_TEXT(row.tenant, slice_from(names[0]));
    LEDGER_TEXT(row.route, slice_from(names[1]));
    LEDGER_TEXT(row.model, slice_from(names[2]));
    add(&row);
}

static void note_sum(void *ctx, const struct ledger_sum *sum)
{
    (void)ctx;
    cr_assert_lt(sum_count, (unsigned)SUMS_MAX);
    (void)snprintf(sums[sum_count].name, sizeof(sums[0].name), "%s", sum->name);
    sums[sum_count++].sum = *sum;
}

static void query(const struct ledger_filter *filter)
{
    sum_count = 0;
    OK(ledger_sums(reader, filter, NULL, note_sum, &err));
}

static void expect_sum(unsigned index, const char *name, uint64_t requests, uint64_t cost)
{
    cr_assert_lt(index, sum_count);
    cr_expect_str_eq(sums[index].name, name, "%s", sums[index].name);
    cr_expect_eq(sums[index].sum.requests, requests, "%s: %lu", name, sums[index].sum.requests);
    cr_expect_eq(sums[index].sum.cost, cost, "%s: %lu", name, sums[index].sum.cost);
}

static void add_some(void)
{
    const char *a[] = {"checkout", "openai", "gpt-4o"};
    const char *b[] = {"search", "openai", "gpt-4o-mini"};
    const char *c[] = {"search", "stripe", ""};
    add_call(1, a, 0, 100);
    add_call(2, b, MINUTES(1), 7);
    add_call(3, b, MINUTES(2), 8);
    add_call(4, c, DAY, 0);
    add_call(5, a, 2 * DAY - MINUTES(1), 1);
}

Test(ledger_query, everything_is_one_sum)
{
    query(&(struct ledger_filter){0});
    cr_assert_eq(sum_count, 1U);
    expect_sum(0, "", 0, 0);
    add_some();
    query(&(struct ledger_filter){0});
    cr_assert_eq(sum_count, 1U);
    expect_sum(0, "", 5, 116);
    cr_expect_eq(sums[0].sum.units[LEDGER_UNIT_INPUT], 50U);
    cr_expect_eq(sums[0].sum.units[LEDGER_UNIT_OUTPUT], 100U);
    cr_expect_eq(sums[0].sum.errors, 0U);
}

Test(ledger_query, groups_come_by_cost)
{
    add_some();
    query(&(struct ledger_filter){.by = LEDGER_BY_TENANT});
    cr_assert_eq(sum_count, 2U);
    expect_sum(0, "checkout", 2, 101);
    expect_sum(1, "search", 3, 15);
    query(&(struct ledger_filter){.by = LEDGER_BY_ROUTE});
    expect_sum(0, "openai", 4, 116);
    expect_sum(1, "stripe", 1, 0);
    query(&(struct ledger_filter){.by = LEDGER_BY_MODEL});
    cr_assert_eq(sum_count, 3U);
    expect_sum(0, "gpt-4o", 2, 101);
    expect_sum(1, "gpt-4o-mini", 2, 15);
    expect_sum(2, "", 1, 0);
}

Test(ledger_query, days_come_by_date_and_begin_where_the_offset_says)
{
    add_some();
    query(&(struct ledger_filter){.by = LEDGER_BY_DAY});
    cr_assert_eq(sum_count, 2U);
    expect_sum(0, "2024-10-04", 3, 115);
    expect_sum(1, "2024-10-05", 2, 1);
    query(&(struct ledger_filter){.by = LEDGER_BY_DAY, .utc_offset = 3600});
    cr_assert_eq(sum_count, 3U);
    expect_sum(1, "2024-10-05", 1, 0);
    expect_sum(2, "2024-10-06", 1, 1);
    query(&(struct ledger_filter){.by = LEDGER_BY_DAY, .utc_offset = -60});
    expect_sum(0, "2024-10-03", 1, 100);
}

Test(ledger_query, filters_are_and)
{
    add_some();
    query(&(struct ledger_filter){.tenant = "search"});
    expect_sum(0, "", 3, 15);
    query(&(struct ledger_filter){.tenant = "search", .route = "openai"});
    expect_sum(0, "", 2, 15);
    query(&(struct ledger_filter){.model = ""});
    expect_sum(0, "", 1, 0);
    query(&(struct ledger_filter){.model = "gpt-4o' OR '1'='1"});
    expect_sum(0, "", 0, 0);
    query(&(struct ledger_filter){.tenant = "nobody", .by = LEDGER_BY_ROUTE});
    cr_expect_eq(sum_count, 0U);
}

Test(ledger_query, whole_minutes_count)
{
    add_some();
    query(&(struct ledger_filter){.since = row_time + MINUTES(1) + 59 * SEC});
    expect_sum(0, "", 4, 16);
    query(&(struct ledger_filter){.since = row_time + MINUTES(1), .until = row_time + MINUTES(2)});
    expect_sum(0, "", 1, 7);
    query(&(struct ledger_filter){.since = row_time, .until = row_time + 1});
    expect_sum(0, "", 1, 100);
}

Test(ledger_query, sums_of_sums_stop_at_the_largest)
{
    const char *names[] = {"checkout", "openai", "gpt-4o"};
    add_call(1, names, 0, INT64_MAX);
    add_call(2, names, MINUTES(1), UINT64_MAX);
    add_call(3, names, MINUTES(2), 1);
    query(&(struct ledger_filter){.by = LEDGER_BY_TENANT});
    cr_assert_eq(sum_count, 1U);
    expect_sum(0, "checkout", 3, INT64_MAX);
}

static void expect_numbers(unsigned count, const unsigned *numbers)
{
    cr_expect_eq(list.count, count, "%u", list.count);
    for (unsigned i = 0; i < count && i < list.count; i++) {
        char id[33];
        (void)snprintf(id, sizeof(id), "%032x", numbers[i]);
        cr_expect_str_eq(list.rows[i].id, id, "%u: %s", i, list.rows[i].id);
    }
    row_list_fini(&list);
}

Test(ledger_query, the_newest_come_first)
{
    add_some();
    OK(ledger_recent(reader, false, 3, &list, list_row, &err));
    expect_numbers(3, (unsigned[]){5, 4, 3});
}

/* By their end; of those that ended at once, the one that was written last. */
Test(ledger_query, the_newest_is_the_one_that_ended_last)
{
    static const usec_t ends[] = {0, 9, 3, 3, 5};
    for (unsigned n = 1; n <= 4; n++) {
        struct ledger_row row;
        fill_row(&row, n);
        row.closed_at = row_time + ends[n] * SEC;
        add(&row);
    }
    OK(ledger_recent(reader, false, 10, &list, list_row, &err));
    expect_numbers(4, (unsigned[]){1, 4, 3, 2});
}

Test(ledger_query, errors_are_refusals_failures_and_what_was_cut)
{
    for (unsigned n = 1; n <= 6; n++) {
        static const uint16_t statuses[] = {0, 200, 429, 502, 200, 0, 399};
        struct ledger_row row;
        fill_row(&row, n);
        row.status = statuses[n];
        LEDGER_TEXT(row.ended_by, n == 4 ? SLICE("client") : SLICE(""));
        add(&row);
    }
    OK(ledger_recent(reader, true, 10, &list, list_row, &err));
    expect_numbers(4, (unsigned[]){5, 4, 3, 2});
    OK(ledger_recent(reader, true, 2, &list, list_row, &err));
    expect_numbers(2, (unsigned[]){5, 4});
}

/* Else who asks for the last failures of millions of requests waits for all of them. */
Test(ledger_query, only_blocks_that_have_failures_or_objects_are_read)
{
    enum { ROWS = 1000 };
    sqlite3 *db = NULL;
    OK(ledger_store_begin(store, &err));
    for (unsigned n = 0; n < ROWS; n++) {
        bool new = false;
        struct ledger_row row;
        fill_row(&row, n);
        row.status = n == 1 ? 500 : 200;
        LEDGER_TEXT(row.object.id, n == 2 ? SLICE("pi_2") : SLICE(""));
        OK(ledger_store_add(store, &row, &new, &err));
    }
    OK(ledger_store_commit(store, &err));
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(db, "UPDATE blocks SET packed = x'ff' WHERE number > 1", NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    OK(ledger_recent(reader, true, 10, &list, list_row, &err));
    expect_numbers(1, (unsigned[]){1});
    OK(ledger_objects(reader, &(struct ledger_filter){0}, &list, list_row, &err));
    expect_numbers(1, (unsigned[]){2});
    cr_expect_eq(ledger_recent(reader, false, 10, &list, list_row, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "usage.db\": its block 4 is broken"), "%s", err.message);
}

/* Of those that were opened at once, the first one is the one that was written first. */
Test(ledger_query, the_maker_is_the_first_one_that_named_the_object)
{
    struct ledger_row row;
    for (unsigned n = 1; n <= 4; n++) {
        fill_row(&row, n);
        row.opened_at = row_time + (n == 1 ? SEC : 0);
        LEDGER_TEXT(row.object.id, SLICE("pi_1"));
        add(&row);
    }
    OK(ledger_find_object(reader, "pi_1", &row, &err));
    cr_expect_eq(row.cost, 2U);
}

Test(ledger_query, objects_come_in_the_order_of_time)
{
    for (unsigned n = 1; n <= 4; n++) {
        struct ledger_row row;
        fill_row(&row, n);
        row.opened_at = row_time + (n == 1 ? 3 : n) * SEC;
        LEDGER_TEXT(row.object.id, n == 3 ? SLICE("") : SLICE("pi_1"));
        LEDGER_TEXT(row.tenant, n == 4 ? SLICE("search") : SLICE("checkout"));
        add(&row);
    }
    OK(ledger_objects(reader, &(struct ledger_filter){0}, &list, list_row, &err));
    expect_numbers(3, (unsigned[]){2, 1, 4});
    OK(ledger_objects(reader, &(struct ledger_filter){.tenant = "checkout"}, &list, list_row,
                      &err));
    expect_numbers(2, (unsigned[]){2, 1});
    OK(ledger_objects(
        reader, &(struct ledger_filter){.since = row_time + 3 * SEC, .until = row_time + 4 * SEC},
        &list, list_row, &err));
    expect_numbers(1, (unsigned[]){1});
    OK(ledger_objects(reader, &(struct ledger_filter){.most = 2}, &list, list_row, &err));
    expect_numbers(2, (unsigned[]){4, 1});
}

Test(ledger_query, an_object_is_found_by_its_id_and_the_first_request_made_it)
{
    static const char long_id[] =
        "id\x01_0123456789012345678901234567890123456789012345678901234567"
        "8901234567890123456789";
    struct ledger_row found;
    for (unsigned n = 1; n <= 4; n++) {
        struct ledger_row row;
        fill_row(&row, n);
        row.opened_at = row_time + (5 - n) * SEC;
        LEDGER_TEXT(row.object.id, n == 4 ? slice_from(long_id) : SLICE("pi_1"));
        LEDGER_TEXT(row.object.type, n == 2 ? SLICE("refund") : SLICE("payment_intent"));
        add(&row);
    }
    OK(ledger_find_object(reader, "pi_1", &found, &err));
    cr_expect_eq(found.opened_at, row_time + 2 * SEC);
    OK(ledger_find_object(reader, long_id, &found, &err)); /* though it is kept cut, and clean */
    cr_expect_eq(found.opened_at, row_time + SEC);
    cr_expect_eq(ledger_find_object(reader, "pi_2", &found, &err), STATUS_NOT_FOUND);
    cr_expect_eq(ledger_find_object(reader, "", &found, &err), STATUS_NOT_FOUND);
    cr_expect_eq(ledger_find_object(reader, "' OR ''='", &found, &err), STATUS_NOT_FOUND);
    OK(ledger_objects(reader, &(struct ledger_filter){.type = "refund"}, &list, list_row, &err));
    expect_numbers(1, (unsigned[]){2});
    OK(ledger_objects(reader, &(struct ledger_filter){.object = "pi_1"}, &list, list_row, &err));
    expect_numbers(3, (unsigned[]){3, 2, 1});
}

Test(ledger_query, works_without_a_gateway)
{
    add_some();
    ledger_store_close(TAKE(store));
    ledger_reader_close(TAKE(reader));
    OK(ledger_reader_open(path, &reader, &err));
    query(&(struct ledger_filter){0});
    expect_sum(0, "", 5, 116);
}

Test(ledger_query, what_cannot_be_read_is_said)
{
    struct ledger_reader *other = NULL;
    cr_expect_eq(ledger_reader_open(scratch_path(&folder, "no.db"), &other, &err),
                 STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "no.db\": there is no such file"), "%s", err.message);
    scratch_write_text(&folder, "text",
                       "a text that is no database, and long enough for a head .."
                       "............................................");
    cr_expect_eq(ledger_reader_open(scratch_path(&folder, "text"), &other, &err),
                 STATUS_UNAVAILABLE);
    scratch_write_text(&folder, "empty", "");
    cr_expect_eq(ledger_reader_open(scratch_path(&folder, "empty"), &other, &err),
                 STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "nothing has been written"), "%s", err.message);
}
