#include "base/memory.h"
#include "base/problems.h"
#include "base/tree.h"
#include "config/snapshot.h"
#include "config/store_url.h"
#include "tests/unit/config/problem_line.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#define PASSWORD "hunter2"

static struct problems problems;
static struct snapshot *snapshot;

static void setup(void)
{
    cr_assert_eq(setenv("STORE_URL", "redis://app:" PASSWORD "@db:1/2", 1), 0);
    cr_assert_eq(setenv("STORE_URL_BROKEN", "redis://app:" PASSWORD "@db:x", 1), 0);
    cr_assert_eq(setenv("STORE_PASSWORD", PASSWORD, 1), 0);
}

static void teardown(void)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
}

TestSuite(store, .init = setup, .fini = teardown);

static void load(const char *text)
{
    char config[600];
    teardown();
    (void)snprintf(config, sizeof(config), "version: 1\n%s\n", text);
    enum status status = snapshot_parse("f", slice_from(config), NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
}

static void expect_line(const char *text, const char *expected)
{
    load(text);
    const char *line = problem_line(problems.list, problems.count, 0);
    cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, text);
    cr_expect_str_eq(line, expected, "%s", line);
}

Test(store, is_memory_by_default)
{
    load("");
    cr_assert_not_null(snapshot);
    const struct store_settings *store = &snapshot->store;
    cr_expect_not(store->redis);
    cr_expect_str_eq(store->address.url_shown, "memory:");
    cr_expect_str_eq(store->name, "sallyport");
    cr_expect_eq(store->timeout, 25 * MSEC);
    cr_expect_eq(store->gateways, 1U);
    cr_expect_eq(problems.warning_count, 0U);
}

Test(store, settings_are_taken)
{
    load("store:\n"
         "  url: \"rediss://app:${env:STORE_PASSWORD}@redis.internal:6380/3\"\n"
         "  name: shared.1\n"
         "  timeout: 40ms\n"
         "  gateways: 4\n"
         "  tls: {ca: /proc/self/status}");
    cr_assert_not_null(snapshot, "%s", problem_line(problems.list, problems.count, 0));
    const struct store_settings *store = &snapshot->store;
    cr_expect(store->redis);
    cr_expect_str_eq(store->address.host, "redis.internal");
    cr_expect_str_eq(store->address.password, PASSWORD);
    cr_expect_str_eq(store->address.url_shown, "rediss://app:***@redis.internal:6380/3");
    cr_expect_str_eq(store->address.ca, "/proc/self/status");
    cr_expect_str_eq(store->name, "shared.1");
    cr_expect_eq(store->timeout, 40 * MSEC);
    cr_expect_eq(store->gateways, 4U);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

Test(store, each_form_of_a_url_is_taken_apart)
{
    static const struct {
        const char *url;
        struct redis_address expected;
    } cases[] = {
        {"redis://db", {.host = "db", .port = 6379, .url_shown = "redis://db:6379/0"}},
        {"redis://db/", {.host = "db", .port = 6379, .url_shown = "redis://db:6379/0"}},
        {"redis://10.0.0.5:7000/15",
         {.host = "10.0.0.5",
          .port = 7000,
          .database = 15,
          .url_shown = "redis://10.0.0.5:7000/15"}},
        {"redis://[::1]:7/1",
         {.host = "::1", .port = 7, .database = 1, .url_shown = "redis://[::1]:7/1"}},
        {"redis://[fd00::2]",
         {.host = "fd00::2", .port = 6379, .url_shown = "redis://[fd00::2]:6379/0"}},
        {"redis://:pw@db",
         {.host = "db", .port = 6379, .password = "pw", .url_shown = "redis://:***@db:6379/0"}},
        {"redis://a%2fb:p%40%3A%2F%25x@db",
         {.host = "db",
          .port = 6379,
          .user = "a/b",
          .password = "p@:/%x",
          .url_shown = "redis://a/b:***@db:6379/0"}},
        {"rediss://u:pw@db:1/2",
         {.tls = true,
          .host = "db",
          .port = 1,
          .user = "u",
          .password = "pw",
          .database = 2,
          .url_shown = "rediss://u:***@db:1/2"}},
        {"redis+unix:///run/redis.sock",
         {.unix_path = "/run/redis.sock", .url_shown = "redis+unix:///run/redis.sock?db=0"}},
        {"redis+unix://:pw@/run/r%20s?db=7",
         {.unix_path = "/run/r s",
          .password = "pw",
          .database = 7,
          .url_shown = "redis+unix://:***@/run/r s?db=7"}},
    };
    CLEANUP(arena_fini) struct arena arena = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *url = cases[i].url;
        const struct redis_address *expected = &cases[i].expected;
        struct redis_address address;
        struct error err;
        bool redis = false;
        cr_assert_eq(store_url_parse(&arena, slice_from(url), &redis, &address, &err), STATUS_OK,
                     "%s: %s", url, err.message);
        cr_expect(redis);
        cr_expect(same(address.host, expected->host), "%s", url);
        cr_expect(same(address.unix_path, expected->unix_path), "%s", url);
        cr_expect(same(address.user, expected->user), "%s", url);
        cr_expect(same(address.password, expected->password), "%s", url);
        cr_expect_str_eq(address.url_shown, expected->url_shown);
        cr_expect_eq(address.port, expected->port, "%s", url);
        cr_expect_eq(address.database, expected->database, "%s", url);
        cr_expect_eq(address.tls, expected->tls, "%s", url);
    }
}

