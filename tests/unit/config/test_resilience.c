#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(resilience, .init = setup, .fini = teardown);

/* One route, "r", of an upstream in no particular; `keys` are its further ones, in flow style from
 * line 3, column 5 on. */
static void load(const char *keys)
{
    char text[2000];
    (void)snprintf(
        text, sizeof(text),
        "version: 1\nroutes: {r: {provider: http, base_url: \"http://x/base\",\n    %s}}\n", keys);
    parse_text(text);
}

static const struct route *load_valid(const char *keys)
{
    load(keys);
    cr_assert_eq(problems.count, 0U, "%s: %s", keys, problem_at(0));
    return snapshot->routes[0];
}

struct refusal {
    const char *keys;
    const char *expected; /* behind "f:3:" */
};

static void expect_refused(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char line[2000];
        load(cases[i].keys);
        (void)snprintf(line, sizeof(line), "f:3:%s", cases[i].expected);
        cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, cases[i].keys);
        cr_expect_str_eq(problem_at(0), line, "%s", problem_at(0));
    }
}

#define EXPECT_REFUSED(cases) expect_refused((cases), sizeof(cases) / sizeof((cases)[0]))

/* ---- retries ---- */

static void expect_statuses(const struct retry_policy *policy, const uint16_t *statuses,
                            unsigned count)
{
    cr_assert_eq(policy->status_count, count);
    for (unsigned i = 0; i < count; i++) {
        cr_expect_eq(policy->statuses[i], statuses[i]);
    }
}

Test(resilience, retries_have_the_defaults_of_the_contract)
{
    static const uint16_t statuses[] = {408, 429, 500, 502, 503, 504};
    static const char *const same[] = {"", "retry: {}", "retry: {attempts: 3, base: 250ms}"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const struct retry_policy *retry = &load_valid(same[i])->retry;
        cr_expect_eq(retry->attempts, 3U);
        cr_expect_eq(retry->base, 250 * MSEC);
        cr_expect_eq(retry->factor, 2U);
        cr_expect_eq(retry->cap, 8 * SEC);
        cr_expect_eq(retry->jitter, (unsigned)RETRY_JITTER_FULL);
        cr_expect_eq(retry->budget, 20U);
        cr_expect_eq(retry->buffer, 1024U * 1024);
        expect_statuses(retry, statuses, 6);
    }
}

Test(resilience, retries_are_as_written)
{
    static const uint16_t statuses[] = {503, 429, 400, 599};
    const struct retry_policy *retry =
        &load_valid("retry: {attempts: 10, base: 1s, factor: 10, cap: 1s, jitter: none, "
                    "statuses: [503, 429, 400, \"599\"], budget: 0%, buffer: 32MiB}")
             ->retry;
    cr_expect_eq(retry->attempts, 10U);
    cr_expect_eq(retry->base, SEC);
    cr_expect_eq(retry->factor, 10U);
    cr_expect_eq(retry->cap, SEC);
    cr_expect_eq(retry->jitter, (unsigned)RETRY_JITTER_NONE);
    cr_expect_eq(retry->budget, 0U);
    cr_expect_eq(retry->buffer, 32U * 1024 * 1024);
    expect_statuses(retry, statuses, 4);
    cr_expect_eq(load_valid("retry: {statuses: []}")->retry.status_count, 0U);
}

Test(resilience, without_retries_there_is_one_attempt_and_little_is_held)
{
    static const struct {
        const char *keys;
        unsigned attempts;
        uint64_t buffer;
    } cases[] = {
        {"retry: off", 1, 64 * 1024},
        {"retry: {attempts: 1}", 1, 64 * 1024},
        {"retry: {attempts: 1, buffer: 2MiB}", 1, 2 * 1024 * 1024},
        {"retry: {attempts: 1, buffer: 0B}", 1, 0},
        {"retry: {attempts: 2}", 2, 1024 * 1024},
        {"retry: off, fallback: [s]}, s: {provider: http, base_url: \"http://x\"", 1, 1024 * 1024},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct retry_policy *retry = &load_valid(cases[i].keys)->retry;
        cr_expect_eq(retry->attempts, cases[i].attempts, "%s", cases[i].keys);
        cr_expect_eq(retry->buffer, cases[i].buffer, "%s", cases[i].keys);
        cr_expect_eq(retry->status_count, 6U);
    }
}

