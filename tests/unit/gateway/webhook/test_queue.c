#include "tests/unit/gateway/webhook/queue_rig.h"

TestSuite(queue, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

/* ---- in and out ---- */

Test(queue, what_is_put_is_taken_with_all_that_it_has)
{
    struct queue_put put = an_event("evt_1");
    cr_assert_eq(put_it(&put), QUEUE_STORED, "%s", put.error);
    struct queue_delivery *delivery = take_one();
    cr_assert_not_null(delivery);
    cr_expect_str_eq(delivery->id, put.id);
    cr_expect_eq(delivery->attempts, 0U);
    cr_expect_eq(delivery->received_at, put.received_at);
    cr_expect(slice_equal(delivery->event_id, put.event_id));
    cr_expect(slice_equal(delivery->type, put.type));
    cr_expect(slice_equal(delivery->fields, put.fields));
    cr_expect(slice_equal(delivery->body, put.body));
    cr_expect_null(take_one()); /* for it is under way */
    settle(delivery, QUEUE_DELIVERED, 0);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.waiting, 0U);
    cr_expect_eq(stats.delivered, 1U);
    cr_expect_eq(stats.events, 1U);
    cr_expect_eq(stats.bytes, put.fields.len + put.body.len);
    cr_expect_null(take_one());
}

Test(queue, an_event_is_large)
{
    enum { LARGE = 20 * 1024 * 1024 };
    char *bytes = memory_alloc(LARGE);
    struct queue_put put = an_event("large");
    memset(bytes, 'x', LARGE);
    put.body = slice_make(bytes, LARGE);
    cr_expect_eq(put_it(&put), QUEUE_STORED);
    put_event("next");
    struct queue_take take = take_of("billing", 10); /* one is given always */
    cr_expect_eq(take.count, 1U);
    cr_expect(slice_equal(take.first->body, put.body));
    cr_expect_gt(take.next_due, 0);
    cr_expect_lt(take.next_due, clock_wall());
    settle(take.first, QUEUE_DELIVERED, 0);
    take = take_of("billing", 10);
    cr_expect_eq(take.count, 1U);
    settle(take.first, QUEUE_DELIVERED, 0);
    memory_free(bytes);
}

Test(queue, each_target_has_its_own)
{
    struct queue_put put = an_event("evt_1");
    put.targets[1].name = SLICE("mail");
    put.target_count = 2;
    put_it(&put);
    struct queue_take none = take_of("crm", 10);
    struct queue_take billing = take_of("billing", 10);
    struct queue_take mail = take_of("mail", 10);
    cr_expect_eq(none.count, 0U);
    cr_expect_eq(none.next_due, 0);
    cr_assert_eq(billing.count, 1U);
    cr_assert_eq(mail.count, 1U);
    cr_expect_str_eq(billing.first->id, put.id);
    cr_expect_str_eq(mail.first->id, put.id);
    settle(mail.first, QUEUE_DEAD, 0);
    settle(billing.first, QUEUE_DELIVERED, 0);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.dead, 1U);
    cr_expect_eq(stats.delivered, 1U);
    cr_expect_eq(ask("SELECT count(*) FROM events WHERE over_at IS NULL"), 1);
}

Test(queue, they_go_out_as_they_are_due_and_as_many_as_are_wanted)
{
    for (unsigned i = 0; i < 5; i++) {
        put_event(arena_print(&folder.arena, "%u", i));
    }
    struct queue_take take = take_of("billing", 3);
    cr_assert_eq(take.count, 3U);
    cr_expect_neq(take.next_due, 0); /* there is more */
    unsigned i = 0;
    for (struct queue_delivery *at = take.first; at != NULL; i++) {
        struct queue_delivery *next = at->next;
        cr_expect_eq(at->event_id.ptr[0], (char)('0' + i));
        settle(at, QUEUE_DELIVERED, 0);
        at = next;
    }
    take = take_of("billing", 3);
    cr_assert_eq(take.count, 2U);
    cr_expect_eq(take.next_due, 0);
    settle(take.first->next, QUEUE_DELIVERED, 0);
    settle(take.first, QUEUE_DELIVERED, 0);
}

