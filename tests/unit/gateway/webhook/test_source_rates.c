#include "gateway/webhook/source_rates.h"

#include <stdio.h>

#include <criterion/criterion.h>

static const struct hook_rate ten_a_minute = {.count = 10, .period = 60 * SEC};

enum { BEGIN = 1000 };

static bool has_room(struct source_rates *rates, const char *hook, const char *address, usec_t now)
{
    usec_t after = 0;
    return source_rates_have_room(rates, hook, slice_from(address), &ten_a_minute, now, &after);
}

static void count(struct source_rates *rates, const char *hook, const char *address, unsigned times,
                  usec_t now)
{
    for (unsigned i = 0; i < times; i++) {
        source_rates_count(rates, hook, slice_from(address), &ten_a_minute, now);
    }
}

Test(source_rates, so_many_fit_at_once_and_no_more)
{
    struct source_rates *rates = source_rates_new();
    count(rates, "a", "192.0.2.1", 9, BEGIN * SEC);
    cr_expect(has_room(rates, "a", "192.0.2.1", BEGIN * SEC));
    count(rates, "a", "192.0.2.1", 1, BEGIN * SEC);
    cr_expect_not(has_room(rates, "a", "192.0.2.1", BEGIN * SEC));
    source_rates_free(rates);
}

Test(source_rates, asking_counts_nothing)
{
    struct source_rates *rates = source_rates_new();
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(has_room(rates, "a", "192.0.2.1", BEGIN * SEC));
    }
    source_rates_free(rates);
}

Test(source_rates, room_comes_back_evenly_and_the_wait_is_told)
{
    struct source_rates *rates = source_rates_new();
    usec_t after = 0;
    count(rates, "a", "192.0.2.1", 10, BEGIN * SEC);
    cr_expect_not(
        source_rates_have_room(rates, "a", SLICE("192.0.2.1"), &ten_a_minute, BEGIN * SEC, &after));
    cr_expect_eq(after, 6 * SEC);
    cr_expect_not(has_room(rates, "a", "192.0.2.1", BEGIN * SEC + after - 1));
    cr_expect(has_room(rates, "a", "192.0.2.1", BEGIN * SEC + after));
    count(rates, "a", "192.0.2.1", 1, BEGIN * SEC + after);
    cr_expect_not(has_room(rates, "a", "192.0.2.1", BEGIN * SEC + after));
    source_rates_free(rates);
}

Test(source_rates, what_goes_on_beyond_the_rate_lasts_no_longer_than_a_period)
{
    struct source_rates *rates = source_rates_new();
    count(rates, "a", "192.0.2.1", 1000, BEGIN * SEC);
    cr_expect(has_room(rates, "a", "192.0.2.1", (BEGIN + 6) * SEC));
    source_rates_free(rates);
}

Test(source_rates, sources_and_hooks_do_not_share)
{
    struct source_rates *rates = source_rates_new();
    count(rates, "a", "192.0.2.1", 10, BEGIN * SEC);
    cr_expect(has_room(rates, "a", "192.0.2.2", BEGIN * SEC));
    cr_expect(has_room(rates, "b", "192.0.2.1", BEGIN * SEC));
    cr_expect(has_room(rates, "a", "unix", BEGIN * SEC));
    source_rates_free(rates);
}

Test(source_rates, an_ipv6_source_is_its_network_and_a_mapped_one_is_ipv4)
{
    struct source_rates *rates = source_rates_new();
    count(rates, "a", "2001:db8:1:2:3:4:5:6", 10, BEGIN * SEC);
    cr_expect_not(has_room(rates, "a", "2001:db8:1:2::1", BEGIN * SEC));
    cr_expect(has_room(rates, "a", "2001:db8:1:3::1", BEGIN * SEC));
    count(rates, "a", "192.0.2.1", 10, BEGIN * SEC);
    cr_expect_not(has_room(rates, "a", "::ffff:192.0.2.1", BEGIN * SEC));
    cr_expect(has_room(rates, "a", "::ffff:192.0.2.2", BEGIN * SEC));
    source_rates_free(rates);
}

Test(source_rates, a_flood_of_new_sources_hides_none_that_sent_much)
{
    struct source_rates *rates = source_rates_new();
    count(rates, "a", "192.0.2.1", 10, BEGIN * SEC);
    for (unsigned i = 0; i < 4 * SOURCE_RATES_MAX; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255,
                       i & 255);
        count(rates, "a", address, 1, BEGIN * SEC);
    }
    cr_expect_not(has_room(rates, "a", "192.0.2.1", BEGIN * SEC));
    source_rates_free(rates);
}

Test(source_rates, a_rate_of_none_has_room_for_all)
{
    static const struct hook_rate off = {0};
    struct source_rates *rates = source_rates_new();
    usec_t after = 1;
    for (unsigned i = 0; i < 1000; i++) {
        source_rates_count(rates, "a", SLICE("192.0.2.1"), &off, BEGIN * SEC);
    }
    cr_expect(source_rates_have_room(rates, "a", SLICE("192.0.2.1"), &off, BEGIN * SEC, &after));
    cr_expect_eq(after, 0);
    source_rates_free(rates);
}
