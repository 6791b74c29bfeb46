#include "tests/unit/gateway/upstream/fixture.h"

/* ---- scripts ---- */

/* Answers every request on the connection. */
static void say_hello(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
    }
}

/* Gives back the body of "Content-Length: 6". */
static void echo_six_bytes(struct peer_connection *connection)
{
    char body[6];
    while (peer_head(connection) && peer_body(connection, body, sizeof(body))) {
        (void)peer_say(connection, "HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\n");
        (void)peer_write(connection, body, sizeof(body));
    }
}

/* Expects the very bytes of a chunked body, and answers in chunks with a trailer. */
static void chunks_both_ways(struct peer_connection *connection)
{
    static const char expected[] = "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n";
    char body[sizeof(expected) - 1];
    while (peer_head(connection) && peer_body(connection, body, sizeof(body))) {
        if (memcmp(body, expected, sizeof(body)) != 0) {
            atomic_store(&connection->peer->failed, true);
        }
        (void)peer_say(connection,
                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n");
        peer_sleep(20);
        (void)peer_say(connection, "abc\r\n2\r\nde\r\n0\r\nSum: 5\r\n\r\n");
    }
}

static void answer_without_body(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        bool head = memcmp(connection->head, "HEAD", 4) == 0;
        (void)peer_say(connection, head ? "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
                                        : "HTTP/1.1 204 No Content\r\n\r\n");
    }
}

static void answer_with_hints(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 100 Continue\r\n\r\n"
                                   "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        peer_sleep(20);
        (void)peer_say(connection, HELLO);
    }
}

static void answer_until_close(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.0 200 OK\r\n\r\nall ");
        peer_sleep(20);
        (void)peer_say(connection, "of it");
    }
}

/* Byte by byte. */
static void say_hello_slowly(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        for (const char *at = HELLO; *at != '\0'; at++) {
            (void)peer_write(connection, at, 1);
            peer_sleep(1);
        }
    }
}

/* Refuses after the head, and reads on for a while. */
static void refuse_early(struct peer_connection *connection)
{
    char rest[1024];
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
        while (peer_read(connection, rest, sizeof(rest)) > 0) {
        }
    }
}

enum { FLOOD_BYTES = 100 * 1000 * 1000 };

static void flood(struct peer_connection *connection)
{
    static const char block[50 * 1000];
    if (peer_head(connection) &&
        peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")) {
        for (size_t sent = 0; sent < FLOOD_BYTES; sent += sizeof(block)) {
            if (!peer_write(connection, block, sizeof(block))) {
                return;
            }
            atomic_fetch_add(&connection->peer->bytes, sizeof(block));
        }
    }
}

enum { UPLOAD_BYTES = 12 * 1000 * 1000 };

static atomic_bool sender_blocked; /* some was sent, and no more is taken */

/* Counts what comes, and checks that byte i is i % 251. */
static void take_upload(struct peer_connection *connection)
{
    char *body = memory_resize(NULL, UPLOAD_BYTES);
    while (peer_head(connection)) {
        for (unsigned i = 0; i < 100 && !atomic_load(&sender_blocked); i++) {
            peer_sleep(50);
        }
        if (peer_body(connection, body, UPLOAD_BYTES)) {
            for (size_t i = 0; i < UPLOAD_BYTES; i++) {
                if ((unsigned char)body[i] != i % 251) {
                    atomic_store(&connection->peer->failed, true);
                }
            }
            (void)peer_say(connection, HELLO);
        }
    }
    memory_free(body);
}

/* ---- tests: each runs over plain TCP and over TLS ---- */

