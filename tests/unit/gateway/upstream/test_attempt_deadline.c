/* Deadlines of an attempt, and its end at any moment. */
#include "tests/unit/gateway/upstream/fixture.h"

static void say_hello(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
    }
}

/* ---- deadlines ---- */

static void hang(struct peer_connection *connection)
{
    char byte;
    if (peer_head(connection)) {
        if (atomic_load(&connection->peer->bytes) == 1) {
            (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        }
        while (peer_read(connection, &byte, 1) > 0) {
        }
    }
}

Test(attempt_deadline, no_answer_is_a_timeout)
{
    set_up(hang, false);
    call.request.timeouts.first_byte = 50 * MSEC;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_TIMEOUT_FIRST_BYTE);
    cr_assert(call.failure.sent);
    tear_down();
}

Test(attempt_deadline, an_answer_that_stops_is_a_timeout)
{
    set_up(hang, false);
    atomic_store(&peer.bytes, 1);
    call.request.timeouts.idle = 50 * MSEC;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_TIMEOUT_IDLE);
    cr_assert_eq(call.body_len, 3);
    tear_down();
}

Test(attempt_deadline, time_in_which_nobody_reads_does_not_count)
{
    set_up(say_hello, false);
    call.request.timeouts.idle = 50 * MSEC;
    call_start(&call);
    cr_assert(call_await_head(&call));
    cr_assert(call_read(&call, 1));
    rig_pass(&rig, 150 * MSEC);
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

Test(attempt_deadline, asking_again_gives_no_more_time)
{
    struct slice data;
    enum attempt_result result;
    set_up(hang, false);
    atomic_store(&peer.bytes, 1);
    call.request.timeouts.idle = 100 * MSEC;
    call_start(&call);
    cr_assert(call_await_head(&call));
    cr_assert(call_read(&call, SIZE_MAX));
    usec_t start = clock_now();
    while ((result = attempt_read(call.attempt, &data)) == ATTEMPT_PENDING) {
        cr_assert_lt(clock_now() - start, 2 * SEC);
        rig_pass(&rig, 10 * MSEC);
    }
    cr_assert_eq(result, ATTEMPT_FAILED);
    cr_assert_eq(attempt_failure(call.attempt)->fault, ATTEMPT_TIMEOUT_IDLE);
    call_end(&call);
    tear_down();
}

static void say_hello_in_two(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        peer_sleep(200);
        (void)peer_say(connection, "lo");
        (void)peer_head(connection);
    }
}

Test(attempt_deadline, bytes_that_wait_for_a_reader_are_not_idleness)
{
    struct slice data;
    set_up(say_hello_in_two, false);
    call.request.timeouts.idle = 600 * MSEC;
    call_start(&call);
    cr_assert(call_await_head(&call));
    cr_assert(call_read(&call, SIZE_MAX));
    cr_assert_eq(attempt_read(call.attempt, &data), ATTEMPT_PENDING);
    rig_pass(&rig, 900 * MSEC); /* they have come, but its client takes nothing now */
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

static void take_nothing(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        while (atomic_load(&connection->peer->bytes) == 0) {
            peer_sleep(5);
        }
    }
}

Test(attempt_deadline, a_provider_that_takes_nothing_is_a_timeout)
{
    static char body[8 * 1024 * 1024];
    set_up(take_nothing, false);
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n", "");
    call.request.body = slice_make(body, sizeof(body));
    call.request.timeouts.idle = 100 * MSEC;
    call.request.timeouts.first_byte = 3 * SEC;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_TIMEOUT_IDLE);
    atomic_store(&peer.bytes, 1);
    tear_down();
}

/* ---- cancelling ---- */

enum moment { AT_ONCE, CONNECTING, SENT, IN_BODY, MOMENTS };

static void cancel_at(enum moment moment)
{
    call_start(&call);
    const struct http1_response *response;
    switch (moment) {
    case AT_ONCE:
        break;
    case CONNECTING:
        loop_turn(&rig.loop, LOOP_POLL);
        break;
    case SENT:
        cr_assert(rig_run(&rig, &call.woken, 5 * SEC));
        cr_assert_eq(attempt_head(call.attempt, &response), ATTEMPT_PENDING);
        break;
    case IN_BODY:
        cr_assert(call_await_head(&call));
        cr_assert(call_read(&call, 1));
        break;
    case MOMENTS:
        break;
    }
    usec_t before = clock_now();
    call_end(&call);
    cr_assert_lt(clock_now() - before, 100 * MSEC);
    call.woken = false;
    rig_pass(&rig, 20 * MSEC);
    cr_assert_not(call.woken);
    cr_assert_eq(upstream_side_counts(rig.side).open, 0);
    cr_assert_eq(upstream_side_counts(rig.side).connecting, 0);
}

static void cancel_anywhere(bool tls)
{
    set_up(hang, tls);
    atomic_store(&peer.bytes, 1);
    for (int moment = 0; moment < MOMENTS; moment++) {
        prepare(&call);
        cancel_at((enum moment)moment);
    }
    tear_down();
}

Test(attempt_deadline, can_be_cancelled_at_any_moment)
{
    cancel_anywhere(false);
}

Test(attempt_deadline, can_be_cancelled_at_any_moment_over_tls)
{
    cancel_anywhere(true);
}
