/* What a quota cannot say, and what is said of it. */
#include "base/buffer.h"
#include "base/memory.h"
#include "base/problems.h"
#include "config/snapshot.h"
#include "limiter/reservation.h"
#include "tests/unit/config/problem_line.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#define ROUTES                                                                                     \
    "version: 1\n"                                                                                 \
    "store: {url: \"redis://db\"}\n"                                                               \
    "routes: {stripe: {credential: none}, openai: {credential: none}}\n"
#define OVER   ROUTES "quotas:\n  - "
#define TENANT ROUTES "tenants:\n  t:\n    keys: []\n    quotas:\n      - "

static struct problems problems;
static struct snapshot *snapshot;

static void teardown(void)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
}

TestSuite(quota_checks, .fini = teardown);

static void load(const char *text)
{
    teardown();
    enum status status = snapshot_parse("f", slice_from(text), NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
}

static void expect_line(const char *text, const char *expected)
{
    load(text);
    const char *line = problem_line(problems.list, problems.count, 0);
    cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, text);
    cr_expect_str_eq(line, expected, "%s", line);
}

struct check {
    const char *rule, *expected;
};

static void expect_all(const char *before, const struct check *checks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[1200];
        (void)snprintf(text, sizeof(text), "%s%s\n", before, checks[i].rule);
        expect_line(text, checks[i].expected);
    }
}
#define EXPECT_ALL(before, checks) expect_all(before, checks, sizeof(checks) / sizeof((checks)[0]))

Test(quota_checks, amounts)
{
    static const struct check checks[] = {
        {"{requests: 0, per: 1m}",
         "f:5:16: quotas[0].requests: \"0\": nothing would ever fit; write a limit such as 600, 2k "
         "or 1M"},
        {"{requests: -5, per: 1m}", "f:5:16: quotas[0].requests: \"-5\": no limit is below zero; "
                                    "write one such as 600, 2k or 1M"},
        {"{requests: 1.5, per: 1m}", "f:5:16: quotas[0].requests: \"1.5\": unknown unit; write a "
                                     "whole number such as 600, 2k or 1M"},
        {"{requests: many, per: 1m}", "f:5:16: quotas[0].requests: \"many\": write a whole number "
                                      "such as 600, 2k or 1M"},
        {"{requests: 9000000000000001, per: 1m}",
         "f:5:16: quotas[0].requests: \"9000000000000001\": too large; the most is "
         "9000000000000000"},
        {"{requests: 99999999999999999999, per: 1m}",
         "f:5:16: quotas[0].requests: \"99999999999999999999\": far too large; write a whole "
         "number "
         "such as 600, 2k or 1M"},
        {"{concurrency: 0}",
         "f:5:19: quotas[0].concurrency: \"0\": nothing would ever fit; write a limit such as 10"},
        {"{bytes: 100, per: 1m}", "f:5:13: quotas[0].bytes: \"100\": no unit; write a size such as "
                                  "512B, 64KiB, 25MiB or 1GiB"},
        {"{bytes: 0B, per: 1m}", "f:5:13: quotas[0].bytes: \"0B\": nothing would ever fit; write a "
                                 "limit such as 10GiB"},
        {"{bytes: 9000TiB, per: 1m}",
         "f:5:13: quotas[0].bytes: \"9000TiB\": too large; the most is 9000000000000000"},
        {"{cost: 0 USD, per: 1m}", "f:5:12: quotas[0].cost: \"0 USD\": nothing would ever fit; "
                                   "write a limit such as 250 USD"},
        {"{cost: 0.000000000 USD, per: 1m}", "f:5:12: quotas[0].cost: \"0.000000000 USD\": nothing "
                                             "would ever fit; write a limit such as 250 USD"},
        {"{cost: -1 USD, per: 1m}", "f:5:12: quotas[0].cost: \"-1 USD\": no limit is below zero; "
                                    "write one such as 250 USD"},
        {"{cost: 250, per: 1m}",
         "f:5:12: quotas[0].cost: \"250\": no currency; write an amount and "
         "its currency such as 250 USD or 0.50 USD"},
        {"{cost: 250 EUR, per: 1m}",
         "f:5:12: quotas[0].cost: \"250 EUR\": not an amount of money; write an amount and its "
         "currency such as 250 USD or 0.50 USD"},
        {"{cost: $250, per: 1m}",
         "f:5:12: quotas[0].cost: \"$250\": not an amount of money; write an amount and its "
         "currency such as 250 USD or 0.50 USD"},
        {"{cost: 1. USD, per: 1m}",
         "f:5:12: quotas[0].cost: \"1. USD\": no digit behind the point; "
         "write an amount and its currency such as 250 USD or 0.50 USD"},
        {"{cost: .5 USD, per: 1m}",
         "f:5:12: quotas[0].cost: \".5 USD\": not an amount of money; write an amount and its "
         "currency such as 250 USD or 0.50 USD"},
        {"{cost: 1e3 USD, per: 1m}",
         "f:5:12: quotas[0].cost: \"1e3 USD\": not an amount of money; write an amount and its "
         "currency such as 250 USD or 0.50 USD"},
        {"{cost: 0.0000000001 USD, per: 1m}", "f:5:12: quotas[0].cost: \"0.0000000001 USD\": finer "
                                              "than counted; write 9 decimals at most"},
        {"{cost: 9000000.000000001 USD, per: 1m}",
         "f:5:12: quotas[0].cost: \"9000000.000000001 USD\": too large; the most is 9000000 USD"},
        {"{cost: 99999999999999999999 USD, per: 1m}",
         "f:5:12: quotas[0].cost: \"99999999999999999999 USD\": too large; the most is 9000000 "
         "USD"},
    };
    EXPECT_ALL(OVER, checks);
}

