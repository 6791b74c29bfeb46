#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/pool.h"
#include "tests/unit/gateway/upstream/rig.h"

/* Links over socket pairs; the other ends are the test's. */
static struct loop loop;
static struct pool pool;
static struct endpoint_table endpoints;
static unsigned open_links;

static void set_up(void)
{
    struct error err;
    cr_assert_eq(loop_init(&loop, &err), STATUS_OK);
    pool_init(&pool, &loop);
    loop.now = 1000 * SEC;
}

static void tear_down(void)
{
    pool_fini(&pool);
    endpoint_table_fini(&endpoints);
    loop_fini(&loop);
    cr_assert_eq(open_links, 0);
}

static struct link *open_link(int *ret_other)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct link *link = link_new(&loop, &open_links);
    link_open_plain(link, pair[0]);
    *ret_other = pair[1];
    return link;
}

static bool is_closed(int other)
{
    char byte;
    return recv(other, &byte, 1, 0) == 0;
}

Test(pool, gives_the_link_that_was_used_last)
{
    int others[2];
    set_up();
    struct endpoint *endpoint = endpoint_use(&endpoints, "a");
    struct link *first = open_link(&others[0]);
    struct link *second = open_link(&others[1]);
    pool_put(&pool, endpoint, first, POOL_MOST_IDLE_AGE);
    pool_put(&pool, endpoint, second, POOL_MOST_IDLE_AGE);
    cr_assert_eq(pool.idle_count, 2);
    cr_assert_eq(pool_take(&pool, endpoint), second);
    cr_assert_eq(pool_take(&pool, endpoint), first);
    cr_assert_null(pool_take(&pool, endpoint));
    link_close(first);
    link_close(second);
    endpoint_unuse(endpoint);
    tear_down();
    (void)close(others[0]);
    (void)close(others[1]);
}

Test(pool, keeps_endpoints_apart)
{
    int other;
    set_up();
    struct endpoint *a = endpoint_use(&endpoints, "a");
    struct endpoint *b = endpoint_use(&endpoints, "b");
    pool_put(&pool, a, open_link(&other), POOL_MOST_IDLE_AGE);
    cr_assert_null(pool_take(&pool, b));
    endpoint_unuse(a);
    endpoint_unuse(b);
    endpoint_table_trim(&endpoints); /* a is still in use by its link */
    cr_assert_eq(endpoint_use(&endpoints, "a"), a);
    endpoint_unuse(a);
    tear_down();
    cr_assert(is_closed(other));
    (void)close(other);
}

struct age_case {
    usec_t idle; /* what the provider allows */
    usec_t age;
    usec_t life; /* before it was put */
    bool given;
};

