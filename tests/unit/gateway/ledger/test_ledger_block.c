#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_columns.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <stdlib.h>

static struct ledger_block block;
static struct buffer columns;
static struct ledger_layout *layout;

static void setup(void)
{
    ledger_block_init(&block, 1024 * 1024);
    buffer_init(&columns, 64 * 1024);
    cr_assert_eq(ledger_block_write_layout(&columns), STATUS_OK);
    cr_assert_eq(ledger_layout_read(buffer_bytes(&columns), &layout), STATUS_OK);
}

static void teardown(void)
{
    ledger_block_fini(&block);
    buffer_fini(&columns);
    ledger_layout_free(layout);
}

TestSuite(ledger_block, .init = setup, .fini = teardown);

static bool list_all(void *ctx, const struct ledger_row *row)
{
    list_row(ctx, row);
    return true;
}

static struct row_list read_all(void)
{
    struct row_list list = {0};
    cr_assert_eq(ledger_block_read(layout, buffer_bytes(&block.bytes), &list, list_all), STATUS_OK);
    return list;
}

/* Every column of it is something else, or the same, at random. */
static void shake(struct ledger_row *row)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        char *at = (char *)row + column->offset;
        if (rand() % 3 != 0) {
            continue;
        }
        memset(at, 0, column->size);
        size_t used = (size_t)rand() % column->size;
        bool is_text = column->kind == LEDGER_COLUMN_TEXT;
        for (size_t k = 0; k < used || (!is_text && k <= used); k++) {
            at[k] = (char)(is_text ? 'a' + rand() % 26 : rand());
        }
    }
    row->object.has_amount = row->object.amount % 2 == 0;
    row->object.amount = row->object.has_amount ? row->object.amount : 0;
}

Test(ledger_block, rows_come_out_as_they_went_in)
{
    enum { ROWS = 2000 };
    struct ledger_row *rows = memory_alloc(ROWS * sizeof(*rows));
    unsigned kept = 0;
    srand(7);
    for (unsigned i = 0; i < ROWS; i++) {
        rows[i] = i == 0 ? (struct ledger_row){0} : rows[i - 1];
        shake(&rows[i]);
        if (ledger_block_add(&block, &rows[i]) != STATUS_OK) {
            break;
        }
        kept++;
    }
    cr_expect_gt(kept, 500U);
    struct row_list list = read_all();
    cr_assert_eq(list.count, kept);
    cr_expect_eq(block.rows, kept);
    for (unsigned i = 0; i < kept; i++) {
        for (unsigned k = 0; k < ledger_column_count; k++) {
            const struct ledger_column *column = &ledger_columns[k];
            cr_expect_eq(memcmp((char *)&list.rows[i] + column->offset,
                                (char *)&rows[i] + column->offset, column->size),
                         0, "row %u: %s", i, column->name);
        }
    }
    row_list_fini(&list);
    memory_free(rows);
}

Test(ledger_block, the_ends_of_all_ranges)
{
    struct ledger_row rows[4] = {0};
    rows[0].opened_at = INT64_MAX;
    rows[1].opened_at = INT64_MIN;
    rows[2].opened_at = INT64_MAX;
    rows[0].cost = UINT64_MAX;
    rows[1].object = (struct ledger_object){.amount = INT64_MIN, .has_amount = true};
    rows[2].object = (struct ledger_object){.amount = 0, .has_amount = true};
    rows[3].status = UINT16_MAX;
    rows[3].flags = UINT32_MAX;
    memset(rows[3].details, 'x', sizeof(rows[3].details) - 1);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(ledger_block_add(&block, &rows[i]), STATUS_OK);
    }
    struct row_list list = read_all();
    cr_assert_eq(list.count, 4U);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(memcmp(&list.rows[i], &rows[i], sizeof(rows[i])), 0, "row %u", i);
    }
    row_list_fini(&list);
}

Test(ledger_block, a_row_like_the_last_one_is_small)
{
    struct ledger_row row;
    fill_row(&row, 1);
    cr_assert_eq(ledger_block_add(&block, &row), STATUS_OK);
    size_t first = buffer_len(&block.bytes);
    fill_row(&row, 2);
    cr_assert_eq(ledger_block_add(&block, &row), STATUS_OK);
    cr_expect_lt(buffer_len(&block.bytes) - first, 64U);
}

Test(ledger_block, one_that_is_full_is_as_it_was)
{
    struct ledger_block small;
    struct ledger_row row;
    unsigned rows = 0;
    ledger_block_init(&small, LEDGER_BLOCK_ROW_MAX + 100);
    fill_row(&row, 1);
    while (ledger_block_add(&small, &row) == STATUS_OK) {
        fill_row(&row, ++rows + 1);
    }
    cr_expect_eq(small.rows, rows);
    size_t len = buffer_len(&small.bytes);
    cr_expect_eq(ledger_block_add(&small, &row), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_len(&small.bytes), len);
    ledger_block_clear(&small);
    cr_expect_eq(ledger_block_add(&small, &row), STATUS_OK);
    cr_expect_eq(small.rows, 1U);
    ledger_block_fini(&small);
}