/* ---- outcomes ---- */

Test(queue, one_that_failed_waits_until_it_is_due_and_counts_its_attempts)
{
    usec_t due = clock_wall() + 3600 * SEC;
    put_event("a");
    settle(take_one(), QUEUE_AGAIN, due);
    struct queue_take take = take_of("billing", 1);
    cr_expect_null(take.first);
    cr_expect_eq(take.next_due, due);
    (void)change_of(QUEUE_REPLAY, (struct queue_filter){0}, 0); /* at once, and anew */
    struct queue_delivery *delivery = take_one();
    cr_expect_eq(delivery->attempts, 0U);
    settle(delivery, QUEUE_AGAIN, clock_wall());
    delivery = take_one();
    cr_expect_eq(delivery->attempts, 1U);
    settle(delivery, QUEUE_AGAIN, clock_wall());
    delivery = take_one();
    cr_expect_eq(delivery->attempts, 2U);
    settle(delivery, QUEUE_DEAD, 0);
    cr_expect_eq(stats_now().dead, 1U);
    cr_expect_eq(ask("SELECT attempts FROM deliveries"), 3);
}

Test(queue, one_that_is_given_back_was_not_tried)
{
    usec_t due = clock_wall() + 3600 * SEC;
    put_event("a");
    put_event("b");
    struct queue_delivery *a = take_one();
    settle(a, QUEUE_GIVEN_BACK, 0);
    struct queue_delivery *again = take_one(); /* before b: as it was */
    cr_expect_str_eq(name_of(again), "a");
    cr_expect_eq(again->attempts, 0U);
    settle(again, QUEUE_GIVEN_BACK, due);
    struct queue_take take = take_of("billing", 5);
    cr_assert_eq(take.count, 1U);
    cr_expect_str_eq(name_of(take.first), "b");
    cr_expect_eq(take.next_due, due);
    settle(take.first, QUEUE_DELIVERED, 0);
    cr_expect_eq(ask("SELECT attempts FROM deliveries WHERE state = 0"), 0);
}

/* What is in flight stands before what waits: the next that is due is not one of those. */
Test(queue, the_next_that_is_due_is_none_that_is_under_way)
{
    usec_t due = clock_wall() + 3600 * SEC;
    put_event("a");
    put_event("b");
    settle(take_one(), QUEUE_AGAIN, due);
    struct queue_take take = take_of("billing", 1);
    cr_assert_eq(take.count, 1U);
    cr_expect_eq(take.next_due, due);
    struct queue_take none = take_of("billing", 1);
    cr_expect_eq(none.count, 0U);
    cr_expect_eq(none.next_due, due);
    put_event("c"); /* due earlier than what was said */
    struct queue_take third = take_of("billing", 1);
    cr_assert_eq(third.count, 1U);
    cr_expect_str_eq(name_of(third.first), "c");
    settle(take.first, QUEUE_GIVEN_BACK, 0);
    settle(third.first, QUEUE_GIVEN_BACK, 0);
    take = take_of("billing", 1);
    cr_expect_str_eq(name_of(take.first), "b");
    memory_free(take.first);
}

/* ---- due ---- */

/* He is told behind the answers of a turn. */
static void turn_over(void)
{
    settle_down();
    settle_down();
}

Test(queue, who_delivers_is_told_once_until_he_asks)
{
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 0U);
    put_event("a");
    put_event("b");
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 1U);
    struct queue_delivery *delivery = take_one();
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 1U);
    settle(delivery, QUEUE_DELIVERED, 0); /* no news */
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 1U);
    settle(take_one(), QUEUE_AGAIN, clock_wall() + SEC);
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 2U);
}

Test(queue, who_delivers_is_told_of_what_waits_from_the_start)
{
    put_event("a");
    queue_stop(TAKE(queue));
    atomic_store(&due_calls, 0);
    rig_start();
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 1U);
    settle(take_one(), QUEUE_DELIVERED, 0);
    queue_stop(TAKE(queue));
    atomic_store(&due_calls, 0);
    rig_start();
    turn_over();
    cr_expect_eq(atomic_load(&due_calls), 0U);
}

