#include "gateway/admin/access.h"
#include "gateway/admin/endpoints.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include <criterion/criterion.h>

static const char full_token[] = "full-token";
static const char read_token[] = "read-token";

struct seen {
    unsigned looked; /* at a token */
    unsigned refused;
    unsigned changed;
};

static enum admin_right right_of(void *ctx, struct slice token)
{
    ((struct seen *)ctx)->looked++;
    return slice_equal(token, slice_from(full_token))   ? ADMIN_ALL
           : slice_equal(token, slice_from(read_token)) ? ADMIN_READS
                                                        : ADMIN_NOTHING;
}

static void note_refused(void *ctx, const char *peer, const char *path)
{
    (void)peer;
    (void)path;
    ((struct seen *)ctx)->refused++;
}

static void say_metrics(void *ctx, struct buffer *out)
{
    (void)ctx;
    cr_assert_eq(buffer_append(out, SLICE("up 1\n")), STATUS_OK);
}

static bool say_ready(void *ctx, struct buffer *out)
{
    (void)ctx;
    (void)out;
    return true;
}

static enum status say_page(void *ctx, enum admin_page page, struct buffer *out, struct error *err)
{
    (void)ctx;
    (void)err;
    return buffer_print(out, "%d", (int)page);
}

static enum admin_reload say_reload(void *ctx, const char *peer, struct buffer *out)
{
    (void)peer;
    (void)out;
    ((struct seen *)ctx)->changed++;
    return ADMIN_RELOADED;
}

static const struct admin_ops ops = {.right = right_of,
                                     .refused = note_refused,
                                     .metrics = say_metrics,
                                     .ready = say_ready,
                                     .page = say_page,
                                     .reload = say_reload};
static const struct admin_hosts hosts = {0};

struct scene {
    struct seen seen;
    struct access_failures failures;
    usec_t now;
};

static struct scene scene; /* each test is a process of its own */

static void begin(void)
{
    scene.now = 1000 * SEC;
}

static unsigned ask(enum admin_method method, const char *path, const char *query, bool local,
                    const char *authorization)
{
    const struct admin_request request = {.method = method,
                                          .path = path,
                                          .query = query,
                                          .host = "10.0.0.7",
                                          .authorization = authorization,
                                          .peer = local ? "127.0.0.1" : "10.9.9.9",
                                          .local = local,
                                          .now = scene.now,
                                          .failures = &scene.failures};
    struct admin_answer answer;
    endpoints_answer(&request, &hosts, &ops, &scene.seen, &answer);
    buffer_fini(&answer.body);
    return answer.status;
}

TestSuite(access, .init = begin);

Test(access, who_may_do_what)
{
    static const struct {
        enum admin_method method;
        const char *path, *query;
        bool local;
        const char *authorization;
        unsigned status;
    } cases[] = {
        /* Open to all: what load balancers ask, and the page without its data. */
        {ADMIN_GET, "/livez", NULL, false, NULL, 200},
        {ADMIN_GET, "/readyz", NULL, false, NULL, 200},
        {ADMIN_GET, "/", NULL, false, NULL, 200},
        /* Reading. */
        {ADMIN_GET, "/readyz", "verbose", false, NULL, 401},
        {ADMIN_GET, "/readyz", "verbose", false, "Bearer read-token", 200},
        {ADMIN_GET, "/readyz", "verbose", true, NULL, 200},
        {ADMIN_GET, "/metrics", NULL, true, NULL, 200},
        {ADMIN_GET, "/metrics", NULL, false, NULL, 401},
        {ADMIN_HEAD, "/metrics", NULL, false, NULL, 401},
        {ADMIN_GET, "/metrics", NULL, false, "Bearer wrong", 401},
        {ADMIN_GET, "/metrics", NULL, false, "Basic read-token", 401},
        {ADMIN_GET, "/metrics", NULL, false, "Bearer read-token", 200},
        {ADMIN_GET, "/metrics", NULL, false, "bearer full-token", 200},
        {ADMIN_GET, "/api/v1/status", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/config", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/routes", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/tenants", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/live", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/quotas", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/breakers", NULL, false, NULL, 401},
        {ADMIN_GET, "/api/v1/config", NULL, false, "Bearer read-token", 200},
        /* Changing. */
        {ADMIN_POST, "/api/v1/reload", NULL, true, NULL, 401},
        {ADMIN_POST, "/api/v1/reload", NULL, true, "Bearer wrong", 401},
        {ADMIN_POST, "/api/v1/reload", NULL, true, "Bearer read-token", 403},
        {ADMIN_POST, "/api/v1/reload", NULL, false, "Bearer read-token", 403},
        {ADMIN_POST, "/api/v1/reload", NULL, false, "Bearer full-token", 200},
        {ADMIN_POST, "/api/v1/reload", NULL, true, "Bearer full-token", 200},
        {ADMIN_GET, "/api/v1/reload", NULL, true, "Bearer full-token", 405},
        {ADMIN_POST, "/api/v1/quotas/reset", "quota=a", true, NULL, 401},
        {ADMIN_POST, "/api/v1/quotas/raise", "quota=a&by=1", true, "Bearer read-token", 403},
        {ADMIN_POST, "/api/v1/breakers/reset", NULL, true, NULL, 401},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned status = ask(cases[i].method, cases[i].path, cases[i].query, cases[i].local,
                              cases[i].authorization);
        cr_expect_eq(status, cases[i].status, "%zu: %s: %u", i, cases[i].path, status);
    }
    cr_expect_eq(scene.seen.changed, 2);
}