Test(resilience, retries_that_make_no_sense_are_refused)
{
    static const struct refusal cases[] = {
        {"retry: {attempts: 0}", "23: routes.r.retry.attempts: \"0\" is too small; the least is 1"},
        {"retry: {attempts: 11}",
         "23: routes.r.retry.attempts: \"11\" is too large; the most is 10"},
        {"retry: {base: 0s}", "19: routes.r.retry.base: \"0s\" is too small; the least is 1ms"},
        {"retry: {base: 10s}",
         "19: routes.r.retry.base: base is longer than cap; write cap (8s) or "
         "less, or a longer cap"},
        {"retry: {cap: 100ms}", "18: routes.r.retry.cap: cap is shorter than base; write base "
                                "(250ms) or more, or a shorter base"},
        {"retry: {base: 2s, cap: 1s}",
         "19: routes.r.retry.base: base is longer than cap; write cap "
         "(1s) or less, or a longer cap"},
        {"retry: {factor: 0}", "21: routes.r.retry.factor: \"0\" is too small; the least is 1"},
        {"retry: {factor: 11}", "21: routes.r.retry.factor: \"11\" is too large; the most is 10"},
        {"retry: {jitter: ful}",
         "21: routes.r.retry.jitter: \"ful\" is unknown; did you mean \"full\"?"},
        {"retry: {statuses: [503, 399]}", "29: routes.r.retry.statuses[1]: \"399\" is no status of "
                                          "a failure; write 400 to 599"},
        {"retry: {statuses: [600]}", "24: routes.r.retry.statuses[0]: \"600\" is no status of a "
                                     "failure; write 400 to 599"},
        {"retry: {statuses: [5xx]}", "24: routes.r.retry.statuses[0]: \"5xx\" is no status of a "
                                     "failure; write 400 to 599"},
        {"retry: {statuses: [503, 503]}",
         "29: routes.r.retry.statuses[1]: \"503\" is listed already; take one out"},
        {"retry: {statuses: 503}", "23: routes.r.retry.statuses: expected a list, found a single "
                                   "value; write [429, 503]"},
        {"retry: {budget: 20}",
         "21: routes.r.retry.budget: \"20\": no unit; write whole percents such as 20%"},
        {"retry: {budget: 101%}",
         "21: routes.r.retry.budget: \"101%\" is too large; the most is 100%"},
        {"retry: {buffer: 33MiB}",
         "21: routes.r.retry.buffer: \"33MiB\" is too large; the most is 32MiB"},
        {"retry: {tries: 3}", "13: routes.r.retry.tries: unknown key; known here: attempts, base, "
                              "factor, cap, jitter, statuses, budget, buffer"},
        {"retry: on",
         "12: routes.r.retry: expected a map, found a single value; write {attempts: 3}, or "
         "off"},
    };
    EXPECT_REFUSED(cases);
}

Test(resilience, statuses_are_32_at_most)
{
    char keys[400];
    size_t used = (size_t)snprintf(keys, sizeof(keys), "retry: {statuses: [");
    for (unsigned i = 0; i < 33; i++) {
        used += (size_t)snprintf(keys + used, sizeof(keys) - used, "%u, ", 400 + i);
    }
    (void)snprintf(keys + used, sizeof(keys) - used, "]}");
    load(keys);
    cr_expect_eq(problems.count, 1U);
    cr_expect_str_eq(problem_at(0), "f:3:184: routes.r.retry.statuses[32]: this is one too many; "
                                    "write 32 statuses at most");
}

/* ---- circuit ---- */

Test(resilience, circuits_have_the_defaults_of_the_contract)
{
    static const char *const same[] = {"", "breaker: {}", "breaker: {window: 30s, slow: off}"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const struct breaker_policy *breaker = &load_valid(same[i])->breaker;
        cr_expect_not(breaker->off);
        cr_expect_eq(breaker->window, 30 * SEC);
        cr_expect_eq(breaker->min_requests, 20U);
        cr_expect_eq(breaker->failure_rate, 50U);
        cr_expect_eq(breaker->consecutive, 5U);
        cr_expect_eq(breaker->open, 5 * SEC);
        cr_expect_eq(breaker->max_open, 120 * SEC);
        cr_expect_eq(breaker->probes, 3U);
        cr_expect_eq(breaker->slow, 0);
        cr_expect_eq(breaker->slow_rate, 100U);
    }
}

Test(resilience, circuits_are_as_written_or_off)
{
    const struct breaker_policy *breaker =
        &load_valid(
             "breaker: {window: 1m, min_requests: 1, failure_rate: 1%, consecutive: 1, open: "
             "1m, max_open: 1m, probes: 1, slow: 2s, slow_rate: 80%}")
             ->breaker;
    cr_expect_not(breaker->off);
    cr_expect_eq(breaker->window, 60 * SEC);
    cr_expect_eq(breaker->min_requests, 1U);
    cr_expect_eq(breaker->failure_rate, 1U);
    cr_expect_eq(breaker->consecutive, 1U);
    cr_expect_eq(breaker->open, 60 * SEC);
    cr_expect_eq(breaker->max_open, 60 * SEC);
    cr_expect_eq(breaker->probes, 1U);
    cr_expect_eq(breaker->slow, 2 * SEC);
    cr_expect_eq(breaker->slow_rate, 80U);
    cr_expect(load_valid("breaker: off")->breaker.off);
}

