/* What goes wrong between request and answer: and above all, that nothing is executed twice. */
#include "tests/unit/gateway/upstream/fixture.h"

static void prepare_payment(void)
{
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", "pay");
}

/* ---- kept connections that die ---- */

/* The first connection dies with its second request, which was read whole. */
static void die_with_the_second(struct peer_connection *connection)
{
    char body[3];
    for (unsigned i = 0; peer_head(connection); i++) {
        if (memcmp(connection->head, "POST", 4) == 0 &&
            !peer_body(connection, body, sizeof(body))) {
            return;
        }
        if (connection->index == 0 && i == 1) {
            return;
        }
        (void)peer_say(connection, HELLO);
    }
}

static void get_is_repeated(bool tls)
{
    set_up(die_with_the_second, tls);
    call_perform(&call);
    prepare(&call);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    cr_assert_eq(atomic_load(&peer.connections), 2);
    cr_assert_eq(atomic_load(&peer.requests), 3);
    tear_down();
}

Test(attempt_loss, a_get_is_sent_again_on_a_fresh_connection)
{
    get_is_repeated(false);
}

Test(attempt_loss, a_get_is_sent_again_over_tls)
{
    get_is_repeated(true);
}

static void post_is_not_repeated(bool tls)
{
    set_up(die_with_the_second, tls);
    call_perform(&call);
    prepare_payment();
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(call.failure.sent);
    cr_assert_eq(atomic_load(&peer.connections), 1);
    cr_assert_eq(atomic_load(&peer.requests), 2, "a payment was made %u times",
                 atomic_load(&peer.requests) - 1);
    tear_down();
}

Test(attempt_loss, a_post_that_may_have_been_executed_is_never_sent_again)
{
    post_is_not_repeated(false);
}

Test(attempt_loss, a_post_that_may_have_been_executed_is_never_sent_again_over_tls)
{
    post_is_not_repeated(true);
}

/* Every connection dies with its second request; the kept one is the last of them. */
static void die_always(struct peer_connection *connection)
{
    if (peer_head(connection) && connection->index == 0) {
        (void)peer_say(connection, HELLO);
        (void)peer_head(connection);
    }
}

Test(attempt_loss, a_get_is_sent_again_only_once)
{
    set_up(die_always, false);
    call_perform(&call);
    prepare(&call);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert_eq(atomic_load(&peer.connections), 2);
    cr_assert_eq(atomic_load(&peer.requests), 3);
    tear_down();
}

Test(attempt_loss, nothing_is_sent_again_on_a_fresh_connection)
{
    set_up(die_always, false);
    (void)atomic_fetch_add(&peer.connections, 1); /* so that the first one dies, too */
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert_eq(atomic_load(&peer.requests), 1);
    tear_down();
}

static void close_after_one(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
    }
}

static void idle_close_is_noticed(bool tls)
{
    set_up(close_after_one, tls);
    call_perform(&call);
    rig_pass(&rig, 50 * MSEC);
    cr_assert_eq(upstream_side_counts(rig.side).open, 0);
    prepare_payment();
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

Test(attempt_loss, an_idle_connection_that_the_provider_ends_is_closed)
{
    idle_close_is_noticed(false);
}

Test(attempt_loss, an_idle_connection_that_the_provider_ends_is_closed_over_tls)
{
    idle_close_is_noticed(true);
}

/* It closed, but the loop has not seen it: nothing leaves, or it is a reset. A POST that was not
 * read by anyone may fail, but must not hang. */
static void reset_after_one(struct peer_connection *connection)
{
    if (connection->index == 0 && peer_head(connection)) {
        struct linger linger = {.l_onoff = 1};
        (void)peer_say(connection, HELLO);
        peer_sleep(30);
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    } else if (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
    }
}

Test(attempt_loss, a_post_of_which_no_byte_left_is_sent_on_a_fresh_connection)
{
    set_up(reset_after_one, false);
    call_perform(&call);
    peer_sleep(100); /* the reset is there; the loop does not turn */
    prepare_payment();
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    cr_assert_eq(atomic_load(&peer.connections), 2);
    tear_down();
}

/* ---- answers that are not right ---- */

struct answer_case {
    const char *answer; /* then the connection is closed */
    enum attempt_fault fault;
};

static const struct answer_case answer_cases[] = {
    {"", ATTEMPT_UNREACHABLE},
    {"HTTP/1.1 20", ATTEMPT_BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ATTEMPT_BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ATTEMPT_BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
     ATTEMPT_BROKEN_OFF},
    {"HTTP/1.1 100 Continue\r\n\r\n", ATTEMPT_BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ATTEMPT_INVALID},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", ATTEMPT_INVALID},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ATTEMPT_INVALID},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", ATTEMPT_INVALID},
    {"SSH-2.0-OpenSSH_9.2\r\n", ATTEMPT_INVALID},
};