Test(access, a_refusal_is_told_but_not_a_page_without_a_token_yet)
{
    (void)ask(ADMIN_GET, "/metrics", NULL, false, NULL);
    cr_expect_eq(scene.seen.refused, 0);
    (void)ask(ADMIN_GET, "/metrics", NULL, false, "Bearer wrong");
    (void)ask(ADMIN_POST, "/api/v1/reload", NULL, true, NULL);
    (void)ask(ADMIN_POST, "/api/v1/reload", NULL, true, "Bearer read-token");
    cr_expect_eq(scene.seen.refused, 3);
}

/* A right token among many guesses must not be found out. */
Test(access, wrong_tokens_make_their_address_wait)
{
    for (unsigned i = 0; i < ACCESS_FAILURES_MAX; i++) {
        cr_expect_eq(ask(ADMIN_GET, "/metrics", NULL, false, "Bearer wrong"), 401);
    }
    unsigned looked = scene.seen.looked;
    cr_expect_eq(ask(ADMIN_GET, "/metrics", NULL, false, "Bearer full-token"), 429);
    cr_expect_eq(scene.seen.looked, looked, "the token was looked at");
    cr_expect_eq(ask(ADMIN_GET, "/livez", NULL, false, NULL), 200);
    cr_expect_eq(ask(ADMIN_POST, "/api/v1/reload", NULL, true, "Bearer full-token"), 200,
                 "another address is not concerned");
    scene.now += ACCESS_FAILURE_SECONDS * SEC;
    cr_expect_eq(ask(ADMIN_GET, "/metrics", NULL, false, "Bearer full-token"), 200);
    cr_expect_eq(ask(ADMIN_GET, "/metrics", NULL, false, "Bearer wrong"), 401);
    cr_expect_eq(ask(ADMIN_GET, "/metrics", NULL, false, "Bearer wrong"), 429);
}

Test(access, an_address_of_ipv6_is_its_network)
{
    for (unsigned i = 0; i < ACCESS_FAILURES_MAX; i++) {
        char peer[64];
        (void)snprintf(peer, sizeof(peer), "2001:db8:0:7::%x", i);
        access_failed(&scene.failures, peer, scene.now);
    }
    cr_expect_eq(access_wait_seconds(&scene.failures, "2001:db8:0:7:ffff::1", scene.now),
                 ACCESS_FAILURE_SECONDS);
    cr_expect_eq(access_wait_seconds(&scene.failures, "2001:db8:0:8::1", scene.now), 0);
    cr_expect_eq(access_wait_seconds(&scene.failures, "unix", scene.now), 0);
}

Test(access, the_table_is_bounded_and_keeps_who_fails_most)
{
    for (unsigned i = 0; i < ACCESS_FAILURES_MAX; i++) {
        access_failed(&scene.failures, "10.0.0.1", scene.now);
    }
    for (unsigned i = 0; i < 4 * ACCESS_ADDRESSES_MAX; i++) {
        char peer[64];
        (void)snprintf(peer, sizeof(peer), "10.1.%u.%u", i / 256, i % 256);
        access_failed(&scene.failures, peer, scene.now);
    }
    cr_expect_gt(access_wait_seconds(&scene.failures, "10.0.0.1", scene.now), 0);
}

Test(access, who_is_on_this_machine)
{
    static const struct {
        int family;
        const char *address;
        bool local;
        const char *shown;
    } cases[] = {
        {AF_INET, "127.0.0.1", true, "127.0.0.1"},
        {AF_INET, "127.8.9.1", true, "127.8.9.1"},
        {AF_INET, "128.0.0.1", false, "128.0.0.1"},
        {AF_INET, "10.0.0.1", false, "10.0.0.1"},
        {AF_INET6, "::1", true, "::1"},
        {AF_INET6, "::2", false, "::2"},
        {AF_INET6, "::ffff:127.0.0.1", true, "127.0.0.1"},
        {AF_INET6, "::ffff:10.0.0.1", false, "10.0.0.1"},
        {AF_INET6, "fe80::1", false, "fe80::1"},
    };
    char shown[ACCESS_PEER_SIZE];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        void *to = cases[i].family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr;
        cr_assert_eq(inet_pton(cases[i].family, cases[i].address, to), 1);
        const struct sockaddr *peer = cases[i].family == AF_INET
                                          ? (const struct sockaddr *)(const void *)&v4
                                          : (const struct sockaddr *)(const void *)&v6;
        cr_expect_eq(access_peer_is_local(peer), cases[i].local, "%s", cases[i].address);
        cr_expect_str_eq(access_peer(peer, shown), cases[i].shown);
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    cr_expect(access_peer_is_local((const struct sockaddr *)(const void *)&un));
    cr_expect_not(access_peer_is_local(NULL));
}