Test(quota_checks, what_is_counted)
{
    static const struct check checks[] = {
        {"{per: 1m}", "f:5:5: quotas[0]: nothing is limited; write one of requests, tokens, cost, "
                      "bytes and concurrency, such as requests: 600"},
        {"", "f:5:4: quotas[0]: nothing is limited; write one of requests, tokens, cost, bytes and "
             "concurrency, such as requests: 600"},
        {"{requests: 1, bytes: 1KiB, per: 1m}",
         "f:5:19: quotas[0].bytes: a quota counts one thing, and this one has requests already; "
         "make it a quota of its own"},
        {"{requests: 1, requets: 1, per: 1m}",
         "f:5:19: quotas[0].requets: unknown key; did you mean \"requests\"?"},
        {"{requests: , per: 1m}",
         "f:5:16: quotas[0].requests: there is no value; write 600, or take the line out"},
        {"[requests]", "f:5:5: quotas[0]: expected a map, found a list; write keys below it, "
                       "indented, or {key: value}"},
    };
    EXPECT_ALL(OVER, checks);
}

#define FORM                                                                                       \
    "write 1s to 1h for a rate, or day, week, month or a number of days such as 7d for a window"

Test(quota_checks, spans)
{
    static const struct check checks[] = {
        {"{requests: 1}", "f:5:5: quotas[0]: per is missing; write per: 1m (a rate, up to 1h), or "
                          "per: day, week, month or 7d (a window)"},
        {"{requests: 1, per: year}",
         "f:5:24: quotas[0].per: \"year\": no span that quotas know; " FORM},
        {"{requests: 1, per: 60}",
         "f:5:24: quotas[0].per: \"60\": no span that quotas know; " FORM},
        {"{requests: 1, per: Day}",
         "f:5:24: quotas[0].per: \"Day\": no span that quotas know; " FORM},
        {"{requests: 1, per: 1w}",
         "f:5:24: quotas[0].per: \"1w\": no span that quotas know; " FORM},
        {"{requests: 1, per: 2h}", "f:5:24: quotas[0].per: \"2h\": too long for a rate; " FORM},
        {"{requests: 1, per: 24h}", "f:5:24: quotas[0].per: \"24h\": too long for a rate; " FORM},
        {"{requests: 1, per: 3601s}",
         "f:5:24: quotas[0].per: \"3601s\": too long for a rate; " FORM},
        {"{requests: 1, per: 0s}", "f:5:24: quotas[0].per: \"0s\": not whole seconds; " FORM},
        {"{requests: 1, per: 500ms}", "f:5:24: quotas[0].per: \"500ms\": not whole seconds; " FORM},
        {"{requests: 1, per: 1500ms}",
         "f:5:24: quotas[0].per: \"1500ms\": not whole seconds; " FORM},
        {"{requests: 1, per: 0d}",
         "f:5:24: quotas[0].per: \"0d\": a window has 1d to 366d; write one such as 7d"},
        {"{requests: 1, per: 367d}",
         "f:5:24: quotas[0].per: \"367d\": a window has 1d to 366d; write one such as 7d"},
        {"{concurrency: 5, per: 1m}",
         "f:5:22: quotas[0].per: concurrency is of requests under way, "
         "over no span; take it out"},
    };
    EXPECT_ALL(OVER, checks);
}

