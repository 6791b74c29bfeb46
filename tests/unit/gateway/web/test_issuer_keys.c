/* The network is a list of calls here, which the tests answer. */
#include "auth/inbound/key_set.h"
#include "base/memory.h"
#include "base/waiter.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/fetch.h"
#include "gateway/web/issuer_keys.h"

#include <stdio.h>

#include <criterion/criterion.h>

#define KEY(kid)                                                                                   \
    "{\"kid\":\"" kid "\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"                              \
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define SET_A "{\"keys\":[" KEY("a") "]}"
#define SET_B "{\"keys\":[" KEY("b") "]}"

struct fetch {
    char head[1024];
    size_t most;
    void *ctx;
    void (*done)(void *ctx, const struct fetch_result *result);
    bool over;
};

enum { CALLS_MAX = 400 };
static struct fetch calls[CALLS_MAX];
static unsigned call_count;
static unsigned cancelled;
static struct loop loop;
static struct issuer_keys *keys;
static struct snapshot *snapshot;
static unsigned woken;

static const struct key_site site = {
    .origin = {.tls = true,
               .host = "login",
               .port = 8443,
               .authority = "login:8443",
               .key = "https://login:8443 ca=x"},
    .path = SLICE_INIT("/keys"),
    .url = "https://login:8443/keys",
};

struct fetch *fetch_start(const struct fetch_request *request, void *ctx,
                          void (*done)(void *ctx, const struct fetch_result *result))
{
    struct fetch *fetch = &calls[call_count++];
    *fetch = (struct fetch){.ctx = ctx, .done = done, .most = request->answer_bytes};
    (void)snprintf(fetch->head, sizeof(fetch->head), "%.*s", SLICE_ARG(request->head));
    cr_assert(request->origin->tls);
    cr_assert_str_eq(request->origin->key, "https://login:8443 ca=x");
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch != NULL) {
        fetch->over = true;
        cancelled++;
    }
}

static void on_wake(struct waiter *waiter)
{
    (void)waiter;
    woken++;
}

static void set_up(void)
{
    cr_assert_eq(loop_init(&loop, NULL), STATUS_OK);
    loop.now = 1000 * SEC;
    keys = issuer_keys_new(&loop, NULL);
    snapshot = MEMORY_NEW(struct snapshot);
    atomic_store(&snapshot->refs, 1000);
}

static void tear_down(void)
{
    issuer_keys_free(keys);
    loop_fini(&loop);
    memory_free(snapshot);
}

TestSuite(issuer_keys, .init = set_up, .fini = tear_down);

static void answer(unsigned call, unsigned status, const char *body, const char *cache)
{
    usec_t now = loop.now;
    struct http1_field field = {.name = SLICE("Cache-Control"), .value = slice_from(cache)};
    struct fetch_result result = {.fault = status == 0 ? ATTEMPT_UNREACHABLE : ATTEMPT_OK,
                                  .status = status,
                                  .fields = &field,
                                  .field_count = 1,
                                  .body = slice_from(body)};
    cr_assert_not(calls[call].over);
    calls[call].over = true;
    calls[call].done(calls[call].ctx, &result);
    loop_turn(&loop, LOOP_POLL);
    loop.now = now; /* time is the test's */
}

static const struct key_set *set;
static uint64_t version;

static enum issuer_keys_answer ask(bool newer)
{
    struct issuer_wait wait = {0};
    struct waiter waiter;
    const struct issuer_question question = {.snapshot = snapshot, .site = &site, .newer = newer};
    waiter_init(&waiter, &loop.ready, on_wake);
    enum issuer_keys_answer answered =
        issuer_keys_ask(keys, &question, &wait, &waiter, &set, &version);
    issuer_wait_leave(&wait);
    return answered;
}

static bool has(const char *kid)
{
    return key_set_get(set, slice_from(kid), KEY_EDDSA) != NULL;
}

Test(issuer_keys, one_fetch_is_for_all_who_wait)
{
    struct issuer_wait waits[3] = {0};
    struct waiter waiters[3];
    const struct issuer_question question = {.snapshot = snapshot, .site = &site};
    for (unsigned i = 0; i < 3; i++) {
        waiter_init(&waiters[i], &loop.ready, on_wake);
        cr_assert_eq(issuer_keys_ask(keys, &question, &waits[i], &waiters[i], &set, &version),
                     ISSUER_KEYS_PENDING);
    }
    issuer_wait_leave(&waits[1]); /* gone meanwhile */
    cr_assert_eq(call_count, 1U);
    cr_expect(strstr(calls[0].head, "GET /keys HTTP/1.1\r\nHost: login:8443\r\n") == calls[0].head);
    cr_expect_eq(calls[0].most, (size_t)KEY_SET_BYTES_MAX);
    answer(0, 200, SET_A, "");
    cr_expect_eq(woken, 2U);
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    cr_expect(has("a"));
}

