/* Lines of one object's deliveries; replays and drops, which meet them. */
#include "tests/unit/gateway/webhook/queue_rig.h"

TestSuite(queue_order, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

#define ALL     ((struct queue_filter){0})
#define OF(...) ((struct queue_filter){__VA_ARGS__})

/* Takes the one that is due, expects it to be that, and says what became of it. */
static void expect_next(const char *event, enum queue_outcome outcome)
{
    struct queue_delivery *delivery = take_one();
    cr_assert_str_eq(name_of(delivery), event);
    if (delivery != NULL) {
        settle(delivery, outcome, clock_wall());
    }
}

static void expect_none(void)
{
    struct queue_delivery *delivery = take_one();
    cr_assert_null(delivery, "%s", name_of(delivery));
}

Test(queue_order, the_next_of_one_object_waits_until_the_one_before_is_over)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    put_ordered("b1", 2);
    put_ordered("a3", 1);
    put_event("free");
    struct queue_take take = take_of("billing", 10);
    cr_assert_eq(take.count, 3U);
    cr_expect_str_eq(name_of(take.first), "a1");
    cr_expect_str_eq(name_of(take.first->next), "b1");
    cr_expect_str_eq(name_of(take.first->next->next), "free");
    cr_expect_eq(take.next_due, 0);
    cr_expect_eq(stats_now().held_back, 2U);
    settle(take.first->next->next, QUEUE_DELIVERED, 0);
    settle(take.first->next, QUEUE_DELIVERED, 0);
    expect_none();
    settle(take.first, QUEUE_AGAIN, clock_wall()); /* it is not over */
    expect_next("a1", QUEUE_DELIVERED);
    expect_next("a2", QUEUE_DEAD); /* that is over, too */
    expect_next("a3", QUEUE_DELIVERED);
    expect_none();
    put_ordered("a4", 1); /* nobody is before it */
    expect_next("a4", QUEUE_DELIVERED);
}

Test(queue_order, targets_have_lines_of_their_own)
{
    struct queue_put put = an_event("a1");
    put.target_count = 2;
    put.targets[1].name = SLICE("mail");
    for (unsigned i = 0; i < 2; i++) {
        put.targets[i].ordered = true;
    }
    put_it(&put);
    put_ordered("a2", 0);
    expect_next("a1", QUEUE_DELIVERED);
    expect_next("a2", QUEUE_DELIVERED); /* though mail has not taken a1 */
    struct queue_take take = take_of("mail", 5);
    cr_assert_eq(take.count, 1U);
    memory_free(take.first);
}

Test(queue_order, lines_outlive_the_process)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    memory_free(take_one());
    rig_restart();
    put_ordered("a3", 1);
    expect_next("a1", QUEUE_DELIVERED);
    expect_next("a2", QUEUE_DELIVERED);
    rig_restart();
    expect_next("a3", QUEUE_DELIVERED);
}

/* ---- replays ---- */

Test(queue_order, a_replay_is_as_if_it_was_new_under_its_old_id)
{
    struct queue_put put = an_event("a");
    put_it(&put);
    expect_next("a", QUEUE_AGAIN);
    expect_next("a", QUEUE_DELIVERED);
    expect_none();
    struct queue_change change = change_of(QUEUE_REPLAY, ALL, 0);
    cr_expect_eq(change.count, 1U);
    cr_expect_str_eq(change.error, "");
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.delivered, 0U);
    cr_expect_eq(stats.waiting, 1U);
    cr_expect_eq(ask("SELECT over_events FROM totals"), 0);
    struct queue_delivery *delivery = take_one();
    cr_expect_str_eq(delivery->id, put.id);
    cr_expect_eq(delivery->attempts, 0U);
    settle(delivery, QUEUE_DELIVERED, 0);
    stats = stats_now();
    cr_expect_eq(stats.delivered, 1U);
    cr_expect_eq(ask("SELECT over_events FROM totals"), 1);
}