Test(quota_checks, bursts)
{
    static const struct check checks[] = {
        {"{requests: 60, per: 1m, burst: 61}", "f:5:36: quotas[0].burst: \"61\" is more than the "
                                               "limit itself; write 60 requests or less"},
        {"{cost: 1 USD, per: 1m, burst: 1.000000001 USD}",
         "f:5:35: quotas[0].burst: \"1.000000001 USD\" is more than the limit itself; write 1 USD "
         "or "
         "less"},
        {"{requests: 60, per: 1m, burst: 0}",
         "f:5:36: quotas[0].burst: \"0\": nothing would ever fit; write a limit such as 600, 2k or "
         "1M"},
        {"{cost: 1 USD, per: 1m, burst: 1}", "f:5:35: quotas[0].burst: \"1\": no currency; write "
                                             "an amount and its currency such as 250 "
                                             "USD or 0.50 USD"},
        {"{requests: 60, per: day, burst: 6}",
         "f:5:30: quotas[0].burst: a burst is of rates (per: 1s to 1h); take it out"},
        {"{concurrency: 60, burst: 6}",
         "f:5:23: quotas[0].burst: a burst is of rates (per: 1s to 1h); take it out"},
    };
    EXPECT_ALL(OVER, checks);
}

Test(quota_checks, whom_it_is_for)
{
    static const struct check checks[] = {
        {"{requests: 1, per: 1m, each: user}",
         "f:5:34: quotas[0].each: \"user\": write tenant, route, ip or header:NAME"},
        {"{requests: 1, per: 1m, each: \"header:\"}",
         "f:5:34: quotas[0].each: \"header:\": no header can be called so, or its name is longer "
         "than 64 bytes; write one such as header:X-User"},
        {"{requests: 1, per: 1m, each: \"header:a b\"}",
         "f:5:34: quotas[0].each: \"header:a b\": no header can be called so, or its name is "
         "longer "
         "than 64 bytes; write one such as header:X-User"},
        {"{requests: 1, per: 1m, each: header:Authorization}",
         "f:5:34: quotas[0].each: this header carries credentials, or the gateway alone writes it; "
         "write one such as header:X-User"},
        {"{requests: 1, per: 1m, each: header:X-Sallyport-Key}",
         "f:5:34: quotas[0].each: this header carries credentials, or the gateway alone writes it; "
         "write one such as header:X-User"},
        {"{requests: 1, per: 1m, route: opneai}",
         "f:5:35: quotas[0].route: no route is called \"opneai\"; did you mean \"openai\"?"},
        {"{requests: 1, per: 1m, route: \"\"}",
         "f:5:35: quotas[0].route: there is no value; write openai, or take the line out"},
        {"{tokens: 1, per: 1m, route: stripe}",
         "f:5:33: quotas[0].route: no call of this route tells its tokens (provider stripe); name "
         "a "
         "route whose provider has such calls, or limit requests or bytes"},
        {"{cost: 1 USD, per: 1m, route: stripe}",
         "f:5:35: quotas[0].route: no call of this route tells its cost (provider stripe); name a "
         "route whose provider has such calls, or limit requests or bytes"},
        {"{requests: 1, per: 1m, route: stripe, model: x}",
         "f:5:35: quotas[0].route: no call of this route tells its model (provider stripe); name a "
         "route whose provider has such calls, or limit requests or bytes"},
        {"{requests: 1, per: 1m, model: "
         "\"0123456789012345678901234567890123456789012345678901234567890123456789"
         "01234567890123456789012345678901234567890123456789012345678\"}",
         "f:5:35: quotas[0].model: a model's name has 128 bytes at most; use a *"},
        {"{requests: 1, per: 1m, model: "
         "\"////////////////////////////////////////////////////////////////////////////"
         "////////////////////////////////////////////////////\", each: "
         "header:X!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!}",
         "f:5:5: quotas[0]: model and each are too long together; write shorter ones"},
    };
    EXPECT_ALL(OVER, checks);
    static const struct check own[] = {
        {"{requests: 1, per: 1m, each: tenant}",
         "f:8:38: tenants.t.quotas[0].each: a tenant's own quota is for it alone; write route, ip "
         "or header:NAME, or take this out"},
    };
    EXPECT_ALL(TENANT, own);
}

