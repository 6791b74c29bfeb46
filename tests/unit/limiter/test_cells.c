#include "base/memory.h"
#include "base/table.h"
#include "limiter/cells.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { MANY = 20000 };

static const struct cell_instant at = {.now = 1000 * SEC, .wall = 5000 * SEC};
static const uint64_t all_stripes = UINT64_MAX;

static struct slice key_of(unsigned number, char out[32])
{
    (void)snprintf(out, 32, "a key of number %u", number);
    return slice_from(out);
}

static struct cell *add(struct cells *cells, unsigned number, enum limit_span span)
{
    char text[32];
    struct slice key = key_of(number, text);
    return cells_add(cells, table_hash(key), key, span);
}

static struct cell *find(struct cells *cells, unsigned number)
{
    char text[32];
    struct slice key = key_of(number, text);
    return cells_find(cells, table_hash(key), key);
}

Test(cells, a_cell_is_made_once_and_found_by_its_whole_key)
{
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    cr_expect_null(find(cells, 1));
    struct cell *cell = add(cells, 1, LIMIT_HELD);
    cr_expect_eq(cell->span, LIMIT_HELD);
    cr_expect(slice_equal(cell_key(cell), SLICE("a key of number 1")));
    cr_expect_eq(add(cells, 1, LIMIT_HELD), cell);
    cr_expect_eq(find(cells, 1), cell);
    cr_expect_null(cells_find(cells, cell->hash, SLICE("a key of number 2")));
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}

Test(cells, cells_stay_where_they_are_while_the_table_grows)
{
    static struct cell *made[MANY];
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    for (unsigned i = 0; i < MANY; i++) {
        made[i] = add(cells, i, LIMIT_HELD);
        made[i]->parts = 1; /* not idle */
        cells_tidy(cells, cells_stripe_bit(made[i]->hash), &at);
    }
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(find(cells, i), made[i]);
    }
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}

/* Adds idle cells, so many that every stripe has been tidied. */
static unsigned flood(struct cells *cells, unsigned from)
{
    unsigned left = 0;
    for (unsigned i = from; i < from + MANY; i++) {
        cells_tidy(cells, cells_stripe_bit(add(cells, i, LIMIT_HELD)->hash), &at);
    }
    for (unsigned i = from; i < from + MANY; i++) {
        left += find(cells, i) != NULL;
    }
    return left;
}

Test(cells, idle_cells_are_dropped_so_that_the_table_does_not_grow)
{
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    cr_expect_leq(flood(cells, 0), 16 * CELLS_STRIPES);
    cr_expect_leq(flood(cells, MANY), 16 * CELLS_STRIPES);
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}

Test(cells, nothing_is_dropped_behind_a_callers_back)
{
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    struct cell *cell = add(cells, MANY, LIMIT_HELD);
    for (unsigned i = 0; i < MANY; i++) {
        (void)add(cells, i, LIMIT_HELD);
    }
    cr_expect_eq(find(cells, MANY), cell);
    cells_tidy(cells, all_stripes, &at);
    cr_expect_null(find(cells, MANY));
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}

/* Cells that differ in one thing from a new one. */
enum { NEW, OPEN, IN_WINDOW, RAISED, PAST_WINDOW, IN_DEBT, DRAINED, FREE_SLOTS, KINDS };

static void prepare(struct cells *cells, unsigned kind)
{
    static const enum limit_span spans[KINDS] = {
        [NEW] = LIMIT_RATE,     [OPEN] = LIMIT_DAYS,         [IN_WINDOW] = LIMIT_DAYS,
        [RAISED] = LIMIT_WEEK,  [PAST_WINDOW] = LIMIT_MONTH, [IN_DEBT] = LIMIT_RATE,
        [DRAINED] = LIMIT_RATE, [FREE_SLOTS] = LIMIT_HELD};
    struct cell *cell = add(cells, kind, spans[kind]);
    cell->end_ms = at.wall / MSEC + (kind == PAST_WINDOW ? 0 : 1);
    cell->rate = (struct bucket_rate){.amount = 10, .burst = 10, .period_ms = 1000};
    cell->bucket.at_ms = at.now / MSEC - 1000;
    switch (kind) {
    case OPEN:
        cell->parts = 1;
        cell->end_ms = 1;
        break;
    case RAISED:
        cell->forgiven = 1;
        break;
    case IN_DEBT:
        cell->bucket.debt = 11;
        break;
    case DRAINED:
        cell->bucket.debt = 10;
        break;
    case IN_WINDOW:
    case PAST_WINDOW:
    case FREE_SLOTS:
        cell->taken = cell->refunded = 1;
        break;
    default:
        break;
    }
}

Test(cells, only_cells_that_a_new_one_could_stand_for_are_dropped)
{
    static const bool stays[KINDS] = {
        [OPEN] = true, [IN_WINDOW] = true, [RAISED] = true, [IN_DEBT] = true};
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        prepare(cells, kind);
    }
    (void)flood(cells, KINDS);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        cr_expect_eq(find(cells, kind) != NULL, stays[kind], "kind %u", kind);
    }
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}

Test(cells, a_cell_is_kept_as_long_as_a_reservation_of_it_is_open)
{
    static const struct limit limit = {.unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .amount = 9};
    struct demand demand = {.limit = &limit};
    struct cell_part part = {0};
    struct cells *cells = cells_new();
    cells_lock(cells, all_stripes);
    cell_take(add(cells, 3 * MANY, LIMIT_HELD), &demand, &part, 1);
    (void)flood(cells, 0);
    cr_expect_not_null(find(cells, 3 * MANY));
    cell_settle(&part, &demand, at.now);
    (void)flood(cells, MANY);
    cr_expect_null(find(cells, 3 * MANY));
    cells_unlock(cells, all_stripes);
    cells_free(cells);
}
