#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

static struct loop loop;

static void set_up(void)
{
    struct error err;
    cr_assert_eq(loop_init(&loop, &err), STATUS_OK);
}

static void tear_down(void)
{
    loop_fini(&loop);
}

TestSuite(loop, .init = set_up, .fini = tear_down);

struct alarm {
    struct timer timer;
    unsigned rings;
    bool stops;
};

static void on_alarm(struct timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer; /* its first member */
    alarm->rings++;
    if (alarm->stops) {
        loop_stop(&loop);
    }
}

Test(loop, timers_fire_in_order_and_not_early)
{
    struct alarm first = {.stops = false};
    struct alarm second = {.stops = true};
    struct alarm late = {.stops = false};
    timer_init(&first.timer, on_alarm);
    timer_init(&second.timer, on_alarm);
    timer_init(&late.timer, on_alarm);
    usec_t start = clock_now();
    loop.now = start; /* which timers count from */
    loop_timer(&loop, &late.timer, 3600 * SEC);
    loop_timer(&loop, &second.timer, 60 * MSEC);
    loop_timer(&loop, &first.timer, 20 * MSEC);
    loop_run(&loop);
    cr_assert_geq(clock_now() - start, 60 * MSEC);
    cr_assert_eq(first.rings, 1);
    cr_assert_eq(second.rings, 1);
    cr_assert_eq(late.rings, 0);
    timer_cancel(&loop.timers, &late.timer); /* it is on this stack */
}

Test(loop, a_timer_may_be_moved_closer_and_away)
{
    struct alarm moved = {.stops = true};
    timer_init(&moved.timer, on_alarm);
    usec_t start = clock_now();
    loop_timer(&loop, &moved.timer, 3600 * SEC);
    loop_turn(&loop, LOOP_POLL);
    loop_timer(&loop, &moved.timer, 10 * MSEC);
    loop_turn(&loop, LOOP_POLL);
    loop_timer(&loop, &moved.timer, 80 * MSEC);
    loop_run(&loop);
    cr_assert_geq(clock_now() - start, 80 * MSEC);
    cr_assert_eq(moved.rings, 1);
}

struct restless {
    struct waiter waiter;
    unsigned resumed;
};

static void wake_again(struct waiter *waiter)
{
    ((struct restless *)waiter)->resumed++;
    wake(waiter);
}

Test(loop, one_that_is_always_ready_does_not_keep_the_turn)
{
    struct restless restless = {.resumed = 0};
    struct alarm alarm = {.stops = true};
    waiter_init(&restless.waiter, &loop.ready, wake_again);
    timer_init(&alarm.timer, on_alarm);
    wake(&restless.waiter);
    loop_timer(&loop, &alarm.timer, 20 * MSEC);
    loop_run(&loop);
    cr_assert_eq(alarm.rings, 1);
    cr_assert_gt(restless.resumed, 1);
    waiter_cancel(&restless.waiter);
}

struct mortal {
    struct reapable reapable;
    unsigned *reaped;
    struct mortal *other;
};

static void reap(struct reapable *reapable)
{
    struct mortal *mortal = (struct mortal *)reapable; /* its first member */
    (*mortal->reaped)++;
    if (mortal->other != NULL) {
        loop_reap(&loop, &mortal->other->reapable, reap);
    }
}

static void kill_it(void *ctx)
{
    struct mortal *mortal = ctx;
    if (*mortal->reaped == 0) {
        loop_reap(&loop, &mortal->reapable, reap);
    }
}

Test(loop, the_dead_are_reaped_at_the_end_of_the_turn)
{
    unsigned reaped = 0;
    struct mortal child = {.reaped = &reaped};
    struct mortal parent = {.reaped = &reaped, .other = &child};
    loop.after_turn = kill_it;
    loop.after_turn_ctx = &parent;
    loop_turn(&loop, LOOP_POLL);
    cr_assert_eq(reaped, 2);
}

static void be_slow(struct waiter *waiter)
{
    (void)waiter;
    (void)usleep(30 * 1000);
}