Test(pool, gives_no_link_that_is_too_old)
{
    static const struct age_case cases[] = {
        {POOL_MOST_IDLE_AGE, 0, 0, true},
        {POOL_MOST_IDLE_AGE, POOL_MOST_IDLE_AGE - 1, 0, true},
        {POOL_MOST_IDLE_AGE, POOL_MOST_IDLE_AGE, 0, false},
        {3600 * SEC, POOL_MOST_IDLE_AGE, 0, false},
        {4 * SEC, 3 * SEC, 0, true},
        {4 * SEC, 4 * SEC, 0, false},
        {0, 0, 0, false},
        {POOL_MOST_IDLE_AGE, 0, POOL_MOST_LIFE, false},
        {POOL_MOST_IDLE_AGE, 2 * SEC, POOL_MOST_LIFE - SEC, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int other;
        set_up();
        struct endpoint *endpoint = endpoint_use(&endpoints, "a");
        struct link *link = open_link(&other);
        loop.now += cases[i].life;
        pool_put(&pool, endpoint, link, cases[i].idle);
        loop.now += cases[i].age;
        link = pool_take(&pool, endpoint);
        cr_expect_eq(link != NULL, cases[i].given, "case %zu", i);
        cr_expect_eq(is_closed(other), !cases[i].given, "case %zu", i);
        if (link != NULL) {
            link_close(link);
        }
        endpoint_unuse(endpoint);
        tear_down();
        (void)close(other);
    }
}

Test(pool, closes_the_aged_by_itself)
{
    int others[2];
    set_up();
    struct endpoint *endpoint = endpoint_use(&endpoints, "a");
    pool_put(&pool, endpoint, open_link(&others[0]), POOL_MOST_IDLE_AGE);
    loop.now += 10 * SEC;
    pool_put(&pool, endpoint, open_link(&others[1]), POOL_MOST_IDLE_AGE);
    loop.now += POOL_MOST_IDLE_AGE - 10 * SEC;
    (void)timer_queue_run(&loop.timers, loop.now, UINT_MAX);
    cr_assert(is_closed(others[0]));
    cr_assert_not(is_closed(others[1]));
    cr_assert_eq(timer_queue_next(&loop.timers), loop.now + 10 * SEC);
    loop.now += 10 * SEC;
    (void)timer_queue_run(&loop.timers, loop.now, UINT_MAX);
    cr_assert(is_closed(others[1]));
    endpoint_unuse(endpoint);
    tear_down();
    (void)close(others[0]);
    (void)close(others[1]);
}

/* What the other end does while the link is idle. */
enum deed { CLOSES, SPEAKS, DEEDS };

Test(pool, closes_an_idle_link_that_becomes_readable)
{
    for (int deed = 0; deed < DEEDS; deed++) {
        int other;
        set_up();
        struct endpoint *endpoint = endpoint_use(&endpoints, "a");
        pool_put(&pool, endpoint, open_link(&other), POOL_MOST_IDLE_AGE);
        if (deed == SPEAKS) {
            cr_assert_eq(send(other, "x", 1, 0), 1);
        } else {
            cr_assert_eq(shutdown(other, SHUT_WR), 0);
        }
        loop_turn(&loop, LOOP_POLL);
        cr_assert_eq(pool.idle_count, 0);
        cr_assert_eq(open_links, 0);
        cr_assert_null(pool_take(&pool, endpoint));
        endpoint_unuse(endpoint);
        tear_down();
        (void)close(other);
    }
}

Test(pool, takes_no_link_with_something_to_read)
{
    int other;
    set_up();
    struct endpoint *endpoint = endpoint_use(&endpoints, "a");
    struct link *link = open_link(&other);
    cr_assert_eq(send(other, "x", 1, 0), 1);
    link->readable = true;
    pool_put(&pool, endpoint, link, POOL_MOST_IDLE_AGE);
    cr_assert_eq(pool.idle_count, 0);
    cr_assert_eq(open_links, 0);
    endpoint_unuse(endpoint);
    tear_down();
    (void)close(other);
}

Test(pool, keeps_only_so_many_for_an_endpoint)
{
    int others[POOL_MOST_IDLE_AN_ENDPOINT + 1];
    set_up();
    struct endpoint *endpoint = endpoint_use(&endpoints, "a");
    for (int i = 0; i <= POOL_MOST_IDLE_AN_ENDPOINT; i++) {
        pool_put(&pool, endpoint, open_link(&others[i]), POOL_MOST_IDLE_AGE);
    }
    cr_assert_eq(pool.idle_count, POOL_MOST_IDLE_AN_ENDPOINT);
    cr_assert(is_closed(others[0]), "the oldest goes first");
    cr_assert_not(is_closed(others[1]));
    endpoint_unuse(endpoint);
    tear_down();
    for (int i = 0; i <= POOL_MOST_IDLE_AN_ENDPOINT; i++) {
        (void)close(others[i]);
    }
}

/* Callers may name hosts (routes/hosts.h): what is in use stays, what is not goes when there are
 * many.
 */
Test(pool, endpoints_that_are_not_in_use_do_not_pile_up)
{
    struct endpoint_table many = {0};
    struct endpoint *used = endpoint_use(&many, "used");
    for (unsigned i = 0; i < 10 * ENDPOINTS_KEPT; i++) {
        char key[40];
        (void)snprintf(key, sizeof(key), "https://h%u.example.com:443", i);
        endpoint_unuse(endpoint_use(&many, key));
        cr_assert_leq(many.count, (unsigned)ENDPOINTS_KEPT);
    }
    cr_expect_eq(endpoint_use(&many, "used"), used);
    endpoint_unuse(used);
    endpoint_unuse(used);
    endpoint_table_fini(&many);
}