Test(resilience, circuits_that_make_no_sense_are_refused)
{
    static const struct refusal cases[] = {
        {"breaker: {open: 3m}", "21: routes.r.breaker.open: open is longer than max_open; write "
                                "max_open (2m) or less, or a longer max_open"},
        {"breaker: {max_open: 1s}", "25: routes.r.breaker.max_open: max_open is shorter than open; "
                                    "write open (5s) or more, or a shorter open"},
        {"breaker: {failure_rate: 0%}",
         "29: routes.r.breaker.failure_rate: \"0%\" is too small; the least is 1%"},
        {"breaker: {failure_rate: 101%}",
         "29: routes.r.breaker.failure_rate: \"101%\" is too large; the most is 100%"},
        {"breaker: {slow: 1s, slow_rate: 0%}",
         "36: routes.r.breaker.slow_rate: \"0%\" is too small; the least is 1%"},
        {"breaker: {slow_rate: 50%}",
         "15: routes.r.breaker.slow_rate: no call is slow without slow; "
         "write slow: 10s, or take this out"},
        {"breaker: {probes: 0}", "23: routes.r.breaker.probes: \"0\" is too small; the least is 1"},
        {"breaker: {window: 999ms}",
         "23: routes.r.breaker.window: \"999ms\" is too small; the least is 1s"},
    };
    EXPECT_REFUSED(cases);
}

/* ---- hedging, health, bounds ---- */

Test(resilience, nothing_is_hedged_checked_or_bounded_by_default)
{
    const struct route *route = load_valid("");
    cr_expect_eq(route->hedge_after, 0);
    cr_expect_eq(route->health.path.len, 0U);
    cr_expect_eq(route->max_in_flight, 0U);
    cr_expect_not(route->idempotency_as_is);
    cr_expect_eq(route->model_count, 0U);
    cr_expect_eq(route->fallback_count, 0U);
    cr_expect_eq(snapshot->gateway.limits.exchanges, 10000U);
}

Test(resilience, hedging_health_and_bounds_are_as_written)
{
    const struct route *route = load_valid("hedge: {after: 500ms}, health: {path: /up}, "
                                           "max_in_flight: 2k, idempotency: as_is");
    cr_expect_eq(route->hedge_after, 500 * MSEC);
    cr_expect(slice_equal(route->health.path, SLICE("/base/up")));
    cr_expect_eq(route->health.every, 10 * SEC);
    cr_expect_eq(route->max_in_flight, 2000U);
    cr_expect(route->idempotency_as_is);
    cr_expect_eq(load_valid("health: {path: /, every: 100ms}")->health.every, 100 * MSEC);
    cr_expect_eq(load_valid("max_in_flight: 0")->max_in_flight, 0U);
    cr_expect_not(load_valid("idempotency: hashed")->idempotency_as_is);
}

Test(resilience, health_has_the_path_of_the_profile)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    cr_assert_eq(
        snapshot_parse("f",
                       SLICE("version: 1\nroutes:\n"
                             "  openai: {base_url: \"http://x/base\", credential: none, "
                             "health: {every: 1m}}\n"
                             "  other: {provider: openai, credential: none, health: {path: "
                             "/up}}\n"),
                       NULL, &problems, &snapshot),
        STATUS_OK, "%s", problem_at(0));
    cr_expect(slice_equal(snapshot->routes[0]->health.path, SLICE("/base/v1/models")));
    cr_expect_eq(snapshot->routes[0]->health.every, 60 * SEC);
    cr_expect(slice_equal(snapshot->routes[1]->health.path, SLICE("/up")));
}

Test(resilience, hedging_and_health_that_make_no_sense_are_refused)
{
    static const struct refusal cases[] = {
        {"hedge: {}", "5: routes.r.hedge: after is missing; write after: a duration such as 250ms, "
                      "10s, 5m, 1h or 1d"},
        {"hedge: {after: 0s}", "20: routes.r.hedge.after: \"0s\" is too small; the least is 1ms"},
        {"hedge: {after: 1m}",
         "20: routes.r.hedge.after: the first attempt has ended by then; write "
         "less than timeouts.first_byte (1m)"},
        {"health: {}", "5: routes.r.health: path is missing, and provider http has none for this; "
                       "write path: /health"},
        {"health: {every: 1s}",
         "5: routes.r.health: path is missing, and provider http has none for "
         "this; write path: /health"},
        {"health: {path: up}", "20: routes.r.health.path: a path begins with '/'"},
        {"health: {path: /up, every: 99ms}",
         "32: routes.r.health.every: \"99ms\" is too small; the least is 100ms"},
        {"idempotency: asis",
         "18: routes.r.idempotency: \"asis\" is unknown; did you mean \"as_is\"?"},
        {"max_in_flight: -1",
         "20: routes.r.max_in_flight: \"-1\": write a whole number such as 600, 2k or 1M"},
    };
    EXPECT_REFUSED(cases);
}