Test(queue_order, a_replay_goes_to_the_end_of_its_line)
{
    put_ordered("a1", 1);
    expect_next("a1", QUEUE_DEAD);
    put_ordered("a2", 1);
    put_ordered("a3", 1);
    cr_expect_eq(change_of(QUEUE_REPLAY, OF(.states = 1U << QUEUE_STATE_DEAD), 0).count, 1U);
    put_ordered("a4", 1);
    expect_next("a2", QUEUE_DELIVERED);
    expect_next("a3", QUEUE_DELIVERED);
    expect_next("a1", QUEUE_DELIVERED);
    expect_next("a4", QUEUE_DELIVERED);
    cr_expect_eq(change_of(QUEUE_REPLAY, ALL, 0).count, 4U);
    expect_next("a1", QUEUE_DELIVERED); /* as they came */
    expect_next("a2", QUEUE_DELIVERED);
    expect_next("a3", QUEUE_DELIVERED);
    expect_next("a4", QUEUE_DELIVERED);
}

Test(queue_order, a_replay_at_a_rate_is_due_bit_by_bit)
{
    usec_t before = clock_wall();
    for (unsigned i = 0; i < 5; i++) {
        put_event(arena_print(&folder.arena, "%u", i));
        expect_next(arena_print(&folder.arena, "%u", i), QUEUE_DELIVERED);
    }
    cr_expect_eq(change_of(QUEUE_REPLAY, ALL, 2).count, 5U);
    expect_next("0", QUEUE_DELIVERED);
    struct queue_take take = take_of("billing", 1);
    cr_expect_eq(take.count, 0U);
    cr_expect_geq(take.next_due, before + SEC / 2);
    cr_expect_leq(take.next_due, clock_wall() + SEC / 2);
    cr_expect_eq(ask("SELECT max(due) - min(due) FROM deliveries WHERE state = 0"), 3 * SEC / 2);
}

/* Held back, it is due when the one before is over, but not before its own time. */
Test(queue_order, a_replay_of_a_line_at_a_rate_keeps_both)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    expect_next("a1", QUEUE_DELIVERED);
    expect_next("a2", QUEUE_DELIVERED);
    usec_t before = clock_wall();
    cr_expect_eq(change_of(QUEUE_REPLAY, ALL, 1).count, 2U);
    expect_next("a1", QUEUE_DELIVERED);
    struct queue_take take = take_of("billing", 1);
    cr_expect_eq(take.count, 0U);
    cr_expect_geq(take.next_due, before + SEC);
}

Test(queue_order, what_is_under_way_is_not_replayed)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    struct queue_delivery *delivery = take_one();
    cr_expect_eq(change_of(QUEUE_REPLAY, ALL, 0).count, 0U);
    expect_none();
    settle(delivery, QUEUE_DELIVERED, 0);
    expect_next("a2", QUEUE_DELIVERED);
}

Test(queue_order, changes_are_of_those_that_fit)
{
    struct queue_put put = an_event("a");
    put.received_at = 100 * SEC;
    put_it(&put);
    struct queue_put other = an_event("b");
    other.received_at = 200 * SEC;
    other.type = SLICE("invoice.void");
    other.hook = SLICE("github");
    other.targets[0].name = SLICE("ci");
    put_it(&other);
    static const struct {
        struct queue_filter filter;
        uint64_t expected;
    } cases[] = {
        {{.id = SLICE_INIT("x")}, 0},
        {{.id = SLICE_INIT("b")}, 1},
        {{.hook = SLICE_INIT("stripe")}, 1},
        {{.hook = SLICE_INIT("stripe"), .target = SLICE_INIT("ci")}, 0},
        {{.target = SLICE_INIT("ci")}, 1},
        {{.type = SLICE_INIT("invoice.void")}, 1},
        {{.type = SLICE_INIT("invoice")}, 0},
        {{.since = 100 * SEC}, 2},
        {{.since = 101 * SEC}, 1},
        {{.until = 200 * SEC}, 1},
        {{.since = 100 * SEC, .until = 201 * SEC}, 2},
        {{.states = 1U << QUEUE_STATE_WAITING}, 2},
        {{.states = 1U << QUEUE_STATE_DEAD}, 0},
        {{.states = 1U << 4}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(change_of(QUEUE_REPLAY, cases[i].filter, 0).count, cases[i].expected, "%zu",
                     i);
    }
    cr_expect_eq(change_of(QUEUE_REPLAY, OF(.id = slice_from(put.id)), 0).count, 1U);
}

/* ---- drops ---- */

Test(queue_order, what_is_dropped_is_gone_and_the_next_may_go)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    put_ordered("a3", 1);
    cr_expect_eq(change_of(QUEUE_DROP, OF(.id = SLICE("a2")), 0).count, 1U);
    cr_expect_eq(change_of(QUEUE_DROP, OF(.id = SLICE("a1")), 0).count, 1U);
    expect_next("a3", QUEUE_DELIVERED);
    cr_expect_eq(change_of(QUEUE_DROP, ALL, 0).count, 1U);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.events, 0U);
    cr_expect_eq(stats.bytes, 0U);
    cr_expect_eq(stats.delivered, 0U);
    cr_expect_eq(ask("SELECT count(*) FROM bodies"), 0);
    cr_expect_eq(ask("SELECT over_events + over_bytes FROM totals"), 0);
}

