#include "base/timer.h"

#include <limits.h>

#include <criterion/criterion.h>

enum { TIMERS = 200 };

struct alarm {
    struct timer timer; /* first: see on_fire() */
    unsigned fired;
    struct alarm *also_cancel;
    usec_t again_at;
};

static struct timer_queue queue;
static usec_t now;
static usec_t last_due;

static void on_fire(struct timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    alarm->fired++;
    cr_expect_eq(timer->place, 0, "a timer that fires is in the queue no longer");
    if (alarm->also_cancel != NULL) {
        timer_cancel(&queue, &alarm->also_cancel->timer);
    }
    if (alarm->again_at > 0) {
        timer_set(&queue, timer, alarm->again_at);
        alarm->again_at = 0;
    }
}

static void run(usec_t at)
{
    now = at;
    (void)timer_queue_run(&queue, at, UINT_MAX);
}

static void fini(void)
{
    timer_queue_fini(&queue);
}

TestSuite(timer, .fini = fini);

Test(timer, fires_once_when_due)
{
    struct alarm alarm = {0};
    timer_init(&alarm.timer, on_fire);
    cr_expect_eq(timer_queue_next(&queue), 0);
    timer_set(&queue, &alarm.timer, 100);
    cr_expect_eq(timer_queue_next(&queue), 100);
    run(99);
    cr_expect_eq(alarm.fired, 0);
    run(100);
    cr_expect_eq(alarm.fired, 1);
    run(1000);
    cr_expect_eq(alarm.fired, 1);
    cr_expect_eq(timer_queue_next(&queue), 0);
}

Test(timer, no_more_fire_than_wanted)
{
    struct alarm alarms[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        timer_init(&alarms[i].timer, on_fire);
        timer_set(&queue, &alarms[i].timer, 100 + i);
    }
    cr_expect(timer_queue_run(&queue, 102, 2));
    cr_expect_eq(alarms[0].fired + alarms[1].fired, 2);
    cr_expect_eq(alarms[2].fired, 0);
    cr_expect_eq(timer_queue_next(&queue), 102);
    cr_expect_not(timer_queue_run(&queue, 102, 2));
    cr_expect_eq(alarms[2].fired, 1);
}

Test(timer, moving_it_counts_in_both_directions)
{
    struct alarm later = {0};
    struct alarm sooner = {0};
    timer_init(&later.timer, on_fire);
    timer_init(&sooner.timer, on_fire);
    timer_set(&queue, &later.timer, 100);
    timer_set(&queue, &later.timer, 300);
    timer_set(&queue, &sooner.timer, 300);
    timer_set(&queue, &sooner.timer, 50);
    cr_expect_eq(timer_queue_next(&queue), 50);
    run(50);
    cr_expect_eq(sooner.fired, 1);
    run(299);
    cr_expect_eq(later.fired, 0);
    run(300);
    cr_expect_eq(later.fired, 1);
    cr_expect_eq(sooner.fired, 1);
}

Test(timer, stopped_and_cancelled_ones_do_not_fire)
{
    struct alarm stopped = {0};
    struct alarm cancelled = {0};
    struct alarm revived = {0};
    timer_init(&stopped.timer, on_fire);
    timer_init(&cancelled.timer, on_fire);
    timer_init(&revived.timer, on_fire);
    timer_set(&queue, &stopped.timer, 10);
    timer_set(&queue, &cancelled.timer, 10);
    timer_set(&queue, &revived.timer, 10);
    timer_stop(&stopped.timer);
    timer_cancel(&queue, &cancelled.timer);
    timer_cancel(&queue, &cancelled.timer);
    timer_stop(&revived.timer);
    timer_set(&queue, &revived.timer, 20);
    run(10);
    cr_expect_eq(stopped.fired + cancelled.fired + revived.fired, 0);
    run(20);
    cr_expect_eq(stopped.fired + cancelled.fired, 0);
    cr_expect_eq(revived.fired, 1);
    cr_expect_eq(queue.count, 0);
}

Test(timer, a_fired_one_may_set_itself_and_cancel_others)
{
    struct alarm victim = {0};
    struct alarm first = {.also_cancel = &victim, .again_at = 20};
    timer_init(&victim.timer, on_fire);
    first.timer.fire = on_fire;
    timer_set(&queue, &first.timer, 10);
    timer_set(&queue, &victim.timer, 11);
    run(15);
    cr_expect_eq(first.fired, 1);
    run(20);
    cr_expect_eq(first.fired, 2);
    cr_expect_eq(victim.fired, 0);
}

static void check_order(struct timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    cr_expect_leq(alarm->again_at, now, "fires too early");
    cr_expect_geq(alarm->again_at, last_due, "fires out of turn");
    last_due = alarm->again_at;
    alarm->fired++;
}

Test(timer, many_fire_in_order_whatever_was_moved_or_cancelled)
{
    static struct alarm alarms[TIMERS];
    unsigned random = 1;
    for (size_t i = 0; i < TIMERS; i++) {
        timer_init(&alarms[i].timer, check_order);
        random = random * 1103515245U + 12345U;
        alarms[i].again_at = 1 + (usec_t)(random >> 16) % 1000;
        timer_set(&queue, &alarms[i].timer, alarms[i].again_at);
    }
    for (size_t i = 0; i < TIMERS; i++) {
        if (i % 3 == 0) {
            timer_cancel(&queue, &alarms[i].timer);
        } else if (i % 3 == 1) {
            alarms[i].again_at = (usec_t)(TIMERS - i) * 7;
            timer_set(&queue, &alarms[i].timer, alarms[i].again_at);
        }
    }
    for (usec_t at = 0; at <= 1500; at += 50) {
        run(at);
    }
    for (size_t i = 0; i < TIMERS; i++) {
        cr_expect_eq(alarms[i].fired, i % 3 == 0 ? 0 : 1, "timer %zu", i);
    }
    cr_expect_eq(queue.count, 0);
}

Test(timer, fini_leaves_no_timer_in_a_queue)
{
    struct alarm alarm = {0};
    timer_init(&alarm.timer, on_fire);
    timer_set(&queue, &alarm.timer, 10);
    timer_queue_fini(&queue);
    cr_expect_eq(alarm.timer.place, 0);
    timer_cancel(&queue, &alarm.timer);
    run(100);
    cr_expect_eq(alarm.fired, 0);
}
