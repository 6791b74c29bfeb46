/* Whole calls, over real sockets. */
#include "gateway/upstream/fetch.h"
#include "tests/unit/gateway/upstream/fixture.h"

/* What came of one. */
struct fetched {
    bool done;
    unsigned times;
    enum attempt_fault fault;
    bool sent;
    char message[200];
    unsigned status;
    char type[64];
    char body[256];
    bool cut;
};

static struct fetched fetched;

static void on_done(void *ctx, const struct fetch_result *result)
{
    struct fetched *to = ctx;
    *to = (struct fetched){.done = true, .times = to->times + 1};
    to->fault = result->fault;
    to->sent = result->sent;
    to->status = result->status;
    to->cut = result->cut;
    (void)snprintf(to->message, sizeof(to->message), "%s", result->message);
    (void)snprintf(to->body, sizeof(to->body), "%.*s", SLICE_ARG(result->body));
    const struct http1_field *type =
        http1_find_field(result->fields, result->field_count, SLICE("Content-Type"));
    if (type != NULL) {
        (void)snprintf(to->type, sizeof(to->type), "%.*s", SLICE_ARG(type->value));
    }
    cr_assert_geq(result->took, 0);
}

static struct fetch_request a_get(void)
{
    return (struct fetch_request){
        .loop = &rig.loop,
        .upstreams = rig.side,
        .origin = &call.origin,
        .egress = &rig.egress,
        .connect_timeout = 5 * SEC,
        .timeout = 5 * SEC,
        .method = HTTP1_GET,
        .head = SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        .answer_bytes = 100,
    };
}

static void run(const struct fetch_request *request)
{
    fetched = (struct fetched){0};
    rig.loop.now = clock_now();
    (void)fetch_start(request, &fetched, on_done);
    cr_assert_not(fetched.done, "not within the call");
    cr_assert(rig_run(&rig, &fetched.done, 10 * SEC), "nothing happens");
    cr_assert_eq(fetched.times, 1);
}

#define ASSERT_FETCHED(expected_status, expected_body)                                             \
    do {                                                                                           \
        cr_assert_eq(fetched.fault, ATTEMPT_OK, "failed: %s", fetched.message);                    \
        cr_assert_eq(fetched.status, (expected_status));                                           \
        cr_assert_str_eq(fetched.body, (expected_body));                                           \
    } while (0)

/* ---- answers ---- */

static void say_hello(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 5\r\n\r\nhel");
        peer_sleep(20);
        (void)peer_say(connection, "lo");
    }
}

Test(fetch, gathers_the_answer_and_keeps_the_connection)
{
    set_up(say_hello, false);
    struct fetch_request request = a_get();
    run(&request);
    ASSERT_FETCHED(200, "hello");
    cr_assert_str_eq(fetched.type, "text/plain");
    cr_assert_not(fetched.cut);
    run(&request);
    ASSERT_FETCHED(200, "hello");
    cr_assert_eq(atomic_load(&peer.connections), 1);
    tear_down();
}

static void echo_six_bytes(struct peer_connection *connection)
{
    char body[6];
    while (peer_head(connection) && peer_body(connection, body, sizeof(body))) {
        (void)peer_say(connection, "HTTP/1.1 503 Busy\r\nContent-Length: 6\r\n\r\n");
        (void)peer_write(connection, body, sizeof(body));
    }
}

Test(fetch, sends_a_body_and_takes_any_status_for_an_answer)
{
    set_up(echo_six_bytes, true);
    struct fetch_request request = a_get();
    request.method = HTTP1_POST;
    request.head = SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n");
    request.body = SLICE("\0event");
    run(&request);
    cr_assert_eq(fetched.fault, ATTEMPT_OK, "failed: %s", fetched.message);
    cr_assert_eq(fetched.status, 503);
    cr_assert_str_eq(fetched.body, "", "begins with NUL");
    tear_down();
}

static void answer_long(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123456");
    }
}