Test(store, a_url_that_cannot_be_meant_has_its_sentence)
{
    static const struct {
        const char *url, *expected;
    } cases[] = {
        {"memory", "write memory:, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or "
                   "redis+unix:///PATH"},
        {"redis+sentinel://a", "write memory:, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or "
                               "redis+unix:///PATH"},
        {"redis://", "there is no host in it"},
        {"redis://:6379", "there is no host in it"},
        {"redis://Db", "write the host in lower case"},
        {"redis://db:0", "the port is no number from 1 to 65535"},
        {"redis://db:65536", "the port is no number from 1 to 65535"},
        {"redis://db:", "the port is no number from 1 to 65535"},
        {"redis://db/x", "the database is no number from 0 to 65535"},
        {"redis://db/1/2", "the database is no number from 0 to 65535"},
        {"redis://db?db=1",
         "no '?' and no '#' may be in it; the database is a path such as /2, and "
         "in a password write %3F and %23"},
        {"redis://[::1", "no valid IPv6 address between '[' and ']'"},
        {"redis://[::1]7", "after ']' only a port or a database may follow"},
        {"redis://user@db", "there is no password before the '@'; write redis://:PASSWORD@HOST or "
                            "redis://USER:PASSWORD@HOST"},
        {"redis://user:@db", "there is no password before the '@'; write redis://:PASSWORD@HOST or "
                             "redis://USER:PASSWORD@HOST"},
        {"redis://:a@b@db", "a '@' or ':' in a password is percent-encoded; write %40 or %3A"},
        {"redis://:a:b@db", "a '@' or ':' in a password is percent-encoded; write %40 or %3A"},
        {"redis://:a%4@db", "a '%' without two hex digits behind it; write %25 for a '%'"},
        {"redis://:a%00@db", "a NUL (%00) cannot be sent; take it out"},
        {"redis://:a b@db", "a blank, control character or one beyond ASCII; percent-encode it"},
        {"redis+unix://run/r", "a unix socket has no host, and a path that begins with '/'; write "
                               "redis+unix:///run/redis.sock"},
        {"redis+unix://", "a unix socket has no host, and a path that begins with '/'; write "
                          "redis+unix:///run/redis.sock"},
        {"redis+unix:///r?x=1", "behind the path only ?db=N may follow"},
        {"redis+unix:///r?db=", "the database is no number from 0 to 65535"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        char expected[400];
        (void)snprintf(text, sizeof(text), "store: {url: \"%s\"}", cases[i].url);
        (void)snprintf(expected, sizeof(expected), "f:2:14: store.url: %s", cases[i].expected);
        expect_line(text, expected);
    }
    char path[120];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    char text[200];
    (void)snprintf(text, sizeof(text), "store: {url: \"redis+unix:///%s\"}", path);
    expect_line(text, "f:2:14: store.url: the path of a unix socket has 107 bytes at most");
}

Test(store, other_keys_that_cannot_be_meant_have_their_sentence)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"store: {url: \"${env:STORE_URL_BROKEN}\"}",
         "f:2:14: store.url: \"${env:STORE_URL_BROKEN}\" does not stand for the URL of a store"},
        {"store: {name: A}",
         "f:2:15: store.name: a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or "
         "digit, and is 64 bytes long at most"},
        {"store: {url: \"redis://db\", tls: {ca: /proc/self/status}}",
         "f:2:34: store.tls.ca: store.url has no TLS; write rediss://, or take this out"},
        {"store: {timeout: 11s}", "f:2:18: store.timeout: \"11s\" is too large; the most is 10s"},
        {"store: {gateways: 0}", "f:2:19: store.gateways: \"0\" is too small; the least is 1"},
        {"store: {on_failure: retry}",
         "f:2:21: store.on_failure: \"retry\" is unknown; write one of: local, deny, allow"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_line(cases[i].text, cases[i].expected);
    }
}