static void play_case(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, answer_cases[atomic_load(&connection->peer->bytes)].answer);
    }
}

static void judge_answers(bool tls)
{
    set_up(play_case, tls);
    for (size_t i = 0; i < sizeof(answer_cases) / sizeof(answer_cases[0]); i++) {
        atomic_store(&peer.bytes, i);
        prepare(&call);
        call_perform(&call);
        cr_expect_eq(call.result, ATTEMPT_FAILED, "case %zu", i);
        cr_expect_eq(call.failure.fault, answer_cases[i].fault, "case %zu: %s", i,
                     call.failure.message);
        cr_expect_eq(upstream_side_counts(rig.side).open, 0, "case %zu", i);
    }
    tear_down();
}

Test(attempt_loss, broken_and_invalid_answers_are_told_apart)
{
    judge_answers(false);
}

Test(attempt_loss, broken_and_invalid_answers_are_told_apart_over_tls)
{
    judge_answers(true);
}

static void say_too_much_head(struct peer_connection *connection)
{
    bool by_count = atomic_load(&connection->peer->bytes) != 0;
    if (!peer_head(connection) || !peer_say(connection, "HTTP/1.1 200 OK\r\n")) {
        return;
    }
    for (int i = 0; i < (by_count ? 300 : 70); i++) {
        char value[1001];
        memset(value, 'v', sizeof(value));
        value[by_count ? 1 : 1000] = '\0';
        if (!peer_say(connection, "X-Field: ") || !peer_say(connection, value) ||
            !peer_say(connection, "\r\n")) {
            return;
        }
    }
    (void)peer_say(connection, "Content-Length: 0\r\n\r\n");
    (void)peer_head(connection);
}

Test(attempt_loss, heads_beyond_the_limits_are_invalid)
{
    set_up(say_too_much_head, false);
    for (unsigned by_count = 0; by_count < 2; by_count++) {
        atomic_store(&peer.bytes, by_count);
        prepare(&call);
        call_perform(&call);
        ASSERT_FAULT(call, ATTEMPT_INVALID);
    }
    tear_down();
}

static void say_100_for_ever(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        while (peer_say(connection, "HTTP/1.1 100 Continue\r\n\r\n")) {
        }
    }
}

Test(attempt_loss, interim_answers_without_end_are_invalid)
{
    set_up(say_100_for_ever, false);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_INVALID);
    tear_down();
}

/* An answer that nobody asked for must not become that of the next request. */
static void say_it_twice(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, HELLO "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        peer_sleep(20);
    }
}

static void say_it_twice_later(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
        peer_sleep(20);
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    }
}

static void extra_answer_is_dropped(void (*script)(struct peer_connection *connection), bool tls)
{
    set_up(script, tls);
    for (int i = 0; i < 3; i++) {
        prepare(&call);
        call_perform(&call);
        ASSERT_ANSWER(call, 200, "hello");
        rig_pass(&rig, 50 * MSEC);
        cr_assert_eq(upstream_side_counts(rig.side).open, 0);
    }
    cr_assert_eq(atomic_load(&peer.connections), 3);
    tear_down();
}

Test(attempt_loss, a_connection_with_more_than_the_answer_is_not_kept)
{
    extra_answer_is_dropped(say_it_twice, false);
}

Test(attempt_loss, a_connection_with_more_than_the_answer_is_not_kept_over_tls)
{
    extra_answer_is_dropped(say_it_twice, true);
}

Test(attempt_loss, a_kept_connection_that_speaks_is_closed)
{
    extra_answer_is_dropped(say_it_twice_later, false);
}

Test(attempt_loss, a_kept_connection_that_speaks_is_closed_over_tls)
{
    extra_answer_is_dropped(say_it_twice_later, true);
}

/* Without close_notify anyone on the way could have cut it. */
static void cut_tls(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.0 200 OK\r\n\r\nhalf of");
        SSL_set_quiet_shutdown(connection->ssl, 1);
    }
}

Test(attempt_loss, a_cut_tls_connection_does_not_end_an_answer)
{
    set_up(cut_tls, true);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_BROKEN_OFF);
    tear_down();
}
