#include "base/waiter.h"

#include <criterion/criterion.h>

struct sleeper {
    struct waiter waiter; /* first: see resume() */
    char name;
    struct sleeper *wakes;
    struct sleeper *cancels;
};

static struct ready_list list;
static char order[32];
static size_t resumed;

static void resume(struct waiter *waiter)
{
    struct sleeper *sleeper = (struct sleeper *)waiter;
    cr_expect_not(waiter->ready);
    order[resumed++] = sleeper->name;
    order[resumed] = '\0';
    if (sleeper->wakes != NULL) {
        wake(&sleeper->wakes->waiter);
    }
    if (sleeper->cancels != NULL) {
        waiter_cancel(&sleeper->cancels->waiter);
    }
}

static struct sleeper make(char name)
{
    struct sleeper sleeper = {.name = name};
    waiter_init(&sleeper.waiter, &list, resume);
    return sleeper;
}

Test(waiter, resumes_from_the_loop_in_the_order_of_waking)
{
    struct sleeper a = make('a');
    struct sleeper b = make('b');
    wake(&b.waiter);
    wake(&a.waiter);
    wake(NULL);
    cr_expect_eq(resumed, 0, "waking resumes nobody by itself");
    cr_expect_not(ready_list_run(&list, 10));
    cr_expect_str_eq(order, "ba");
    cr_expect_not(ready_list_run(&list, 10));
    cr_expect_str_eq(order, "ba");
}

Test(waiter, waking_twice_is_waking_once)
{
    struct sleeper a = make('a');
    wake(&a.waiter);
    wake(&a.waiter);
    cr_expect_not(ready_list_run(&list, 10));
    cr_expect_str_eq(order, "a");
    wake(&a.waiter);
    cr_expect_not(ready_list_run(&list, 10));
    cr_expect_str_eq(order, "aa");
}

Test(waiter, cancelled_ones_are_not_resumed_wherever_they_stand)
{
    for (unsigned which = 0; which < 3; which++) {
        struct sleeper sleepers[] = {make('a'), make('b'), make('c')};
        static const char *const left[] = {"bc", "ac", "ab"};
        for (unsigned i = 0; i < 3; i++) {
            wake(&sleepers[i].waiter);
        }
        waiter_cancel(&sleepers[which].waiter);
        waiter_cancel(&sleepers[which].waiter);
        resumed = 0;
        cr_expect_not(ready_list_run(&list, 10));
        cr_expect_str_eq(order, left[which]);
        cr_expect_null(list.first);
        cr_expect_null(list.last);
    }
}

Test(waiter, a_resumed_one_may_wake_and_cancel_others_and_itself)
{
    struct sleeper a = make('a');
    struct sleeper b = make('b');
    struct sleeper c = make('c');
    a.wakes = &c;
    a.cancels = &b;
    c.wakes = &c;
    wake(&a.waiter);
    wake(&b.waiter);
    cr_expect(ready_list_run(&list, 4), "c is always ready: the limit ends the turn");
    cr_expect_str_eq(order, "accc");
    waiter_cancel(&c.waiter);
    cr_expect_not(ready_list_run(&list, 4));
}