Test(quota_checks, tokens_without_any_route_that_has_some)
{
    expect_line(
        "version: 1\nroutes: {stripe: {credential: none}}\n"
        "quotas: [{tokens: 1, per: 1m}]\n",
        "f:3:10: quotas[0]: no route of this config has calls that tell their tokens; limit "
        "requests or bytes");
    load(OVER "{tokens: 1, per: 1m}\n");
    cr_expect_eq(problems.count, 0U);
}

Test(quota_checks, what_happens_at_the_limit)
{
    static const struct check checks[] = {
        {"{requests: 1, per: 1m, action: drop}",
         "f:5:36: quotas[0].action: \"drop\" is unknown; write one of: deny, warn"},
        {"{requests: 1, per: 1m, action: warn, wait: 1s}",
         "f:5:42: quotas[0].wait: with action: warn nothing is refused that could wait; take it "
         "out"},
        {"{requests: 1, per: 1m, wait: 2h}",
         "f:5:34: quotas[0].wait: \"2h\" is too large; the most is 1h"},
        {"{requests: 1, per: 1m, warn_at: 0%}",
         "f:5:37: quotas[0].warn_at: \"0%\": write a share from 1% to 99%, such as 80%"},
        {"{requests: 1, per: 1m, warn_at: 100%}",
         "f:5:37: quotas[0].warn_at: \"100%\": write a share from 1% to 99%, such as 80%"},
        {"{requests: 1, per: 1m, warn_at: 0.8}",
         "f:5:37: quotas[0].warn_at: \"0.8\": write a share from 1% to 99%, such as 80%"},
        {"{requests: 1, per: 1m, warn_at: \"%\"}",
         "f:5:37: quotas[0].warn_at: \"%\": write a share from 1% to 99%, such as 80%"},
        {"{requests: 1, per: 1m, on_failure: retry}",
         "f:5:40: quotas[0].on_failure: \"retry\" is unknown; write one of: local, deny, allow"},
    };
    EXPECT_ALL(OVER, checks);
}

Test(quota_checks, the_same_twice)
{
    static const struct check checks[] = {
        {"{requests: 1, per: 60s}\n  - {requests: 2, per: 1m, burst: 1}",
         "f:6:5: quotas[1]: the quota at line 5 counts the same (requests/60s); keep one of them"},
        {"{requests: 1, per: day}\n  - {requests: 2, per: 1d}",
         "f:6:5: quotas[1]: the quota at line 5 counts the same (requests/day); keep one of them"},
        {"{requests: 1, per: 1m, each: header:X-User}\n"
         "  - {requests: 2, per: 1m, each: header:x-user}",
         "f:6:5: quotas[1]: the quota at line 5 counts the same (requests/60s/each=header.x-user); "
         "keep one of them"},
        {"{name: a, requests: 1, per: 1m}\n  - {name: a, requests: 2, per: day}",
         "f:6:12: quotas[1].name: the quota at line 5 is called so already, and both may apply to "
         "one request; write another name"},
        {"{name: A, requests: 1, per: 1m}",
         "f:5:12: quotas[0].name: a name has only a-z, 0-9, '.', '_' and '-', begins with a letter "
         "or digit, and is 64 bytes long at most"},
        {"{name: a, requests: 1, per: 1m}\n"
         "tenants: {t: {keys: [], quotas: [{name: a, bytes: 1B, per: day}]}}",
         "f:6:41: tenants.t.quotas[0].name: the quota at line 5 is called so already, and both may "
         "apply to one request; write another name"},
    };
    EXPECT_ALL(OVER, checks);
}

Test(quota_checks, the_same_for_two_tenants_is_no_problem)
{
    load(ROUTES "quotas: [{requests: 1, per: 1m}]\n"
                "tenants:\n"
                "  a: {keys: [], quotas: [{name: x, requests: 1, per: 1m}]}\n"
                "  b: {keys: [], quotas: [{name: x, requests: 1, per: 1m}]}\n");
    cr_expect_eq(problems.count, 0U, "%s", problem_line(problems.list, problems.count, 0));
}

