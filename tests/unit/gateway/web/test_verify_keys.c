/* The network is a list of calls here, which the tests answer. */
#include "base/memory.h"
#include "base/waiter.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/fetch.h"
#include "gateway/web/verify_keys.h"

#include <stdio.h>

#include <criterion/criterion.h>

struct fetch {
    char head[1024];
    char body[256];
    char host[128];
    void *ctx;
    void (*done)(void *ctx, const struct fetch_result *result);
    bool over;
};

enum { CALLS_MAX = 200 };
static struct fetch calls[CALLS_MAX];
static unsigned call_count;
static unsigned cancelled;

struct fetch *fetch_start(const struct fetch_request *request, void *ctx,
                          void (*done)(void *ctx, const struct fetch_result *result))
{
    struct fetch *fetch = &calls[call_count++];
    *fetch = (struct fetch){.ctx = ctx, .done = done};
    (void)snprintf(fetch->head, sizeof(fetch->head), "%.*s", SLICE_ARG(request->head));
    (void)snprintf(fetch->body, sizeof(fetch->body), "%.*s", SLICE_ARG(request->body));
    (void)snprintf(fetch->host, sizeof(fetch->host), "%s:%u", request->origin->host,
                   request->origin->port);
    cr_assert(request->origin->tls);
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch != NULL) {
        fetch->over = true;
        cancelled++;
    }
}

static struct loop loop;
static struct verify_keys *keys;
static struct snapshot *snapshot;
static unsigned woken;

static void on_wake(struct waiter *waiter)
{
    (void)waiter;
    woken++;
}

static void set_up(void)
{
    cr_assert_eq(loop_init(&loop, NULL), STATUS_OK);
    keys = verify_keys_new(&loop, NULL);
    snapshot = MEMORY_NEW(struct snapshot);
    atomic_store(&snapshot->refs, 1000);
    call_count = 0;
    cancelled = 0;
    woken = 0;
}

static void tear_down(void)
{
    verify_keys_free(keys);
    loop_fini(&loop); /* what is over is freed with it */
    memory_free(snapshot);
}

static void answer(unsigned call, unsigned status, const char *body, const char *cache)
{
    struct http1_field field = {.name = SLICE("Cache-Control"), .value = slice_from(cache)};
    struct fetch_result result = {.fault = ATTEMPT_OK,
                                  .status = status,
                                  .fields = &field,
                                  .field_count = 1,
                                  .body = slice_from(body)};
    cr_assert_not(calls[call].over);
    calls[call].over = true;
    calls[call].done(calls[call].ctx, &result);
}

static const struct verify_key_question cert = {
    .url = SLICE_INIT("https://sns.eu-west-1.amazonaws.com/a.pem"), .may_fetch = true};

static enum verify_key_answer ask(const struct verify_key_question *asked,
                                  struct verify_key_wait *wait, struct waiter *waiter,
                                  struct slice *ret)
{
    struct verify_key_question question = *asked;
    question.snapshot = snapshot;
    waiter_init(waiter, &loop.ready, on_wake);
    return verify_keys_ask(keys, &question, wait, waiter, ret);
}

static enum verify_key_answer ask_alone(const struct verify_key_question *question,
                                        struct slice *ret)
{
    struct verify_key_wait wait = {0};
    struct waiter waiter;
    enum verify_key_answer answered = ask(question, &wait, &waiter, ret);
    verify_key_leave(&wait);
    return answered;
}

TestSuite(verify_keys, .init = set_up, .fini = tear_down);

Test(verify_keys, a_key_is_fetched_once_for_all_who_wait_and_kept)
{
    struct verify_key_wait waits[2] = {0};
    struct waiter waiters[2];
    struct slice text;
    cr_assert_eq(ask(&cert, &waits[0], &waiters[0], &text), VERIFY_KEY_PENDING);
    cr_assert_eq(ask(&cert, &waits[1], &waiters[1], &text), VERIFY_KEY_PENDING);
    cr_expect_eq(call_count, 1U);
    cr_expect_str_eq(calls[0].host, "sns.eu-west-1.amazonaws.com:443");
    cr_expect(
        strstr(calls[0].head, "GET /a.pem HTTP/1.1\r\nHost: sns.eu-west-1.amazonaws.com\r\n") ==
        calls[0].head);
    answer(0, 200, "PEM", "");
    loop_turn(&loop, LOOP_POLL);
    cr_expect_eq(woken, 2U);
    cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_HERE);
    cr_expect(slice_equal(text, SLICE("PEM")));
    cr_expect_eq(call_count, 1U);
}

Test(verify_keys, it_is_kept_as_long_as_the_answer_says_within_bounds)
{
    static const struct {
        const char *says;
        usec_t kept;
    } cases[] = {{"max-age=1", VERIFY_KEY_KEEP_LEAST},
                 {"max-age=1000", 1000 * SEC},
                 {"max-age=9999999", VERIFY_KEY_KEEP_MOST}};
    for (unsigned i = 0; i < 3; i++) {
        struct slice text;
        cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
        answer(i, 200, "PEM", cases[i].says);
        usec_t fetched = loop.now;
        loop.now = fetched + cases[i].kept - 1;
        cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_HERE, "%s", cases[i].says);
        loop.now = fetched + cases[i].kept;
    }
}

Test(verify_keys, what_cannot_be_had_is_not_asked_for_again_at_once)
{
    struct slice text;
    cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
    answer(0, 500, "no", "");
    cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_NONE);
    loop.now += VERIFY_KEY_RENEW - 1;
    cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_NONE);
    loop.now += 1;
    cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
    cr_expect_eq(call_count, 2U);
}

