#include "base/memory.h"
#include "limiter/each_values.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

#include <criterion/criterion.h>

/* Of the address sanitizer, whose allocator mallinfo2() does not know; else NULL. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

static const struct limit a_minute = {
    .key = SLICE_INIT("{sallyport}:v2:q:requests/60s/each=ip"),
    .span = LIMIT_RATE,
    .each = EACH_IP,
    .period = 60 * SEC,
};

static bool admit(struct each_values *values, const struct limit *limit, unsigned number,
                  usec_t now)
{
    char text[32];
    int len =
        snprintf(text, sizeof(text), "10.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
    return each_values_admit(values, limit, slice_make(text, (size_t)len), now);
}

/* How many of the values first..end-1 are counted on their own. */
static unsigned admitted(struct each_values *values, const struct limit *limit, unsigned first,
                         unsigned end, usec_t now)
{
    unsigned count = 0;
    for (unsigned i = first; i < end; i++) {
        count += admit(values, limit, i, now);
    }
    return count;
}

Test(each_values, the_first_ten_thousand_are_counted_on_their_own)
{
    struct each_values *values = each_values_new();
    cr_expect_eq(admitted(values, &a_minute, 0, 10000, SEC), 10000U);
    cr_expect_eq(admitted(values, &a_minute, 10000, 15000, SEC), 0U);
    cr_expect_eq(admitted(values, &a_minute, 0, 15000, 2 * SEC), 10000U);
    each_values_free(values);
}

Test(each_values, a_value_lives_for_its_period_after_its_last_request)
{
    struct each_values *values = each_values_new();
    cr_expect_eq(admitted(values, &a_minute, 0, 10000, SEC), 10000U);
    cr_expect(admit(values, &a_minute, 7, 31 * SEC));
    cr_expect_not(admit(values, &a_minute, 10000, 61 * SEC - 1));
    cr_expect_eq(admitted(values, &a_minute, 10000, 30000, 62 * SEC), 9999U); /* 7 still lives */
    cr_expect(admit(values, &a_minute, 7, 62 * SEC));
    cr_expect_not(admit(values, &a_minute, 8, 62 * SEC));
    each_values_free(values);
}

Test(each_values, a_clock_that_is_behind_shortens_no_life)
{
    struct each_values *values = each_values_new();
    cr_expect_eq(admitted(values, &a_minute, 0, 10000, 10 * SEC), 10000U);
    cr_expect_eq(admitted(values, &a_minute, 0, 10000, 9 * SEC), 10000U); /* another worker's */
    cr_expect_not(admit(values, &a_minute, 10000, 70 * SEC - 1));
    cr_expect(admit(values, &a_minute, 10000, 71 * SEC));
    each_values_free(values);
}

Test(each_values, rules_do_not_share_their_room)
{
    struct each_values *values = each_values_new();
    struct limit other = a_minute;
    other.key = SLICE("{sallyport}:v2:q:requests/3600s/each=ip");
    cr_expect_eq(admitted(values, &a_minute, 0, 10001, SEC), 10000U);
    cr_expect_eq(admitted(values, &other, 0, 10001, SEC), 10000U);
    each_values_free(values);
}

Test(each_values, a_rule_is_known_by_its_key_after_a_reload)
{
    struct each_values *values = each_values_new();
    char *key = memory_copy(a_minute.key);
    struct limit before = a_minute;
    before.key = slice_make(key, a_minute.key.len);
    cr_expect_eq(admitted(values, &before, 0, 10000, SEC), 10000U);
    memset(key, 'x', before.key.len); /* the snapshot it lay in is gone */
    memory_free(key);
    cr_expect_not(admit(values, &a_minute, 10000, SEC));
    cr_expect(admit(values, &a_minute, 5, SEC));
    each_values_free(values);
}

Test(each_values, lives_are_as_long_as_the_window)
{
    static const struct {
        struct limit limit;
        usec_t life;
    } rows[] = {
        {{.key = SLICE_INIT("a"), .span = LIMIT_RATE, .period = SEC}, SEC},
        {{.key = SLICE_INIT("b"), .span = LIMIT_DAYS, .days = 1}, 86400 * SEC},
        {{.key = SLICE_INIT("c"), .span = LIMIT_DAYS, .days = 3}, 3 * 86400 * SEC},
        {{.key = SLICE_INIT("d"), .span = LIMIT_WEEK}, 7 * 86400 * SEC},
        {{.key = SLICE_INIT("e"), .span = LIMIT_MONTH}, 31 * 86400 * SEC},
        {{.key = SLICE_INIT("f"), .span = LIMIT_HELD}, 3600 * SEC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct each_values *values = each_values_new();
        (void)admitted(values, &rows[i].limit, 0, 10000, SEC);
        cr_expect_not(admit(values, &rows[i].limit, 10000, rows[i].life), "row %zu", i);
        cr_expect(admit(values, &rows[i].limit, 10000, rows[i].life + 2 * SEC), "row %zu", i);
        each_values_free(values);
    }
}

Test(each_values, any_bytes_are_a_value)
{
    struct each_values *values = each_values_new();
    cr_expect(each_values_admit(values, &a_minute, slice_make("", 0), SEC));
    cr_expect(each_values_admit(values, &a_minute, slice_make("\0\xff\n", 3), SEC));
    cr_expect_eq(admitted(values, &a_minute, 0, 10000, SEC), 9998U);
    each_values_free(values);
}

Test(each_values, values_that_come_and_go_for_ever_find_room_and_take_no_more_memory)
{
    struct each_values *values = each_values_new();
    struct limit brief = a_minute;
    brief.period = SEC;
    unsigned count = 0;
    size_t before = 0;
    for (unsigned round = 1; round <= 40; round++) {
        count += admitted(values, &brief, round * 9000, (round + 1) * 9000, round * 2 * SEC);
        before = round == 3 ? allocated_bytes() : before;
    }
    cr_expect_eq(count, 40 * 9000U);
    cr_expect_leq(allocated_bytes(), before + 100000);
    each_values_free(values);
}

Test(each_values, rules_that_a_reload_removed_leave_no_memory_behind)
{
    struct each_values *values = each_values_new();
    size_t before = 0;
    for (unsigned reload = 0; reload < 20000; reload++) {
        char key[32];
        struct limit limit = a_minute;
        int len = snprintf(key, sizeof(key), "rule %u", reload);
        limit.key = slice_make(key, (size_t)len);
        cr_assert(admitted(values, &limit, 0, 3, reload * 120 * SEC) == 3);
        before = reload == 10000 ? allocated_bytes() : before;
    }
    cr_expect_leq(allocated_bytes(), before + 20000);
    each_values_free(values);
}

/* ---- threads ---- */

enum { THREADS = 4, VALUES_A_THREAD = 6000 };

struct worker {
    pthread_t thread;
    struct each_values *values;
    unsigned number, own;
};

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    unsigned first = worker->number * VALUES_A_THREAD;
    worker->own = admitted(worker->values, &a_minute, first, first + VALUES_A_THREAD, SEC);
    return NULL;
}

Test(each_values, several_workers_find_ten_thousand_in_all)
{
    struct worker workers[THREADS] = {0};
    struct each_values *values = each_values_new();
    unsigned own = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].values = values;
        workers[i].number = i;
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
        own += workers[i].own;
    }
    cr_expect_eq(own, 10000U);
    each_values_free(values);
}
