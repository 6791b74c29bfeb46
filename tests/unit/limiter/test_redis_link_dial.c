/* redis_link_dial: which of a name's addresses is connected to, and for how long each is tried. */
#include "base/clock.h"
#include "limiter/redis_link.h"
#include "limiter/redis_link_dial.h"
#include "tests/unit/limiter/name_server.h"

static struct event_base *base;
static struct timer_queue timers;
static struct name_server names;
static struct redis_dial dial;
static struct redis_address address;
static usec_t clock_at = 1000 * SEC;
static int listener;
static int fillers[4];
static unsigned dones;
static int connected;
static char why[256];

static usec_t now(void)
{
    return clock_at;
}

static void on_done(void *ctx, int fd, const char *text)
{
    (void)ctx;
    dones++;
    connected = fd;
    (void)snprintf(why, sizeof(why), "%s", text == NULL ? "" : text);
}

/* On 127.0.0.LAST; `port` 0: a free one, which is put there. */
static int listen_on(const char *host, unsigned *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(inet_pton(AF_INET, host, &at.sin_addr), 1);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, len), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    for (unsigned i = 0; backlog == 0 && i < 4; i++) { /* until its queue is full */
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&at, len);
    }
    return fd;
}

static void set_up(void)
{
    base = event_base_new();
    connected = -1;
    name_server_start(&names, base);
    address.host = "redis.internal";
    listener = listen_on("127.0.0.1", &address.port, 8);
    redis_dial_init(&dial, &(struct redis_dial_settings){
                               .base = base,
                               .timers = &timers,
                               .now = now,
                               .address = &address,
                               .name_server = names.address,
                               .done = on_done,
                           });
}

static void tear_down(void)
{
    redis_dial_fini(&dial);
    if (connected >= 0) {
        (void)close(connected);
    }
    (void)close(listener);
    name_server_stop(&names);
    event_base_free(base);
    timer_queue_fini(&timers);
}

TestSuite(redis_link_dial, .init = set_up, .fini = tear_down, .timeout = 30);

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        (void)timer_queue_run(&timers, clock_at, 100);
    }
}

static void start(void)
{
    redis_dial_start(&dial, 1 * SEC);
    cr_assert_eq(dones, 0);
    turns(10);
}

static void expect_connected_to(const char *host)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    char text[64];
    cr_assert_eq(dones, 1, "%s", why);
    cr_assert_geq(connected, 0, "%s", why);
    cr_assert_eq(getpeername(connected, (struct sockaddr *)&at, &len), 0);
    cr_assert_str_eq(inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text)), host);
}

Test(redis_link_dial, a_name_is_resolved_and_connected_to)
{
    names.v4 = (struct name_answer){.addresses = {"127.0.0.1"}};
    start();
    expect_connected_to("127.0.0.1");
    int value = 0;
    socklen_t len = sizeof(value);
    cr_assert_eq(getsockopt(connected, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    cr_assert_eq(value, 1, "a peer that vanished is never noticed");
}

Test(redis_link_dial, a_refused_address_leads_to_the_next)
{
    names.v4 = (struct name_answer){.addresses = {"127.0.0.2", "127.0.0.3", "127.0.0.1"}};
    start();
    expect_connected_to("127.0.0.1");
}

Test(redis_link_dial, an_address_without_a_route_leads_to_the_next)
{
    names.v4 = (struct name_answer){.addresses = {"255.255.255.255", "127.0.0.1"}};
    start();
    expect_connected_to("127.0.0.1");
}

Test(redis_link_dial, all_refused_is_said)
{
    names.v4 = (struct name_answer){.addresses = {"127.0.0.2", "127.0.0.3"}};
    start();
    cr_assert_eq(dones, 1);
    cr_assert(strstr(why, "connection refused") != NULL, "%s", why);
}

Test(redis_link_dial, an_address_that_hangs_leaves_time_for_the_next)
{
    int hanging = listen_on("127.0.0.2", &address.port, 0);
    names.v4 = (struct name_answer){.addresses = {"127.0.0.2", "127.0.0.1"}};
    start();
    clock_at += 500 * MSEC - 1;
    turns(3);
    cr_assert_eq(dones, 0);
    clock_at += 1;
    turns(3);
    expect_connected_to("127.0.0.1");
    (void)close(hanging);
    for (unsigned i = 0; i < 4; i++) {
        (void)close(fillers[i]);
    }
}

Test(redis_link_dial, a_family_without_an_answer_is_not_waited_for)
{
    names.v4 = (struct name_answer){.addresses = {"127.0.0.1"}};
    names.v6.code = NAME_SILENT;
    start();
    cr_assert_eq(dones, 0);
    clock_at += 50 * MSEC;
    turns(5);
    expect_connected_to("127.0.0.1");
}

Test(redis_link_dial, an_unknown_name_is_said_at_once)
{
    names.v4.code = NAME_UNKNOWN;
    names.v6.code = NAME_UNKNOWN;
    start();
    cr_assert_eq(dones, 1);
    cr_assert_str_eq(why, "cannot resolve \"redis.internal\": there is no such name");
}

Test(redis_link_dial, silent_name_servers_are_said_at_the_deadline)
{
    names.v4.code = NAME_SILENT;
    names.v6.code = NAME_SILENT;
    start();
    clock_at += 1 * SEC - 1;
    turns(3);
    cr_assert_eq(dones, 0);
    clock_at += 1;
    turns(3);
    cr_assert_eq(dones, 1);
    cr_assert(strstr(why, "within 1000 ms") != NULL, "%s", why);
    cr_assert(strstr(why, "/etc/resolv.conf") != NULL, "%s", why);
}

Test(redis_link_dial, what_is_no_name_is_said_from_the_loop)
{
    static char name[300];
    memset(name, 'a', sizeof(name) - 1);
    address.host = name;
    start();
    cr_assert_eq(dones, 1);
    cr_assert(strstr(why, "no valid name") != NULL, "%s", why);
}

Test(redis_link_dial, may_be_cancelled_at_any_time_and_started_again)
{
    names.v4 = (struct name_answer){.addresses = {"127.0.0.2", "127.0.0.1"}};
    for (unsigned count = 0; count < 8; count++) {
        redis_dial_start(&dial, 1 * SEC);
        turns(count);
        if (dones == 0) {
            redis_dial_cancel(&dial);
            continue;
        }
        (void)close(connected);
        dones = 0;
    }
    start();
    expect_connected_to("127.0.0.1");
}
