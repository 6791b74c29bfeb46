#include "base/table.h"
#include "limiter/past_windows.h"
#include "tests/unit/limiter/store_fixture.h"

#define START_MS (START / MSEC)
#define DAY_MS   (DAY / MSEC)

static const uint64_t seed[2] = {1, 2};
static struct past_windows *past;

static void setup(void)
{
    begin();
    past = past_windows_new();
}

static void teardown(void)
{
    end();
    past_windows_free(past);
}

TestSuite(past_windows, .init = setup, .fini = teardown);

static void add(struct slice key, int64_t start_ms, int64_t end_ms, uint64_t used)
{
    past_windows_add(past, &(struct past_window){.hash = table_hash_with(seed, key),
                                                 .start_ms = start_ms,
                                                 .end_ms = end_ms,
                                                 .used = used});
}

/* What is used of the window that goes on at START + `after`; 0: there is none. */
static uint64_t used_of(struct slice key, usec_t after)
{
    struct past_window window;
    return past_windows_find(past, key, (START + after) / MSEC, &window) ? window.used : 0;
}

static void recall(void)
{
    past_windows_finish(past, seed);
    store_memory_recall(store, past);
}

Test(past_windows, each_key_has_its_own)
{
    char key[32];
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof(key), "key %u", i);
        add(slice_from(key), START_MS, START_MS + DAY_MS, i + 1);
    }
    past_windows_finish(past, seed);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof(key), "key %u", i);
        cr_expect_eq(used_of(slice_from(key), 0), i + 1);
    }
    cr_expect_eq(used_of(SLICE("key 500"), 0), 0U);
}

Test(past_windows, what_is_told_twice_adds_up_and_what_is_over_counts_no_more)
{
    add(SLICE("a"), START_MS - DAY_MS, START_MS, 1000);
    add(SLICE("a"), START_MS, START_MS + DAY_MS, 3);
    add(SLICE("a"), START_MS, START_MS + DAY_MS, 4);
    add(SLICE("a"), START_MS + DAY_MS, START_MS + 2 * DAY_MS, 50);
    add(SLICE("b"), START_MS, START_MS + DAY_MS, INT64_MAX);
    add(SLICE("b"), START_MS, START_MS + DAY_MS, 1);
    past_windows_finish(past, seed);
    cr_expect_eq(used_of(SLICE("a"), 0), 7U);
    cr_expect_eq(used_of(SLICE("a"), DAY - MSEC), 7U);
    cr_expect_eq(used_of(SLICE("a"), DAY), 50U);
    cr_expect_eq(used_of(SLICE("a"), 2 * DAY), 0U);
    cr_expect_eq(used_of(SLICE("b"), 0), (uint64_t)INT64_MAX);
}

Test(past_windows, none_is_nothing)
{
    struct past_window window;
    cr_expect_not(past_windows_find(NULL, SLICE("a"), START_MS, &window));
    past_windows_finish(past, seed);
    cr_expect_not(past_windows_find(past, SLICE("a"), START_MS, &window));
}

/* ---- the store in memory ---- */

Test(past_windows, a_window_goes_on_from_there)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    add(limit.key, START_MS, START_MS + DAY_MS, 60);
    recall();
    struct store_entry entry = entry_of(&limit); /* before anybody has asked */
    cr_expect_eq(entry.used, 60U);
    cr_expect_eq(entry.settled, 60U);
    cr_expect_not(use(&limit, 41));
    cr_expect(use(&limit, 40));
    cr_expect_eq(entry_of(&limit).used, 100U);
    wall += DAY;
    cr_expect_eq(entry_of(&limit).used, 0U, "the next window begins at zero");
    cr_expect(use(&limit, 100));
}

Test(past_windows, it_counts_once_however_many_cells_come_and_go)
{
    struct limit limit = daily(LIMIT_REQUESTS, 10);
    struct limit other = daily(LIMIT_REQUESTS, 10);
    char key[32];
    add(limit.key, START_MS, START_MS + DAY_MS, 4);
    recall();
    cr_expect(use(&limit, 1));
    for (unsigned i = 0; i < 5000; i++) { /* the table is tidied on the way */
        (void)snprintf(key, sizeof(key), "other %u", i);
        other.key = slice_from(key);
        cr_assert(use(&other, 1));
    }
    cr_expect_eq(entry_of(&limit).used, 5U);
    cr_expect(use(&limit, 5));
    cr_expect_not(use(&limit, 1));
}

Test(past_windows, a_changed_limit_keeps_what_was_used)
{
    struct limit limit = daily(LIMIT_COST, 50);
    add(limit.key, START_MS, START_MS + DAY_MS, 60);
    recall();
    cr_expect_not(use(&limit, 1));
    limit.amount = 61;
    cr_expect(use(&limit, 1));
    cr_expect_not(use(&limit, 1));
}