Test(loop, the_longest_turn_is_work_and_not_waiting)
{
    struct alarm alarm = {.stops = true};
    struct waiter slow;
    timer_init(&alarm.timer, on_alarm);
    loop_timer(&loop, &alarm.timer, 300 * MSEC);
    loop_run(&loop);
    cr_assert_lt(loop.longest_turn, 250 * MSEC);
    waiter_init(&slow, &loop.ready, be_slow);
    wake(&slow);
    loop_turn(&loop, LOOP_POLL);
    cr_assert_geq(loop.longest_turn, 30 * MSEC);
}

/* Something that takes a millisecond of its turn. */
struct worker {
    struct timer timer; /* first: see on_due() */
    struct waiter waiter;
    unsigned ran;
};

enum { WORKERS = 40 };

static struct worker workers[WORKERS];

static void on_due(struct timer *timer)
{
    (void)usleep(1000);
    ((struct worker *)timer)->ran++;
}

static void on_resumed(struct waiter *waiter)
{
    struct worker *worker = (struct worker *)((char *)waiter - offsetof(struct worker, waiter));
    on_due(&worker->timer);
}

static unsigned have_run(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        cr_assert_leq(workers[i].ran, 1);
        count += workers[i].ran;
    }
    return count;
}

static void takes_several_turns(void)
{
    unsigned turns = 0;
    unsigned before = 0;
    while (have_run() < WORKERS && turns < 2 * WORKERS) {
        loop_turn(&loop, LOOP_WAIT); /* which must not wait for anything new */
        cr_assert_leq(have_run() - before, WORKERS / 2, "one turn ran %u", have_run() - before);
        before = have_run();
        turns++;
    }
    cr_assert_eq(have_run(), WORKERS);
}

Test(loop, what_is_due_at_once_takes_several_turns)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        timer_init(&workers[i].timer, on_due);
        loop_timer(&loop, &workers[i].timer, 1);
    }
    takes_several_turns();
}

Test(loop, those_who_are_ready_at_once_take_several_turns)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        waiter_init(&workers[i].waiter, &loop.ready, on_resumed);
        wake(&workers[i].waiter);
    }
    takes_several_turns();
}

enum { SENDERS = 4, LETTERS = 5000 };

struct numbered {
    struct letter letter;
    unsigned sender, number;
};

struct office {
    struct mailbox *mailbox;
    unsigned next[SENDERS];
    unsigned count;
};

struct sender {
    struct office *office;
    unsigned index;
};

static void on_letter(struct letter *letter, void *receiver)
{
    struct numbered *numbered = (struct numbered *)letter; /* its first member */
    struct office *office = receiver;
    cr_assert_eq(office->next[numbered->sender]++, numbered->number);
    memory_free(numbered);
    if (++office->count == SENDERS * LETTERS) {
        loop_stop(&loop);
    }
}

static void *send_letters(void *ctx)
{
    const struct sender *sender = ctx;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct numbered *numbered = MEMORY_NEW(struct numbered);
        *numbered = (struct numbered){{.run = on_letter}, sender->index, i};
        mailbox_post(sender->office->mailbox, &numbered->letter);
    }
    return NULL;
}

Test(loop, letters_of_many_threads_arrive_in_order_and_once)
{
    struct office office = {.count = 0};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    struct error err;
    cr_assert_eq(mailbox_new(&loop, &office, &office.mailbox, &err), STATUS_OK);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&office, i};
        cr_assert_eq(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    loop_run(&loop);
    for (unsigned i = 0; i < SENDERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    cr_assert_eq(office.count, SENDERS * LETTERS);
    mailbox_free(office.mailbox);
}

Test(loop, unread_letters_are_run_when_the_mailbox_goes)
{
    struct office office = {.count = 0};
    struct error err;
    cr_assert_eq(mailbox_new(&loop, &office, &office.mailbox, &err), STATUS_OK);
    struct numbered *numbered = MEMORY_NEW(struct numbered);
    numbered->letter.run = on_letter;
    mailbox_post(office.mailbox, &numbered->letter);
    mailbox_free(office.mailbox);
    cr_assert_eq(office.count, 1);
}
