/* What Redis decides, charges and gives back, each step once. */
#include "script_fixture.h"

TestSuite(redis_scripts, .init = begin, .fini = end);

Test(redis_scripts, what_is_admitted_counts_until_it_is_settled_to_what_was_used)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    struct reservation *reservation = reserve_amount(&limit, 300);
    cr_expect(ask(reservation));
    cr_expect_eq(reservation->demands[0].granted, 300);
    cr_expect_eq(reservation->demands[0].left, 700);
    cr_expect_eq(reservation->demands[0].whole, 1000);
    cr_expect_eq(reservation->demands[0].reset_after, DAY * MSEC);
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 300);
    cr_expect_eq(entry.open, 300);
    cr_expect_str_eq(settle(reservation, 120), "S");
    entry = entry_of(&limit);
    cr_expect_eq(entry.used, 120);
    cr_expect_eq(entry.settled, 120);
    cr_expect_eq(entry.refunded, 180);
    cr_expect_eq(entry.open, 0);
    reservation_free(reservation);
}

Test(redis_scripts, all_rules_admit_or_nothing_is_taken)
{
    struct limit wide = daily(LIMIT_TOKENS, 1000);
    struct limit narrow = slots(1);
    struct reservation *first = reserve(2, &wide, &narrow);
    struct reservation *second = reserve(2, &wide, &narrow);
    cr_expect(ask(first));
    cr_expect_not(ask(second));
    cr_expect_not(second->demands[0].refused);
    cr_expect(second->demands[1].refused);
    cr_expect_eq(second->demands[0].left, 999);
    cr_expect_eq(second->demands[0].granted, 0);
    cr_expect_eq(entry_of(&wide).taken, 1);
    cr_expect_eq(entry_of(&narrow).used, 1);
    reservation_free(first);
    reservation_free(second);
}