static bool count_two(void *ctx, const struct ledger_row *row)
{
    unsigned *count = ctx;
    return row != NULL && ++*count < 2;
}

Test(ledger_block, who_has_seen_enough_is_told_no_more)
{
    unsigned count = 0;
    struct ledger_row row;
    for (unsigned n = 0; n < 5; n++) {
        fill_row(&row, n);
        cr_assert_eq(ledger_block_add(&block, &row), STATUS_OK);
    }
    cr_expect_eq(ledger_block_read(layout, buffer_bytes(&block.bytes), &count, count_two),
                 STATUS_OK);
    cr_expect_eq(count, 2U);
}

/* Columns that are new here, gone, moved, or of another kind. */
Test(ledger_block, other_layouts_are_read_as_far_as_they_are_known)
{
    /* Two rows: all four columns (bits 0 to 3), then the second alone, told by its distance. */
    static const char bytes[] = "\x0f"
                                "\x02hi"
                                "\x0a"
                                "\x03odd"
                                "\x05"
                                "\x02"
                                "\x04";
    struct ledger_layout *other = NULL;
    struct row_list list = {0};
    cr_assert_eq(ledger_layout_read(SLICE("tenant:T closed_at:D later:T cost_nanousd:N"), &other),
                 STATUS_OK);
    cr_assert_eq(ledger_block_read(other, slice_make(bytes, sizeof(bytes) - 1), &list, list_all),
                 STATUS_OK);
    cr_assert_eq(list.count, 2U);
    cr_expect_str_eq(list.rows[1].tenant, "hi");
    cr_expect_eq(list.rows[0].closed_at, 5);
    cr_expect_eq(list.rows[1].closed_at, 7);
    cr_expect_eq(list.rows[1].cost, 5U);
    ledger_layout_free(other);
    row_list_fini(&list);
    static const char *const none[] = {"",    "x",        "tenant:Q", "tenant",
                                       ":T:", "a:T  b:T", "tenant:TT"};
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        cr_expect_eq(ledger_layout_read(slice_from(none[i]), &other), STATUS_INVALID, "%s",
                     none[i]);
    }
}

Test(ledger_block, a_layout_has_so_many_columns_and_no_more)
{
    enum { COLUMNS = 128 };
    char text[4 * COLUMNS + 4];
    struct ledger_layout *most = NULL;
    for (unsigned i = 0; i <= COLUMNS; i++) {
        memcpy(text + 4 * i, "a:T ", 4);
    }
    cr_expect_eq(ledger_layout_read(slice_make(text, 4 * COLUMNS), &most), STATUS_OK);
    ledger_layout_free(most);
    cr_expect_eq(ledger_layout_read(slice_make(text, 4 * COLUMNS + 4), &most), STATUS_INVALID);
}

Test(ledger_block, an_amount_is_there_or_not)
{
    struct ledger_layout *money = NULL;
    struct row_list list = {0};
    cr_assert_eq(ledger_layout_read(SLICE("object_amount:M"), &money), STATUS_OK);
    cr_expect_eq(ledger_block_read(money, SLICE("\x01\x01\x09"), &list, list_all), STATUS_OK);
    cr_assert_eq(list.count, 1U);
    cr_expect_eq(list.rows[0].object.amount, -5);
    cr_expect_eq(ledger_block_read(money, SLICE("\x01\x02\x09"), &list, list_all), STATUS_INVALID);
    cr_expect_eq(list.count, 1U);
    row_list_fini(&list);
    ledger_layout_free(money);
}

/* Wherever it is cut, and whatever a byte is changed to, it is read or refused. */
Test(ledger_block, broken_ones_are_refused_or_read)
{
    struct ledger_row row;
    for (unsigned n = 0; n < 3; n++) {
        fill_row(&row, n);
        row.object = (struct ledger_object){.id = "pi_1", .amount = -5, .has_amount = true};
        cr_assert_eq(ledger_block_add(&block, &row), STATUS_OK);
    }
    struct slice whole = buffer_bytes(&block.bytes);
    unsigned refused = 0;
    for (size_t len = 0; len < whole.len; len++) {
        char *copy = memory_alloc(len + 1); /* so that a byte beyond it is noticed */
        char *exact = memory_resize(copy, len == 0 ? 1 : len);
        struct row_list list = {0};
        memcpy(exact, whole.ptr, len);
        refused +=
            ledger_block_read(layout, slice_make(exact, len), &list, list_all) == STATUS_INVALID;
        row_list_fini(&list);
        memory_free(exact);
    }
    cr_expect_gt(refused, (unsigned)whole.len - 5);
    char *copy = memory_alloc(whole.len);
    for (size_t at = 0; at < whole.len; at++) {
        struct row_list list = {0};
        memcpy(copy, whole.ptr, whole.len);
        copy[at] = (char)(copy[at] ^ 0xff);
        enum status status =
            ledger_block_read(layout, slice_make(copy, whole.len), &list, list_all);
        cr_expect(status == STATUS_OK || status == STATUS_INVALID);
        row_list_fini(&list);
    }
    memory_free(copy);
}