/* `own` rules of one tenant and `all` over tenants, of which every second is for one route. */
static const char *many(struct buffer *out, unsigned own, unsigned all, const char *route)
{
    cr_assert_eq(buffer_print(out, "%squotas:\n", ROUTES), STATUS_OK);
    for (unsigned i = 0; i < all; i++) {
        cr_assert_eq(buffer_print(out, "  - {requests: 1, per: %us%s}\n", i + 1,
                                  i % 2 == 0 ? ", route: openai" : ""),
                     STATUS_OK);
    }
    cr_assert_eq(buffer_print(out, "tenants:\n  t:\n    keys: []\n    quotas:\n"), STATUS_OK);
    for (unsigned i = 0; i < own; i++) {
        cr_assert_eq(buffer_print(out, "      - {requests: 1, per: %us%s%s}\n", i + 1,
                                  i % 2 == 0 ? ", route: " : "", i % 2 == 0 ? route : ""),
                     STATUS_OK);
    }
    cr_assert_eq(buffer_append(out, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(out).ptr;
}

Test(quota_checks, more_rules_than_one_request_can_have)
{
    static const struct {
        unsigned own, all;
        const char *route;
        const char *expected; /* NULL: it is fine */
    } cases[] = {
        {20, 12, "openai", NULL},
        {21, 12, "openai",
         "f:20:5: tenants.t.quotas: 33 quotas apply to one request of route \"openai\", those over "
         "all tenants included, and 32 are the most; take some out"},
        {40, 12, "stripe",
         "f:20:5: tenants.t.quotas: 46 quotas apply to one request of route \"stripe\", those over "
         "all tenants included, and 32 are the most; take some out"},
        {26, 12, "stripe", NULL},
        {0, 33, "openai",
         "f:4:1: quotas: 33 quotas apply to one request of route \"openai\", those over all "
         "tenants "
         "included, and 32 are the most; take some out"},
    };
    cr_assert_eq((unsigned)RESERVATION_DEMANDS_MAX, 32U);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buffer_fini) struct buffer text;
        buffer_init(&text, 65536);
        load(many(&text, cases[i].own, cases[i].all, cases[i].route));
        const char *line = problem_line(problems.list, problems.count, 0);
        cr_expect_str_eq(line, cases[i].expected == NULL ? "" : cases[i].expected, "%s", line);
        cr_expect_leq(problems.count, 1U);
    }
}

Test(quota_checks, the_rules_of_one_tenant_are_not_counted_with_those_of_the_next)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, 65536);
    cr_assert_eq(buffer_print(&text, "%stenants:\n", ROUTES), STATUS_OK);
    for (unsigned i = 0; i < 60; i++) {
        if (i % 20 == 0) {
            cr_assert_eq(buffer_print(&text, "  t%u:\n    keys: []\n    quotas:\n", i), STATUS_OK);
        }
        cr_assert_eq(buffer_print(&text, "      - {requests: 1, per: %us, route: openai}\n", i + 1),
                     STATUS_OK);
    }
    cr_assert_eq(buffer_append(&text, slice_make("", 1)), STATUS_OK);
    load(buffer_bytes(&text).ptr);
    cr_expect_eq(problems.count, 0U, "%s", problem_line(problems.list, problems.count, 0));
}

Test(quota_checks, budgets_in_memory_are_warned_of_once)
{
    load("version: 1\nroutes: {openai: {credential: none}}\n"
         "quotas: [{requests: 1, per: 1m}, {requests: 1, per: day}, {requests: 1, per: week}]\n");
    cr_assert_not_null(snapshot);
    cr_expect_eq(problems.warning_count, 1U);
    cr_expect_str_eq(
        problem_line(problems.warnings, problems.warning_count, 0),
        "f:3:53: quotas[1].per: budgets restart at zero when the gateway restarts, for "
        "store.url is memory: and there is no ledger to fill them from; to keep them write "
        "ledger: {url: \"sqlite:usage.db\"}");
    load("version: 1\nquotas: [{requests: 1, per: day}]\nledger: {url: \"sqlite:u.db\"}\n");
    cr_expect_eq(problems.warning_count, 0U, "a ledger fills them again");
    load("version: 1\nquotas: [{requests: 1, per: day}]\nledger: none\n");
    cr_expect_eq(problems.warning_count, 1U);
    load("version: 1\nquotas: [{requests: 1, per: 1m}, {concurrency: 1}]\n");
    cr_expect_eq(problems.warning_count, 0U);
    load(OVER "{requests: 1, per: day}\n");
    cr_expect_eq(problems.warning_count, 0U);
}