/* ---- repeats ---- */

Test(queue, a_repeat_is_answered_with_the_first_ones_id)
{
    struct queue_put first = an_event("a");
    struct queue_put again = an_event("a");
    cr_expect_eq(put_it(&first), QUEUE_STORED);
    cr_expect_eq(put_it(&again), QUEUE_DUPLICATE);
    cr_expect_str_eq(again.stored_id, first.id);
    cr_expect_eq(stats_now().events, 1U);
    (void)change_of(QUEUE_DROP, (struct queue_filter){0}, 0);
    cr_expect_eq(put_it(&again), QUEUE_DUPLICATE);
    cr_expect_str_eq(again.stored_id, "");
}

Test(queue, repeats_that_come_at_once_are_stored_once)
{
    enum { MANY = 50 };
    static struct queue_put puts[MANY];
    unsigned stored = 0;
    for (unsigned i = 0; i < MANY; i++) {
        puts[i] = an_event("a");
        queue_put(queue, &puts[i]);
    }
    await_answers(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        stored += puts[i].result == QUEUE_STORED;
        cr_expect(puts[i].result == QUEUE_STORED || puts[i].result == QUEUE_DUPLICATE);
    }
    cr_expect_eq(stored, 1U);
    cr_expect_eq(stats_now().events, 1U);
}

static struct queue_put with_content(const char *event, const char *content, bool counts)
{
    struct queue_put put = an_event(event);
    hash_of(content, put.content);
    put.content_known = true;
    put.content_counts = counts;
    return put;
}

Test(queue, the_same_content_under_another_id_is_suspect)
{
    struct queue_put first = with_content("a", "x", false);
    struct queue_put second = with_content("b", "x", false);
    struct queue_put repeat = with_content("b", "x", false);
    struct queue_put other = with_content("c", "y", false);
    cr_expect_eq(put_it(&first), QUEUE_STORED);
    cr_expect_eq(put_it(&second), QUEUE_SUSPECT);
    cr_expect_eq(put_it(&repeat), QUEUE_DUPLICATE);
    cr_expect_str_eq(repeat.stored_id, second.id);
    cr_expect_eq(put_it(&other), QUEUE_STORED);
    cr_expect_eq(stats_now().waiting, 3U);
    cr_expect_eq(ask("SELECT suspect FROM events WHERE event_id = 'b'"), 1);
    cr_expect_eq(ask("SELECT sum(suspect) FROM events"), 1);
}

Test(queue, the_same_content_is_a_repeat_where_it_counts)
{
    struct queue_put first = with_content("a", "x", true);
    struct queue_put second = with_content("b", "x", true);
    cr_expect_eq(put_it(&first), QUEUE_STORED);
    cr_expect_eq(put_it(&second), QUEUE_DUPLICATE);
    cr_expect_str_eq(second.stored_id, first.id);
}

/* A content that hashes to what is another's key is not that. */
Test(queue, keys_and_contents_are_not_confused)
{
    struct queue_put first = with_content("a", "b", true);
    struct queue_put second = an_event("b");
    cr_expect_eq(put_it(&first), QUEUE_STORED);
    cr_expect_eq(put_it(&second), QUEUE_STORED);
}

Test(queue, an_event_for_nobody_is_kept_as_seen_only)
{
    struct queue_put put = an_event("a");
    struct queue_put again = an_event("a");
    put.target_count = 0;
    cr_expect_eq(put_it(&put), QUEUE_STORED);
    cr_expect_eq(put_it(&again), QUEUE_DUPLICATE);
    cr_expect_str_eq(again.stored_id, "");
    cr_expect_eq(stats_now().events, 0U);
}

/* ---- bounds ---- */