/* The window that was charged goes on to its end, as over a reload. */
Test(past_windows, another_time_zone_counts_from_the_next_window_on)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    add(limit.key, START_MS - 6 * 3600000, START_MS + 18 * 3600000, 60);
    recall();
    cr_expect_eq(entry_of(&limit).used, 60U);
    wall += 18 * HOUR;
    cr_expect_eq(entry_of(&limit).used, 0U);
    cr_expect(use(&limit, 10));
    wall += 6 * HOUR; /* a midnight in UTC */
    cr_expect_eq(entry_of(&limit).used, 0U);
}

Test(past_windows, rates_and_slots_begin_anew)
{
    struct limit rate = rate_of(LIMIT_TOKENS, 10, 60 * SEC);
    struct limit held = slots(1);
    add(rate.key, START_MS, START_MS + DAY_MS, 10);
    add(held.key, START_MS, START_MS + DAY_MS, 1);
    recall();
    cr_expect(use(&rate, 10));
    cr_expect(use(&held, 1));
}

/* ---- what a demand comes to in its window is what the cell says ---- */

static void expect_charge(const struct limit *limit, uint64_t before, uint64_t more, uint64_t used)
{
    struct reservation *reservation = reserve_amount(limit, before);
    struct demand *demand = &reservation->demands[0];
    cr_assert(ask(reservation));
    cr_expect_eq(demand->window_start_ms, wall / MSEC);
    cr_expect_eq(demand->window_end_ms, (wall + DAY) / MSEC);
    cr_expect_eq(demand_window_reserved(demand), before);
    if (more > 0) {
        wall += DAY;
        demand->fixed = more;
        cr_assert(extend(reservation));
        cr_expect_eq(demand->window_start_ms, wall / MSEC);
        cr_expect_eq(demand_window_reserved(demand), more);
        cr_expect_eq(entry_of(limit).used, more);
    }
    demand->used = used;
    uint64_t charge = demand_window_charge(demand);
    settle(reservation, used);
    cr_expect_eq(entry_of(limit).used, charge, "%lu + %lu - %lu", before, more, used);
    wall += DAY;
}

Test(past_windows, a_charge_is_what_the_cell_counts)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    static const struct {
        uint64_t before, more, used;
    } cases[] = {{10, 0, 4},  {10, 0, 10},  {10, 0, 25},  {10, 0, 0},
                 {10, 20, 0}, {10, 20, 12}, {10, 20, 30}, {10, 20, 45}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_charge(&limit, cases[i].before, cases[i].more, cases[i].used);
    }
}

Test(past_windows, what_needs_no_settlement_is_charged_at_once)
{
    struct limit limit = daily(LIMIT_REQUESTS, 10);
    struct reservation *reservation = reserve(1, &limit);
    cr_assert(ask(reservation));
    cr_expect_eq(demand_window_charge(&reservation->demands[0]), 1U);
    settle(reservation, 0);
    cr_expect_eq(entry_of(&limit).used, 1U);
}

/* ---- what was charged turned out otherwise ---- */

static void correct(struct slice key, int64_t change)
{
    struct store_correction correction = {.hash = table_hash_with(seed, key),
                                          .start_ms = START_MS,
                                          .end_ms = START_MS + DAY_MS,
                                          .change = change};
    store_memory_correct(store, seed, &correction, 1);
}

Test(past_windows, a_window_that_no_cell_has_yet_goes_on_corrected)
{
    struct limit budget = daily(LIMIT_COST, 100);
    add(budget.key, START_MS, START_MS + DAY_MS, 40);
    recall();
    correct(budget.key, -30);
    cr_expect_eq(used_of(budget.key, 0), 10U);
    struct store_entry entry;
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 10U);
    cr_expect(store_entry_adds_up(&entry));
}

Test(past_windows, a_cell_and_its_past_are_corrected_once)
{
    struct limit budget = daily(LIMIT_COST, 100);
    struct store_entry entry;
    add(budget.key, START_MS, START_MS + DAY_MS, 40);
    recall();
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    correct(budget.key, -30);
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 10U);
    cr_expect_eq(entry.refunded, 30U);
    correct(budget.key, 5);
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 15U);
    cr_expect_eq(entry.taken, 45U);
    cr_expect(store_entry_adds_up(&entry));
    correct(SLICE("another"), -7);
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 15U);
}

Test(past_windows, what_was_forgiven_by_hand_is_not_given_back_again)
{
    struct limit budget = daily(LIMIT_COST, 100);
    struct store_entry entry;
    add(budget.key, START_MS, START_MS + DAY_MS, 40);
    recall();
    cr_assert(store_memory_reset(store, &budget, budget.key));
    correct(budget.key, -30);
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 0U);
    correct(budget.key, 3);
    cr_assert(store_memory_read(store, &budget, budget.key, &entry));
    cr_expect_eq(entry.used, 3U);
}