Test(resilience, bounds_of_gateway_and_tenants_are_taken)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    cr_assert_eq(
        snapshot_parse("f",
                       SLICE("version: 1\ngateway: {limits: {exchanges: 7}}\n"
                             "tenants: {a: {keys: []}, b: {keys: [], max_in_flight: 3}}\n"),
                       NULL, &problems, &snapshot),
        STATUS_OK, "%s", problem_at(0));
    cr_expect_eq(snapshot->gateway.limits.exchanges, 7U);
    cr_expect_eq(snapshot->tenants[0]->max_in_flight, 0U);
    cr_expect_eq(snapshot->tenants[1]->max_in_flight, 3U);
}

/* ---- models ---- */

Test(resilience, models_are_pairs_of_names)
{
    const struct route *route =
        load_valid("models: {gpt-4o: my-deployment, \"llama3:8b\": \"meta/llama 3\"}");
    cr_assert_eq(route->model_count, 2U);
    cr_expect(slice_equal(route->models[0].model, SLICE("gpt-4o")));
    cr_expect(slice_equal(route->models[0].upstream, SLICE("my-deployment")));
    cr_expect(slice_equal(route->models[1].model, SLICE("llama3:8b")));
    cr_expect(slice_equal(route->models[1].upstream, SLICE("meta/llama 3")));
}

Test(resilience, models_that_no_body_may_have_are_refused)
{
    static const struct refusal cases[] = {
        {"models: {m: \"a\\nb\"}", "17: routes.r.models.m: a model's name has 1 to 128 bytes, and "
                                   "no control characters"},
        {"models: {\"\\x7f\": a}", "14: routes.r.models.?: a model's name has 1 to 128 bytes, and "
                                   "no control characters"},
        {"models: {m: \"\"}", "17: routes.r.models.m: there is no value; write {gpt-4o: "
                              "my-deployment}, or take the line out"},
    };
    EXPECT_REFUSED(cases);
    char keys[300];
    (void)snprintf(keys, sizeof(keys), "models: {m: %0128u}", 7);
    cr_expect_eq(load_valid(keys)->models[0].upstream.len, 128U);
    (void)snprintf(keys, sizeof(keys), "models: {m: %0129u}", 7);
    load(keys);
    cr_expect_eq(problems.count, 1U);
}

/* ---- keys as they are ---- */

#define HASH "sha256:111111111111111111111111111111111111111111111111111111111111111"

static const char *warning_of(const char *idempotency, const char *tenants)
{
    char text[2000];
    (void)snprintf(text, sizeof(text),
                   "version: 1\n"
                   "routes:\n"
                   "  r: {provider: http, base_url: \"http://x\", idempotency: %s}\n"
                   "  s: {provider: http, base_url: \"http://x\"}\n"
                   "tenants:\n%s",
                   idempotency, tenants);
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
    cr_assert_eq(snapshot_parse("f", slice_from(text), NULL, &problems, &snapshot), STATUS_OK, "%s",
                 problem_at(0));
    cr_expect_leq(problems.warning_count, 1U);
    return problem_line(problems.warnings, problems.warning_count, 0);
}

Test(resilience, keys_that_go_as_they_are_from_several_tenants_are_warned_of)
{
    static const char two[] = "  a: {keys: [\"" HASH "1\"], allow: [r, s]}\n"
                              "  b: {keys: [\"" HASH "2\"], allow: [s]}\n"
                              "  c: {keys: [\"" HASH "3\"], allow: [s, \"r:POST /x\"]}\n"
                              "  d: {keys: [\"" HASH "4\"], allow: [r]}\n";
    static const char one[] = "  a: {keys: [\"" HASH "1\"], allow: [r, s]}\n"
                              "  b: {keys: [\"" HASH "2\"], allow: [s]}\n"
                              "  c: {keys: []}\n";
    cr_expect_str_eq(
        warning_of("as_is", two),
        "f:3:58: routes.r.idempotency: tenants \"a\" and \"c\" may both use this route: "
        "where they send the same idempotency key, one gets the other's answer; write "
        "hashed, or a route for each");
    cr_expect_str_eq(warning_of("hashed", two), "");
    cr_expect_str_eq(warning_of("as_is", one), "");
}