Test(issuer_keys, set_is_kept_as_long_as_it_says_within_bounds)
{
    static const struct {
        const char *cache;
        usec_t keep;
    } cases[] = {{"", 300 * SEC},
                 {"max-age=5", 300 * SEC},
                 {"no-store", 300 * SEC},
                 {"max-age=900", 900 * SEC},
                 {"max-age=86400", 3600 * SEC}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        issuer_keys_free(keys);
        keys = issuer_keys_new(&loop, NULL);
        cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
        answer(call_count - 1, 200, SET_A, cases[i].cache);
        unsigned before = call_count;
        loop.now += cases[i].keep - 1;
        cr_expect_eq(ask(false), ISSUER_KEYS_HERE);
        cr_expect_eq(call_count, before, "%s", cases[i].cache);
        loop.now += 1;
        cr_expect_eq(ask(false), ISSUER_KEYS_HERE, "the old one serves meanwhile");
        cr_expect_eq(call_count, before + 1, "%s", cases[i].cache);
        calls[before].over = true;
    }
}

Test(issuer_keys, version_changes_with_the_content_alone)
{
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    answer(0, 200, SET_A, "");
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    uint64_t first = version;
    cr_expect_neq(first, 0U);
    loop.now += 300 * SEC;
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    answer(1, 200, SET_A, "");
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    cr_expect_eq(version, first);
    loop.now += 300 * SEC;
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    answer(2, 200, SET_B, "");
    cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
    cr_expect_neq(version, first);
    cr_expect(has("b") && !has("a"));
}

Test(issuer_keys, unknown_key_makes_one_fetch_a_minute)
{
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    answer(0, 200, SET_A, "");
    cr_expect_eq(ask(true), ISSUER_KEYS_HERE, "it was fetched just now");
    loop.now += 60 * SEC;
    cr_expect_eq(ask(true), ISSUER_KEYS_PENDING);
    cr_expect_eq(ask(true), ISSUER_KEYS_PENDING, "in the same flight");
    cr_assert_eq(call_count, 2U);
    answer(1, 200, SET_B, "");
    cr_expect_eq(ask(true), ISSUER_KEYS_HERE);
    cr_expect(has("b"));
    loop.now += 59 * SEC;
    cr_expect_eq(ask(true), ISSUER_KEYS_HERE);
    cr_expect_eq(call_count, 2U);
}

Test(issuer_keys, unknown_key_cannot_be_told_while_the_endpoint_is_away)
{
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    answer(0, 200, SET_A, "");
    loop.now += 60 * SEC;
    cr_assert_eq(ask(true), ISSUER_KEYS_PENDING);
    answer(1, 500, "", "");
    cr_expect_eq(ask(true), ISSUER_KEYS_NONE);
    cr_expect_eq(ask(false), ISSUER_KEYS_HERE, "known ones are good");
}

Test(issuer_keys, old_keys_serve_for_an_hour_while_there_are_no_others)
{
    static const char *const lies[] = {"", "<html>", "{\"keys\":[]}", "{\"keys\":"};
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    answer(0, 200, SET_A, "");
    loop.now += 300 * SEC;
    for (unsigned i = 0; i < 59; i++) {
        cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
        cr_assert_eq(call_count, i + 2);
        answer(i + 1, i % 2 == 0 ? 200 : 0, lies[i / 2 % 4], "");
        cr_assert_eq(ask(false), ISSUER_KEYS_HERE);
        loop.now += 60 * SEC;
    }
    loop.now += 60 * SEC;
    cr_expect_eq(ask(false), ISSUER_KEYS_PENDING, "they are too old");
    answer(60, 0, "", "");
    cr_expect_eq(ask(false), ISSUER_KEYS_NONE);
    loop.now += 5 * SEC;
    cr_expect_eq(ask(false), ISSUER_KEYS_PENDING);
    answer(61, 200, SET_B, "");
    cr_expect_eq(ask(false), ISSUER_KEYS_HERE);
    cr_expect(has("b"));
}

/* Who waited for it would wait for the next one, and so on. */
Test(issuer_keys, slow_failure_is_not_asked_for_again_at_once)
{
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    loop.now += 8 * SEC;
    answer(0, 0, "", "");
    cr_expect_eq(ask(false), ISSUER_KEYS_NONE);
    loop.now += 5 * SEC;
    cr_expect_eq(ask(false), ISSUER_KEYS_PENDING);
}

Test(issuer_keys, fetch_is_given_up_with_its_worker)
{
    cr_assert_eq(ask(false), ISSUER_KEYS_PENDING);
    issuer_keys_free(TAKE(keys));
    cr_expect_eq(cancelled, 1U);
}

/* Configs come and go: what is not used any more makes place. */
Test(issuer_keys, sets_of_old_configs_make_place)
{
    static char paths[300][16];
    struct waiter waiter;
    for (unsigned i = 0; i < 300; i++) {
        struct issuer_wait wait = {0};
        struct key_site other = site;
        (void)snprintf(paths[i], sizeof(paths[i]), "/%u", i);
        other.path = slice_from(paths[i]);
        const struct issuer_question question = {.snapshot = snapshot, .site = &other};
        waiter_init(&waiter, &loop.ready, on_wake);
        cr_assert_eq(issuer_keys_ask(keys, &question, &wait, &waiter, &set, &version),
                     ISSUER_KEYS_PENDING);
        answer(i, 200, SET_A, "");
        loop.now += SEC;
    }
}