#define BOTH(name, script)                                                                         \
    static void name(void);                                                                        \
    Test(attempt, name##_over_plain_tcp)                                                           \
    {                                                                                              \
        set_up(script, false);                                                                     \
        name();                                                                                    \
        tear_down();                                                                               \
    }                                                                                              \
    Test(attempt, name##_over_tls)                                                                 \
    {                                                                                              \
        set_up(script, true);                                                                      \
        name();                                                                                    \
        tear_down();                                                                               \
    }                                                                                              \
    static void name(void)

BOTH(gives_head_and_body, say_hello)
{
    prepare(&call);
    call_start(&call);
    cr_assert_eq(upstream_side_counts(rig.side).connecting, 1);
    cr_assert(call_await_head(&call));
    const struct http1_response *response;
    cr_assert_eq(attempt_head(call.attempt, &response), ATTEMPT_READY);
    cr_assert_eq(response->field_count, 1);
    cr_assert(slice_equal(response->fields[0].value, SLICE("5")));
    cr_assert(slice_equal(response->reason, SLICE("OK")));
    while (call_read(&call, SIZE_MAX)) {
    }
    const struct attempt_facts *facts = attempt_facts(call.attempt);
    cr_assert_not(facts->reused);
    cr_assert_gt(facts->connected_at, 0);
    cr_assert_geq(facts->first_byte_at, facts->connected_at);
    cr_assert_eq(facts->sent_bytes, call.request.head.len);
    cr_assert_eq(facts->received_bytes, strlen(HELLO));
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
}

BOTH(keeps_the_connection_and_uses_it_again, say_hello)
{
    for (int i = 0; i < 5; i++) {
        prepare(&call);
        call_perform(&call);
        ASSERT_ANSWER(call, 200, "hello");
        cr_assert_eq(upstream_side_counts(rig.side).idle, 1);
        rig_pass(&rig, 5 * MSEC); /* session tickets are no reason to close it */
    }
    cr_assert_eq(atomic_load(&peer.connections), 1);
    cr_assert_eq(atomic_load(&peer.requests), 5);
}

BOTH(sends_a_held_body, echo_six_bytes)
{
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n", "abcdef");
    call_perform(&call);
    ASSERT_ANSWER(call, 201, "abcdef");
}

BOTH(streams_chunks_both_ways, chunks_both_ways)
{
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                 "first");
    call.request.framing = HTTP1_CHUNKED;
    call.request.body_whole = false;
    call_start(&call);
    cr_assert_gt(attempt_room(call.attempt), 1000);
    attempt_write(call.attempt, SLICE("second"));
    attempt_write(call.attempt, SLICE(""));
    attempt_write_end(call.attempt);
    cr_assert(call_await_head(&call));
    while (call_read(&call, 2)) {
    }
    cr_assert(slice_equal(attempt_trailers(call.attempt), SLICE("Sum: 5\r\n")));
    call_end(&call);
    ASSERT_ANSWER(call, 200, "abcde");
    cr_assert_eq(upstream_side_counts(rig.side).idle, 1);
}

BOTH(knows_answers_without_a_body, answer_without_body)
{
    prepare(&call);
    call.request.method = HTTP1_HEAD;
    call.request.head = SLICE("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "");
    prepare(&call);
    call_perform(&call);
    ASSERT_ANSWER(call, 204, "");
    cr_assert_eq(atomic_load(&peer.connections), 1);
}

BOTH(gives_hints_and_swallows_100, answer_with_hints)
{
    prepare(&call);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    cr_assert_eq(call.interim, 103);
}

BOTH(reads_until_the_connection_closes, answer_until_close)
{
    prepare(&call);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "all of it");
    cr_assert_eq(upstream_side_counts(rig.side).open, 0);
}

BOTH(reads_an_answer_that_comes_byte_by_byte, say_hello_slowly)
{
    prepare(&call);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
}

BOTH(stops_sending_when_the_answer_comes_first, refuse_early)
{
    static char body[100 * 1000];
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", "");
    call.request.body = slice_make(body, sizeof(body));
    call.request.body_whole = false;
    call_start(&call);
    cr_assert(call_await_head(&call));
    cr_assert_eq(attempt_room(call.attempt), SIZE_MAX);
    attempt_write(call.attempt, SLICE("dropped"));
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 413, "no");
    cr_assert_eq(upstream_side_counts(rig.side).open, 0, "a connection with half a request on it");
}

BOTH(leaves_bytes_in_the_kernel_while_nobody_reads, flood)
{
    prepare(&call);
    call_start(&call);
    cr_assert(call_await_head(&call));
    cr_assert(call_read(&call, 1));
    unsigned long long sent;
    unsigned turns = 0;
    do { /* on a busy machine the peer takes its time to fill the kernel's buffers */
        sent = atomic_load(&peer.bytes);
        rig_pass(&rig, 300 * MSEC);
    } while ((atomic_load(&peer.bytes) != sent || sent == 0) && ++turns < 100);
    cr_assert_eq(atomic_load(&peer.bytes), sent, "it goes on reading");
    cr_assert_lt(sent, FLOOD_BYTES);
    cr_assert_lt(attempt_facts(call.attempt)->received_bytes, 200 * 1000);
    size_t total = 1;
    struct slice data;
    while (total < FLOOD_BYTES) { /* and all is still there */
        switch (attempt_read(call.attempt, &data)) {
        case ATTEMPT_READY:
            total += data.len;
            attempt_consume(call.attempt, data.len);
            break;
        case ATTEMPT_PENDING:
            call.woken = false;
            cr_assert(rig_run(&rig, &call.woken, 5 * SEC));
            break;
        case ATTEMPT_END:
        case ATTEMPT_FAILED:
            cr_assert_fail("ended after %zu bytes", total);
        }
    }
    cr_assert_eq(attempt_read(call.attempt, &data), ATTEMPT_END);
    call_end(&call);
}