Test(queue, full_is_what_waits_or_is_dead_and_delivered_ones_make_room)
{
    settings.max_events = 3;
    queue_set_limits(queue, &settings);
    put_event("a");
    put_event("b");
    put_event("c");
    struct queue_put put = an_event("d");
    cr_expect_eq(put_it(&put), QUEUE_FULL);
    cr_expect_not_null(strstr(put.error, "3 events wait or are dead: webhook_queue.max_events"),
                       "%s", put.error);
    settle(take_one(), QUEUE_DEAD, 0);
    cr_expect_eq(put_it(&put), QUEUE_FULL); /* it was not noted as seen */
    settle(take_one(), QUEUE_DELIVERED, 0);
    cr_expect_eq(put_it(&put), QUEUE_STORED);
    cr_expect_eq(ask("SELECT count(*) FROM events WHERE event_id = 'b'"), 0);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.events, 3U);
    cr_expect_eq(stats.delivered, 0U);
    cr_expect_eq(ask("SELECT count(*) FROM bodies"), 3);
    cr_expect_eq(ask("SELECT count(*) FROM deliveries"), 3);
    struct queue_put repeat = an_event("a");
    cr_expect_eq(put_it(&repeat), QUEUE_DUPLICATE); /* also now */
}

Test(queue, full_of_bytes)
{
    char body[1000] = {0};
    settings.max_bytes = 2500;
    queue_set_limits(queue, &settings);
    struct queue_put puts[3];
    for (unsigned i = 0; i < 3; i++) {
        puts[i] = an_event(arena_print(&folder.arena, "%u", i));
        puts[i].body = slice_make(body, sizeof(body));
        cr_expect_eq(put_it(&puts[i]), i < 2 ? QUEUE_STORED : QUEUE_FULL);
    }
    cr_expect_not_null(strstr(puts[2].error, "webhook_queue.max_size"), "%s", puts[2].error);
    settle(take_one(), QUEUE_DELIVERED, 0);
    cr_expect_eq(put_it(&puts[2]), QUEUE_STORED);
    cr_expect_eq(stats_now().bytes, 2 * (1000 + puts[0].fields.len));
    puts[0] = an_event("larger than all");
    puts[0].body = slice_make(memory_alloc(3000), 3000);
    cr_expect_eq(put_it(&puts[0]), QUEUE_FULL);
    memory_free((void *)puts[0].body.ptr);
}

Test(queue, one_bad_event_spoils_no_other)
{
    enum { MANY = 20 };
    static struct queue_put puts[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        puts[i] = an_event(arena_print(&folder.arena, "%u", i));
        if (i == 10) {
            memcpy(puts[i].id, puts[3].id, sizeof(puts[i].id));
        }
        queue_put(queue, &puts[i]);
    }
    await_answers(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        cr_expect_eq(puts[i].result, i == 10 ? QUEUE_FAILED : QUEUE_STORED, "%u", i);
    }
    cr_expect_not_null(strstr(puts[10].error, "webhook-id"), "%s", puts[10].error);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.events, MANY - 1U);
    cr_expect_eq(stats.failures, 0U);
    queue_make_id(0, puts[10].id);
    cr_expect_eq(put_it(&puts[10]), QUEUE_STORED); /* it was not noted as seen */
}

/* ---- restarts ---- */

Test(queue, what_was_under_way_waits_again_and_what_was_seen_is_known)
{
    struct queue_put put = an_event("a");
    put_it(&put);
    put_event("b");
    settle(take_one(), QUEUE_AGAIN, clock_wall());
    struct queue_delivery *lost = take_one();
    memory_free(take_one());
    memory_free(lost);
    settings.due = on_due;
    rig_restart();
    struct queue_take take = take_of("billing", 5);
    cr_assert_eq(take.count, 2U);
    cr_expect_str_eq(name_of(take.first), "b"); /* for the other was tried */
    cr_expect_eq(take.first->next->attempts, 1U);
    settle(take.first->next, QUEUE_DELIVERED, 0);
    settle(take.first, QUEUE_DELIVERED, 0);
    rig_restart();
    cr_expect_null(take_one());
    struct queue_put again = an_event("a");
    cr_expect_eq(put_it(&again), QUEUE_DUPLICATE);
    cr_expect_str_eq(again.stored_id, put.id);
    cr_expect_eq(stats_now().delivered, 2U);
}