Test(verify_keys, what_is_not_there_is_told_from_what_cannot_be_had)
{
    static const unsigned absent[] = {400, 404, 410};
    static const unsigned unavailable[] = {401, 403, 408, 429, 500, 503, 302, 204};
    struct slice text;
    unsigned call = 0;
    for (unsigned i = 0; i < 3; i++, loop.now += VERIFY_KEY_RENEW) {
        cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
        answer(call++, absent[i], "no", "");
        cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_ABSENT, "%u", absent[i]);
    }
    for (unsigned i = 0; i < 8; i++, loop.now += VERIFY_KEY_RENEW) {
        cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
        answer(call++, unavailable[i], "no", "");
        cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_NONE, "%u", unavailable[i]);
    }
}

Test(verify_keys, a_newer_set_is_fetched_once_a_minute_and_the_old_one_serves_meanwhile)
{
    struct verify_key_question newer = cert;
    struct slice text;
    newer.newer = true;
    cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
    answer(0, 200, "old", "");
    cr_expect_eq(ask_alone(&newer, &text), VERIFY_KEY_NONE, "it was fetched just now");
    loop.now += VERIFY_KEY_RENEW;
    cr_assert_eq(ask_alone(&newer, &text), VERIFY_KEY_PENDING);
    cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_HERE);
    cr_expect(slice_equal(text, SLICE("old")));
    answer(1, 200, "new", "");
    cr_expect_eq(ask_alone(&newer, &text), VERIFY_KEY_NONE);
    cr_expect_eq(ask_alone(&cert, &text), VERIFY_KEY_HERE);
    cr_expect(slice_equal(text, SLICE("new")));
}

Test(verify_keys, nothing_is_fetched_for_who_may_not)
{
    struct verify_key_question question = cert;
    struct slice text;
    question.may_fetch = false;
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_UNASKED);
    cr_expect_eq(call_count, 0U);
    cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
    answer(0, 200, "PEM", "");
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_HERE);
}

Test(verify_keys, one_that_is_asked_for_by_name_is_posted_for_and_kept_by_name)
{
    struct verify_key_question question = {.url = SLICE("https://api.example.com/key/get"),
                                           .name = SLICE("kid-1"),
                                           .body = SLICE("{\"key_id\":\"kid-1\"}"),
                                           .may_fetch = true};
    struct slice text;
    cr_assert_eq(ask_alone(&question, &text), VERIFY_KEY_PENDING);
    cr_expect(strstr(calls[0].head, "POST /key/get HTTP/1.1\r\n") == calls[0].head);
    cr_expect_not_null(strstr(calls[0].head, "Content-Length: 18\r\n"));
    cr_expect_str_eq(calls[0].body, "{\"key_id\":\"kid-1\"}");
    answer(0, 200, "{}", "");
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_HERE);
    question.name = SLICE("kid-2");
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_PENDING);
    cr_expect_eq(call_count, 2U);
}

Test(verify_keys, how_many_are_kept_and_fetched_at_once_is_bounded)
{
    struct slice text;
    char url[64];
    struct verify_key_question question = {.may_fetch = true};
    for (unsigned i = 0; i < VERIFY_KEYS_FETCHES_MAX; i++) {
        (void)snprintf(url, sizeof(url), "https://a.example.com/%u", i);
        question.url = slice_from(url);
        cr_assert_eq(ask_alone(&question, &text), VERIFY_KEY_PENDING);
    }
    question.url = SLICE("https://a.example.com/more");
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_NONE);
    for (unsigned i = 0; i < VERIFY_KEYS_FETCHES_MAX; i++) {
        answer(i, 200, "x", "max-age=86400");
    }
    for (unsigned i = 0; i < 2 * VERIFY_KEYS_MAX; i++) {
        (void)snprintf(url, sizeof(url), "https://b.example.com/%u", i);
        question.url = slice_from(url);
        loop.now += SEC;
        cr_assert_eq(ask_alone(&question, &text), VERIFY_KEY_PENDING);
        answer(VERIFY_KEYS_FETCHES_MAX + i, 200, "x", "max-age=86400");
    }
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_HERE, "the newest");
    question.url = SLICE("https://a.example.com/0");
    cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_PENDING, "the oldest is gone");
}

Test(verify_keys, one_who_leaves_is_not_woken)
{
    struct verify_key_wait waits[3] = {0};
    struct waiter waiters[3];
    struct slice text;
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(ask(&cert, &waits[i], &waiters[i], &text), VERIFY_KEY_PENDING);
    }
    verify_key_leave(&waits[1]);
    verify_key_leave(&waits[1]);
    answer(0, 200, "PEM", "");
    loop_turn(&loop, LOOP_POLL);
    cr_expect_eq(woken, 2U);
}

Test(verify_keys, what_runs_is_cancelled_in_the_end)
{
    struct slice text;
    cr_assert_eq(ask_alone(&cert, &text), VERIFY_KEY_PENDING);
    verify_keys_free(keys);
    cr_expect_eq(cancelled, 1U);
    keys = verify_keys_new(&loop, NULL);
}

Test(verify_keys, what_is_no_plain_https_url_is_not_called)
{
    static const char *const bad[] = {
        "http://a.example.com/x",      "https://a.example.com:8443/x",
        "https://u@a.example.com/x",   "https://a.example.com/x y",
        "https://a.example.com/x#y",   "https:///x",
        "https://a.example.com/\r\nX", "",
    };
    struct slice text;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct verify_key_question question = {.url = slice_from(bad[i]), .may_fetch = true};
        cr_expect_eq(ask_alone(&question, &text), VERIFY_KEY_NONE, "%s", bad[i]);
    }
    cr_expect_eq(call_count, 0U);
}