Test(store, that_is_not_shared_ignores_how_many_share_it_with_a_warning)
{
    load("store: {gateways: 3}");
    cr_assert_not_null(snapshot);
    cr_expect_eq(problems.warning_count, 1U);
    cr_expect_str_eq(problem_line(problems.warnings, problems.warning_count, 0),
                     "f:2:19: store.gateways: ignored: memory: is of this process alone, and "
                     "shared with no gateway");
    load("store: {url: \"redis://db\", gateways: 3}");
    cr_expect_eq(problems.warning_count, 0U);
}

/* Whatever was meant, and wherever the URL was written. */
Test(store, a_password_is_never_shown)
{
    static const char *const cases[] = {
        "store: {url: \"redis://app:" PASSWORD "@db:x\"}",
        "store: {url: \"redis://app:" PASSWORD "@db/x\"}",
        "store: {url: \"redis://app:" PASSWORD "\"}",
        "store: {url: \"redis://app:a@" PASSWORD "@db\"}",
        "store: {url: \"redis://app:a%" PASSWORD "@db\"}",
        "store: {url: \"redis:app:" PASSWORD "@db\"}",
        "store: {url: \"${env:STORE_URL_BROKEN}\"}",
        "store: {url: \"redis://:${env:STORE_PASSWORD}@db:x\"}",
        "store: \"redis://app:" PASSWORD "@db\"",
        "store: [\"redis://app:" PASSWORD "@db\"]",
        "store: {\"redis://app:" PASSWORD "@db\": 1}",
        "store: {\"redis://app:" PASSWORD "@db\": {a: 1}}",
        "store: {timeout: \"redis://app:" PASSWORD "@db\"}",
        "store: {timeout: \"${env:STORE_URL}\"}",
        "store: {name: \"redis://app:" PASSWORD "@db\"}",
        "store: {on_failure: \"redis://app:" PASSWORD "@db\"}",
        "store: {tls: {ca: \"redis://app:" PASSWORD "@db\"}}",
        "store: {url: \"redis://app:" PASSWORD "@db${env:}\"}",
        "gateway: {time_zone: \"redis://app:" PASSWORD "@db\"}",
        "quotas: [{requests: \"redis://app:" PASSWORD "@db\", per: 1m}]",
        "quotas: [{requests: 1, per: \"redis://app:" PASSWORD "@db\"}]",
        "quotas: [{requests: 1, per: 1m, route: \"redis://app:" PASSWORD "@db\"}]",
        "tenants: {t: {keys: [], allow: [\"redis://app:" PASSWORD "@db\"]}}",
        "routes: {r: {provider: \"redis://app:" PASSWORD "@db\", credential: none}}",
        "routes: {r: {provider: http, base_url: \"redis://app:" PASSWORD "@db\"}}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(cases[i]);
        cr_expect_gt(problems.count, 0U, "%s", cases[i]);
        for (unsigned j = 0; j < problems.count; j++) {
            const char *line = problem_line(problems.list, problems.count, j);
            cr_expect_null(strstr(line, PASSWORD), "%s", line);
        }
    }
}

Test(store, a_url_is_still_to_be_known_where_it_is_quoted)
{
    load("store: {timeout: \"redis://app:" PASSWORD
         "@db/some/rather/long/path/that/has/no/end/at/all\"}");
    cr_expect_not_null(strstr(problems.list[0].message,
                              "\"redis://***@db/some/rather/long/path/that/has/no/end/at/all\""),
                       "%s", problems.list[0].message);
}