Test(queue_order, what_is_dropped_while_it_is_under_way_ends_before_the_next_begins)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    struct queue_delivery *delivery = take_one();
    cr_expect_eq(change_of(QUEUE_DROP, OF(.id = SLICE("a1")), 0).count, 1U);
    cr_expect_eq(change_of(QUEUE_DROP, OF(.id = SLICE("a1")), 0).count, 0U);
    expect_none();
    cr_expect_eq(stats_now().waiting, 0U);
    put_ordered("a3", 1);
    expect_none();
    settle(delivery, QUEUE_AGAIN, clock_wall());
    expect_next("a2", QUEUE_DELIVERED);
    expect_next("a3", QUEUE_DELIVERED);
    cr_expect_eq(stats_now().events, 2U);
}

Test(queue_order, what_was_dropped_while_it_was_under_way_does_not_come_back)
{
    put_ordered("a1", 1);
    put_ordered("a2", 1);
    memory_free(take_one());
    (void)change_of(QUEUE_DROP, OF(.id = SLICE("a1")), 0);
    rig_restart();
    expect_next("a2", QUEUE_DELIVERED);
    cr_expect_eq(stats_now().events, 1U);
}

Test(queue_order, one_target_of_an_event_can_be_dropped)
{
    struct queue_put put = an_event("a");
    put.target_count = 2;
    put.targets[1].name = SLICE("mail");
    put_it(&put);
    expect_next("a", QUEUE_DELIVERED);
    cr_expect_eq(change_of(QUEUE_DROP, OF(.target = SLICE("mail")), 0).count, 1U);
    cr_expect_eq(ask("SELECT over_events FROM totals"), 1); /* what is left was delivered */
    cr_expect_eq(stats_now().events, 1U);
}

/* More than are looked at in one step, with others that come in between. */
Test(queue_order, a_change_of_many_is_done_in_steps)
{
    enum { MANY = 2500, AT_ONCE = 100 };
    static struct queue_put puts[AT_ONCE];
    for (unsigned i = 0; i < MANY; i += AT_ONCE) {
        for (unsigned k = 0; k < AT_ONCE; k++) {
            puts[k] = an_event("");
            puts[k].targets[0].ordered = true;
            puts[k].targets[0].order = k % 2;
            random_bytes(puts[k].key, sizeof(puts[k].key));
            queue_put(queue, &puts[k]);
        }
        await_answers(AT_ONCE);
    }
    struct queue_change change = {
        .letter = {.run = on_answer}, .reply = mailbox, .kind = QUEUE_DROP};
    uint64_t commits = stats_now().commits;
    queue_change(queue, &change);
    puts[0] = an_event("new");
    queue_put(queue, &puts[0]);
    await_answers(2);
    cr_expect_geq(change.count, (uint64_t)MANY);
    cr_expect_geq(stats_now().commits, commits + 3);
    cr_expect_eq(stats_now().events, MANY + 1 - change.count);
}
