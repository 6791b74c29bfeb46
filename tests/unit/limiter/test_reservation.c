#include "base/memory.h"
#include "limiter/reservation.h"

#include <criterion/criterion.h>

static const struct limit patient = {.wait = SEC};
static const struct limit strict = {0};

Test(reservation, a_new_one_is_empty_with_room_for_its_keys)
{
    struct reservation *reservation = reservation_new(3, 10);
    cr_expect_eq(reservation->count, 3U);
    cr_expect_eq(reservation->state, RESERVATION_NEW);
    cr_expect_eq(reservation->demands[2].granted, 0U);
    struct slice first = reservation_keep_key(reservation, SLICE("first"));
    struct slice none = reservation_keep_key(reservation, slice_make(NULL, 0));
    struct slice last = reservation_keep_key(reservation, SLICE("last!"));
    cr_expect(slice_equal(first, SLICE("first")));
    cr_expect(slice_equal(last, SLICE("last!")));
    cr_expect_eq(none.len, 0U);
    cr_expect_geq(first.ptr, (const char *)&reservation->demands[3]);
    reservation_free(reservation);
    reservation_free(NULL);
}

Test(reservation, a_kept_key_does_not_need_the_first_one)
{
    char *key = memory_copy(SLICE("key"));
    struct reservation *reservation = reservation_new(1, 3);
    struct slice kept = reservation_keep_key(reservation, slice_from(key));
    memset(key, 'x', 3);
    memory_free(key);
    cr_expect(slice_equal(kept, SLICE("key")));
    reservation_free(reservation);
}

static void count_release(void *owner)
{
    ++*(unsigned *)owner;
}

Test(reservation, its_owner_is_released_once_when_it_is_freed)
{
    unsigned released = 0;
    struct reservation *reservation = reservation_new(0, 0);
    reservation->release = count_release;
    reservation->owner = &released;
    cr_expect_eq(released, 0U);
    reservation_free(reservation);
    cr_expect_eq(released, 1U);
}

Test(reservation, an_amount_is_fixed_plus_output_and_saturates)
{
    static const struct {
        uint64_t fixed, per_output, output, amount;
    } rows[] = {
        {7, 0, 0, 7},
        {7, 0, UINT64_MAX, 7},
        {7, 1, 1000, 1007},
        {7, 30, 1000, 30007},
        {0, 0, 5, 0},
        {LIMIT_AMOUNT_MAX, 0, 9, LIMIT_AMOUNT_MAX},
        {LIMIT_AMOUNT_MAX, 1, 0, LIMIT_AMOUNT_MAX},
        {LIMIT_AMOUNT_MAX, 1, 1, LIMIT_AMOUNT_MAX + 1},
        {LIMIT_AMOUNT_MAX - 6, 3, 2, LIMIT_AMOUNT_MAX},
        {LIMIT_AMOUNT_MAX, 3, 200, LIMIT_AMOUNT_MAX + 1},
        {0, 1, UINT64_MAX, LIMIT_AMOUNT_MAX + 1},
        {0, 2, UINT64_MAX / 2 + 2, LIMIT_AMOUNT_MAX + 1}, /* the product comes round to 2 */
        {UINT64_MAX, 1, 3, LIMIT_AMOUNT_MAX + 1},         /* the sum comes round to 2 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct demand demand = {.fixed = rows[i].fixed, .per_output = rows[i].per_output};
        cr_expect_eq(demand_amount(&demand, rows[i].output), rows[i].amount, "row %zu", i);
    }
}

Test(reservation, output_has_the_room_that_the_fixed_part_leaves)
{
    static const struct {
        uint64_t fixed, per_output, left;
        unsigned share;
        uint64_t room;
    } rows[] = {
        {100, 0, 0, 1, UINT64_MAX}, /* the rule does not count output */
        {100, 1, 1100, 1, 1000},    {100, 1, 1100, 4, 250},
        {100, 3, 1100, 1, 333},     {100, 3, 1100, 4, 83},
        {100, 1, 100, 1, 0},        {100, 1, 99, 1, 0},
        {100, 1, 0, 4, 0},          {0, 1, LIMIT_AMOUNT_MAX, 1, LIMIT_AMOUNT_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct demand demand = {.fixed = rows[i].fixed, .per_output = rows[i].per_output};
        uint64_t room = demand_output_room(&demand, rows[i].left, rows[i].share);
        cr_expect_eq(room, rows[i].room, "row %zu", i);
    }
}

Test(reservation, what_has_room_for_output_has_room_for_its_amount)
{
    for (uint64_t per_output = 1; per_output < 20; per_output++) {
        for (uint64_t left = 50; left < 200; left++) {
            const struct demand demand = {.fixed = 50, .per_output = per_output};
            uint64_t room = demand_output_room(&demand, left, 1);
            cr_assert_leq(demand_amount(&demand, room), left);
            cr_assert_gt(demand_amount(&demand, room + 1), left);
        }
    }
}

/* Which of three demands is told; -1: none. */
static int refusal(struct demand first, struct demand second, struct demand third)
{
    struct reservation *reservation = reservation_new(3, 0);
    reservation->demands[0] = first;
    reservation->demands[1] = second;
    reservation->demands[2] = third;
    const struct demand *told = reservation_refusal(reservation);
    int index = told == NULL ? -1 : (int)(told - reservation->demands);
    reservation_free(reservation);
    return index;
}

static struct demand refused(const struct limit *limit, usec_t room_after)
{
    return (struct demand){.limit = limit, .refused = true, .room_after = room_after};
}

Test(reservation, the_refusal_that_is_told_is_the_one_that_waiting_does_not_help)
{
    const struct demand fits = {.limit = &strict, .room_after = 99 * SEC};
    struct demand soon = refused(&strict, SEC);
    struct demand late = refused(&strict, 60 * SEC);
    struct demand never = refused(&strict, -1);
    struct demand waits = refused(&patient, 3600 * SEC);
    struct demand waits_longer = refused(&patient, 7200 * SEC);
    struct demand waits_for_ever = refused(&patient, -1);
    cr_expect_eq(refusal(fits, fits, fits), -1);
    cr_expect_eq(refusal(fits, soon, fits), 1);
    cr_expect_eq(refusal(soon, fits, late), 2);
    cr_expect_eq(refusal(late, soon, fits), 0);
    cr_expect_eq(refusal(late, never, soon), 1);
    cr_expect_eq(refusal(waits, soon, fits), 1);
    cr_expect_eq(refusal(soon, waits, waits_longer), 0);
    cr_expect_eq(refusal(waits, waits_longer, fits), 1);
    cr_expect_eq(refusal(waits_for_ever, waits_longer, fits), 0);
    cr_expect_eq(refusal(waits_for_ever, soon, late), 2);
}