Test(fetch, cuts_an_answer_that_is_too_long)
{
    static const struct {
        size_t most;
        const char *body;
        bool cut;
    } CASES[] = {{7, "123456", false}, {6, "123456", false}, {5, "12345", true}, {0, "", true}};
    set_up(answer_long, false);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fetch_request request = a_get();
        request.answer_bytes = CASES[i].most;
        run(&request);
        ASSERT_FETCHED(200, CASES[i].body);
        cr_assert_eq(fetched.cut, CASES[i].cut, "case %zu", i);
    }
    tear_down();
}

/* ---- failures ---- */

static void break_off(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    }
}

Test(fetch, says_that_an_answer_is_not_whole)
{
    set_up(break_off, false);
    struct fetch_request request = a_get();
    run(&request);
    cr_assert_eq(fetched.fault, ATTEMPT_BROKEN_OFF);
    cr_assert_eq(fetched.status, 200);
    cr_assert(fetched.sent);
    cr_assert_str_eq(fetched.message, "127.0.0.1 closed the connection inside the answer's body");
    tear_down();
}

Test(fetch, says_that_nobody_is_there)
{
    set_up(break_off, false);
    struct fetch_request request = a_get();
    struct peer other = {0};
    peer_start(&other, break_off, NULL);
    unsigned port = other.port;
    peer_stop(&other);
    call_prepare(&call, &rig, "127.0.0.1", port, NULL);
    run(&request);
    cr_assert_eq(fetched.fault, ATTEMPT_UNREACHABLE);
    cr_assert_eq(fetched.status, 0);
    cr_assert_not(fetched.sent);
    tear_down();
}

Test(fetch, asks_whether_the_address_is_allowed)
{
    set_up(break_off, false);
    struct fetch_request request = a_get();
    struct egress_policy none = {0};
    request.egress = &none;
    run(&request);
    cr_assert_eq(fetched.fault, ATTEMPT_EGRESS_REFUSED);
    tear_down();
}

/* ---- time ---- */

/* Says nothing, a head, or a byte now and then, as peer.bytes wants it. */
static void hang(struct peer_connection *connection)
{
    unsigned long long form = atomic_load(&connection->peer->bytes);
    char byte;
    if (!peer_head(connection)) {
        return;
    }
    if (form > 0) {
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    }
    while (form == 2 && peer_say(connection, "x")) {
        peer_sleep(10);
    }
    while (peer_read(connection, &byte, 1) > 0) {
    }
}

Test(fetch, the_whole_has_a_time_however_slowly_it_drips)
{
    static const struct {
        enum attempt_fault fault;
        unsigned status;
        const char *message;
    } FORMS[] = {
        {ATTEMPT_TIMEOUT_FIRST_BYTE, 0, "no answer from 127.0.0.1 within 100 ms"},
        {ATTEMPT_TIMEOUT_IDLE, 200, "no whole answer from 127.0.0.1 within 100 ms"},
        {ATTEMPT_TIMEOUT_IDLE, 200, "no whole answer from 127.0.0.1 within 100 ms"},
    };
    set_up(hang, false);
    for (unsigned form = 0; form < 3; form++) {
        atomic_store(&peer.bytes, form);
        struct fetch_request request = a_get();
        request.timeout = 100 * MSEC;
        request.answer_bytes = 5000;
        run(&request);
        cr_assert_eq(fetched.fault, FORMS[form].fault, "form %u", form);
        cr_assert_eq(fetched.status, FORMS[form].status);
        cr_assert_str_eq(fetched.message, FORMS[form].message);
        cr_assert(fetched.sent);
    }
    tear_down();
}

Test(fetch, can_be_cancelled_at_any_moment)
{
    set_up(hang, false);
    atomic_store(&peer.bytes, 1);
    for (unsigned turns = 0; turns < 4; turns++) {
        struct fetch_request request = a_get();
        fetched = (struct fetched){0};
        rig.loop.now = clock_now();
        struct fetch *fetch = fetch_start(&request, &fetched, on_done);
        for (unsigned i = 0; i < turns; i++) {
            rig_pass(&rig, 10 * MSEC);
        }
        fetch_cancel(fetch);
        rig_pass(&rig, 20 * MSEC);
        cr_assert_not(fetched.done);
        cr_assert_eq(upstream_side_counts(rig.side).open, 0);
    }
    fetch_cancel(NULL);
    tear_down();
}