static size_t write_some(struct attempt *attempt, size_t written)
{
    char piece[5000];
    size_t room = attempt_room(attempt);
    size_t len = room < sizeof(piece) ? room : sizeof(piece);
    len = len < UPLOAD_BYTES - written ? len : UPLOAD_BYTES - written;
    for (size_t i = 0; i < len; i++) {
        piece[i] = (char)((written + i) % 251);
    }
    attempt_write(attempt, slice_make(piece, len));
    return len;
}

/* Sends from another place of the stack than attempt_room() does: a record that was blocked may
 * move.
 */
static __attribute__((noinline)) enum attempt_result head_from_elsewhere(struct attempt *attempt)
{
    volatile char deeper[1000] = {0};
    const struct http1_response *response;
    enum attempt_result result = attempt_head(attempt, &response);
    return deeper[0] == 0 ? result : ATTEMPT_FAILED;
}

BOTH(streams_a_long_body_as_the_provider_takes_it, take_upload)
{
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12000000\r\n\r\n", "");
    call.request.body_whole = false;
    call_start(&call);
    const struct http1_response *response;
    size_t written = 0;
    while (written < UPLOAD_BYTES) {
        size_t len = write_some(call.attempt, written);
        written += len;
        if (len == 0) {
            call.woken = false;
            cr_assert_eq(attempt_head(call.attempt, &response), ATTEMPT_PENDING);
            if (attempt_facts(call.attempt)->sent_bytes > call.request.head.len) {
                atomic_store(&sender_blocked, true);
            }
            cr_assert(rig_run(&rig, &call.woken, 5 * SEC));
            cr_assert_eq(head_from_elsewhere(call.attempt), ATTEMPT_PENDING);
        }
    }
    attempt_write_end(call.attempt);
    cr_assert(atomic_load(&sender_blocked), "only the connect held it up: that proves too little");
    cr_assert(call_await_head(&call));
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
    cr_assert_eq(upstream_side_counts(rig.side).idle, 1);
}

/* A held body that is larger than the socket takes at once. */
BOTH(sends_a_long_held_body, take_upload)
{
    char *body = memory_resize(NULL, UPLOAD_BYTES);
    for (size_t i = 0; i < UPLOAD_BYTES; i++) {
        body[i] = (char)(i % 251);
    }
    prepare_post(&call, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12000000\r\n\r\n", "");
    call.request.body = slice_make(body, UPLOAD_BYTES);
    call_start(&call);
    rig_pass(&rig, 300 * MSEC);
    cr_assert_lt(attempt_facts(call.attempt)->sent_bytes, UPLOAD_BYTES);
    atomic_store(&sender_blocked, true); /* the peer reads from here on */
    cr_assert(call_await_head(&call));
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
    memory_free(body);
}

static void say_hello_and_leave_soon(struct peer_connection *connection)
{
    static const char *const fields[] = {"Keep-Alive: timeout=1\r\n", "Keep-Alive: max=9\r\n",
                                         "Keep-Alive: timeout=5, max=9\r\n",
                                         "Connection: close\r\n"};
    while (peer_head(connection)) {
        unsigned i = (unsigned)atomic_load(&connection->peer->bytes);
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        (void)peer_say(connection, fields[i]);
        (void)peer_say(connection, "\r\n");
    }
}

Test(attempt, keeps_a_connection_only_as_long_as_the_provider_says)
{
    static const unsigned kept[] = {0, 1, 1, 0};
    set_up(say_hello_and_leave_soon, false);
    for (unsigned i = 0; i < 4; i++) {
        atomic_store(&peer.bytes, i);
        prepare(&call);
        call_perform(&call);
        ASSERT_ANSWER(call, 200, "");
        cr_expect_eq(upstream_side_counts(rig.side).idle, kept[i], "case %u", i);
        upstream_side_close_idle(rig.side);
    }
    tear_down();
}

BOTH(keeps_nothing_that_was_opened_before_a_reload, say_hello)
{
    prepare(&call);
    call_start(&call);
    cr_assert(call_await_head(&call));
    upstream_side_close_idle(rig.side);
    while (call_read(&call, SIZE_MAX)) {
    }
    call_end(&call);
    ASSERT_ANSWER(call, 200, "hello");
    cr_assert_eq(upstream_side_counts(rig.side).open, 0);
}

/* Two that read in turns share the worker's scratch. */
BOTH(keeps_unread_bytes_when_another_reads, say_hello)
{
    static struct call other;
    peer.at_once = true;
    prepare(&call);
    call_start(&call);
    cr_assert(call_await_head(&call)); /* its body came with the head */
    prepare(&other);
    call_start(&other);
    cr_assert(call_await_head(&other));
    cr_assert(call_read(&call, 2));
    cr_assert(call_read(&other, 1));
    while (call_read(&call, 1)) {
        cr_assert(call_read(&other, 1));
    }
    while (call_read(&other, 1)) {
    }
    call_end(&call);
    call_end(&other);
    ASSERT_ANSWER(call, 200, "hello");
    ASSERT_ANSWER(other, 200, "hello");
}