Test(queue, what_was_asked_is_answered_before_it_stops)
{
    enum { MANY = 600 };
    static struct queue_put puts[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        puts[i] = an_event(arena_print(&folder.arena, "%u", i));
        queue_put(queue, &puts[i]);
    }
    queue_stop(TAKE(queue));
    await_answers(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        cr_expect_eq(puts[i].result, QUEUE_STORED);
    }
    rig_start();
    struct queue_take take = take_of("billing", MANY);
    cr_expect_eq(take.count, (unsigned)MANY);
    for (struct queue_delivery *at = take.first; at != NULL;) {
        struct queue_delivery *next = at->next;
        settle(at, QUEUE_DELIVERED, 0);
        at = next;
    }
    queue_stop(TAKE(queue)); /* what was settled is written, too */
    rig_start();
    cr_expect_eq(stats_now().delivered, (unsigned)MANY);
}

Test(queue, another_process_is_refused)
{
    struct queue *second = NULL;
    cr_expect_eq(queue_start(&settings, &second, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "webhooks.db\": another gateway has it"), "%s",
                       err.message);
    queue_stop(TAKE(queue));
    rig_start(); /* its lock has gone with it */
}

Test(queue, a_newer_version_and_files_of_others_are_refused)
{
    queue_stop(TAKE(queue));
    (void)ask("PRAGMA user_version = 1000");
    cr_expect_eq(queue_start(&settings, &queue, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "newer version"), "%s", err.message);
    (void)ask("PRAGMA user_version = 1");
    (void)ask("PRAGMA application_id = 5");
    cr_expect_eq(queue_start(&settings, &queue, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "something else"), "%s", err.message);
    scratch_write_text(&folder, "text.db", "this is a text that is no database at all, is it?");
    settings.path = scratch_path(&folder, "text.db");
    cr_expect_eq(queue_start(&settings, &queue, &err), STATUS_UNAVAILABLE);
    settings.path = folder.path;
    cr_expect_eq(queue_start(&settings, &queue, &err), STATUS_UNAVAILABLE);
    settings.path = "/nowhere/at/all.db";
    cr_expect_eq(queue_start(&settings, &queue, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "name a file that can be written"), "%s", err.message);
}

Test(queue, nobody_else_may_read_it)
{
    static const char *const names[] = {"webhooks.db", "webhooks.db-wal", "webhooks.db.lock"};
    put_event("a");
    for (unsigned i = 0; i < 3; i++) {
        struct stat info;
        cr_assert_eq(stat(scratch_path(&folder, names[i]), &info), 0);
        cr_expect_eq(info.st_mode & 077, 0U, "%s", names[i]);
    }
}

/* ---- ids ---- */

Test(queue, ids_grow_with_time_and_are_not_alike)
{
    char ids[3][QUEUE_ID_BYTES];
    queue_make_id(1700000000000 * MSEC, ids[0]);
    queue_make_id(1700000000000 * MSEC, ids[1]);
    queue_make_id(1700000000001 * MSEC, ids[2]);
    cr_expect_eq(strlen(ids[0]), QUEUE_ID_BYTES - 1U);
    cr_expect_eq(strspn(ids[0] + 4, "0123456789abcdef"), 32U);
    cr_expect_str_neq(ids[0], ids[1]);
    cr_expect_gt(strcmp(ids[2], ids[0]), 0);
    cr_expect_gt(strcmp(ids[2], ids[1]), 0);
}

Test(queue, states_have_names)
{
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        enum queue_state found = QUEUE_STATES;
        cr_expect(queue_state_find(slice_from(queue_state_name((enum queue_state)i)), &found));
        cr_expect_eq(found, i);
    }
    cr_expect_not(queue_state_find(SLICE("under_way"), &(enum queue_state){0}));
}
