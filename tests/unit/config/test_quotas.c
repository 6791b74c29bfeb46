#include "base/http1.h"
#include "base/problems.h"
#include "config/document.h"
#include "config/link.h"
#include "config/snapshot.h"
#include "limiter/limit.h"
#include "limiter/zone.h"
#include "routes/price.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#define HASH_1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

#define ROUTES                                                                                     \
    "version: 1\n"                                                                                 \
    "routes:\n"                                                                                    \
    "  stripe: {credential: none}\n"                                                               \
    "  openai: {credential: none}\n"                                                               \
    "  anthropic: {credential: none}\n"

static struct problems problems;
static struct snapshot *snapshot;

static void teardown(void)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
}

TestSuite(quotas, .fini = teardown);

static void load(const char *text)
{
    teardown();
    enum status status = snapshot_parse("conf/f", slice_from(text), NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
    cr_assert_eq(status == STATUS_OK, snapshot != NULL);
}

static void load_valid(const char *text)
{
    load(text);
    cr_assert_eq(problems.count, 0U, "%s", problems.count > 0 ? problems.list[0].message : "");
}

static const struct limit *find(const char *name)
{
    for (unsigned i = 0; i < snapshot->limit_count; i++) {
        if (strcmp(snapshot->limits[i]->name, name) == 0) {
            return snapshot->limits[i];
        }
    }
    cr_assert_fail("there is no quota %s", name);
    return NULL;
}

Test(quotas, each_unit_and_span_is_read_in_whole_numbers)
{
    load_valid(ROUTES "quotas:\n"
                      "  - {requests: 2k, per: 90s}\n"
                      "  - {tokens: 1M, per: day}\n"
                      "  - {cost: 250 USD, per: month}\n"
                      "  - {cost: 0.000000001 USD, per: 1h}\n"
                      "  - {cost: 9000000 USD, per: 366d}\n"
                      "  - {bytes: 64KiB, per: 1d}\n"
                      "  - {bytes: 1GiB, per: week}\n"
                      "  - {concurrency: 10}\n"
                      "  - {requests: 9000000000M, per: 1s}\n"
                      "  - {requests: 1, per: 60m}\n");
    static const struct {
        const char *name;
        enum limit_unit unit;
        uint64_t amount;
        enum limit_span span;
        usec_t period;
        unsigned days;
    } expected[] = {
        {"all-requests-90s", LIMIT_REQUESTS, 2000, LIMIT_RATE, 90 * SEC, 0},
        {"all-tokens-day", LIMIT_TOKENS, 1000000, LIMIT_DAYS, 0, 1},
        {"all-cost-month", LIMIT_COST, UINT64_C(250000000000), LIMIT_MONTH, 0, 0},
        {"all-cost-1h", LIMIT_COST, 1, LIMIT_RATE, 3600 * SEC, 0},
        {"all-cost-366d", LIMIT_COST, LIMIT_AMOUNT_MAX, LIMIT_DAYS, 0, 366},
        {"all-bytes-day", LIMIT_BYTES, 65536, LIMIT_DAYS, 0, 1},
        {"all-bytes-week", LIMIT_BYTES, UINT64_C(1) << 30, LIMIT_WEEK, 0, 0},
        {"all-concurrency", LIMIT_CONCURRENCY, 10, LIMIT_HELD, 0, 0},
        {"all-requests-1s", LIMIT_REQUESTS, LIMIT_AMOUNT_MAX, LIMIT_RATE, SEC, 0},
        {"all-requests-1h", LIMIT_REQUESTS, 1, LIMIT_RATE, 3600 * SEC, 0},
    };
    size_t count = sizeof(expected) / sizeof(expected[0]);
    cr_assert_eq(snapshot->limit_count, count);
    for (unsigned i = 0; i < count; i++) {
        const struct limit *limit = snapshot->limits[i];
        cr_expect_str_eq(limit->name, expected[i].name);
        cr_expect_eq(limit->index, i);
        cr_expect_eq(limit->unit, expected[i].unit);
        cr_expect_eq(limit->amount, expected[i].amount, "%s", limit->name);
        cr_expect_eq(limit->span, expected[i].span);
        cr_expect_eq(limit->period, expected[i].period);
        cr_expect_eq(limit->days, expected[i].days);
        cr_expect_eq(limit->burst, limit->span == LIMIT_RATE ? limit->amount : 0);
        bool window = limit->span != LIMIT_RATE && limit->span != LIMIT_HELD;
        cr_expect_eq(limit->zone, window ? snapshot->gateway.zone : NULL);
    }
}

Test(quotas, all_that_a_rule_may_say_is_taken)
{
    load_valid(ROUTES
               "tenants:\n"
               "  checkout:\n"
               "    keys: []\n"
               "    quotas:\n"
               "      - {name: rpm, requests: 600, per: 1m, burst: 100, route: openai,\n"
               "         model: \"gpt-4o*\", each: \"header:X-User\", warn_at: 80%, wait: 5s,\n"
               "         on_failure: allow}\n"
               "      - {name: soft, cost: 1.50 USD, per: 1m, burst: 0.25 USD, action: warn}\n");
    const struct limit *limit = find("rpm");
    cr_expect_str_eq(limit->tenant, "checkout");
    cr_expect_str_eq(limit->route, "openai");
    cr_expect_eq((unsigned)limit->route_index, 1U);
    cr_expect(slice_equal(limit->model, SLICE("gpt-4o*")));
    cr_expect_eq(limit->each, EACH_HEADER);
    cr_expect(slice_equal(limit->header, SLICE("x-user")));
    cr_expect_eq(limit->header_hash, http1_name_hash(SLICE("X-User")));
    cr_expect_eq(limit->burst, 100U);
    cr_expect_eq(limit->action, LIMIT_DENY);
    cr_expect_eq(limit->warn_percent, 80U);
    cr_expect_eq(limit->wait, 5 * SEC);
    cr_expect_eq(limit->on_failure, STORE_ALLOW);
    limit = find("soft");
    cr_expect_eq(limit->amount, 1500000000U);
    cr_expect_eq(limit->burst, 250000000U);
    cr_expect_eq(limit->action, LIMIT_WARN);
    cr_expect_eq(limit->warn_percent, 0U);
    cr_expect_eq(limit->wait, 0);
    cr_expect_eq(limit->route_index, -1);
    cr_expect_null(limit->route);
}

Test(quotas, a_rule_without_on_failure_has_that_of_the_store)
{
    load_valid("version: 1\n"
               "store: {on_failure: deny}\n"
               "quotas: [{requests: 1, per: 1s}, {requests: 1, per: 2s, on_failure: local}]\n");
    cr_expect_eq(find("all-requests-1s")->on_failure, STORE_DENY);
    cr_expect_eq(find("all-requests-2s")->on_failure, STORE_LOCAL);
}

Test(quotas, keys_are_of_what_is_limited_and_of_the_names_of_store_and_tenant)
{
    static const char config[] =
        ROUTES "store: {name: shared}\n"
               "tenants:\n"
               "  checkout:\n"
               "    keys: []\n"
               "    quotas: [{tokens: %s, per: day, route: openai, model: \"gpt-4o*\"}]\n"
               "quotas:\n"
               "  - {requests: 60, per: 1m, each: tenant}\n"
               "  - {concurrency: 9, each: ip}\n";
    char text[1000];
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof(text), config, i == 0 ? "1M" : "20");
        load_valid(text);
        cr_expect_str_eq(find("tokens-day-openai-gpt-4o")->key.ptr,
                         "{shared:checkout}:v2:q:tokens/day/route=openai/model=gpt-4o*");
        cr_expect_str_eq(find("all-requests-1m-each-tenant")->key.ptr, "requests/60s/each=tenant");
        cr_expect_str_eq(find("all-concurrency-each-ip")->key.ptr,
                         "{shared}:v2:q:concurrency/each=ip");
    }
}

Test(quotas, names_are_derived_where_none_is_written_and_stay_unique)
{
    load_valid(ROUTES "quotas: [{name: requests-2m, requests: 7, per: 7s}]\n"
                      "tenants:\n"
                      "  a:\n"
                      "    keys: []\n"
                      "    quotas:\n"
                      "      - {requests: 1, per: 1m}\n"
                      "      - {requests: 1, per: 2m}\n"
                      "      - {requests: 1, per: day, each: \"header:X!User\"}\n"
                      "      - {requests: 1, per: 7d, each: ip}\n"
                      "      - {tokens: 1, per: day, route: openai, model: gpt-4o}\n"
                      "      - {tokens: 1, per: day, route: openai, model: gpt-4o*}\n"
                      "      - {tokens: 1, per: day, route: openai, model: GPT/4o}\n"
                      "      - {name: concurrency, requests: 1, per: 3s}\n"
                      "      - {concurrency: 1}\n"
                      "      - {cost: 1 USD, per: week, model: "
                      "\"0123456789012345678901234567890123456789012345678901234567890\"}\n"
                      "      - {cost: 1 USD, per: week, model: "
                      "\"0123456789012345678901234567890123456789012345678901234567890*\"}\n"
                      "  b: {keys: [], quotas: [{requests: 1, per: 1m}]}\n");
    static const char *const names[] = {
        "requests-2m",
        "requests-1m",
        "requests-2m-2", /* the one over all has its name */
        "requests-day-each-x-user",
        "requests-7d-each-ip",
        "tokens-day-openai-gpt-4o",
        "tokens-day-openai-gpt-4o-2",
        "tokens-day-openai-gpt-4o-3",
        "concurrency",
        "concurrency-2",
        "cost-week-01234567890123456789012345678901234567890123456789",
        "cost-week-01234567890123456789012345678901234567890123456789-2",
        "requests-1m",
    };
    size_t count = sizeof(names) / sizeof(names[0]);
    cr_assert_eq(snapshot->limit_count, count);
    for (unsigned i = 0; i < count; i++) {
        cr_expect_str_eq(snapshot->limits[i]->name, names[i]);
        cr_expect_leq(strlen(snapshot->limits[i]->name), 64U);
    }
}

static const struct tenant *tenant(const char *name)
{
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        if (strcmp(snapshot->tenants[i]->name, name) == 0) {
            return snapshot->tenants[i];
        }
    }
    cr_assert_fail("there is no tenant %s", name);
    return NULL;
}

Test(quotas, a_tenant_has_its_own_and_a_route_those_over_tenants)
{
    load_valid(ROUTES
               "quotas:\n"
               "  - {requests: 1, per: 1s}\n"
               "  - {tokens: 1, per: 1s, route: openai}\n"
               "  - {requests: 1, per: 1s, route: stripe}\n"
               "tenants:\n"
               "  z: {keys: [], quotas: [{requests: 1, per: 2s}, {cost: 1 USD, per: day}]}\n"
               "  b: {keys: []}\n"
               "  a: {keys: [], quotas: [{requests: 1, per: 3s, model: x}, {concurrency: 2}]}\n"
               "  c: {keys: [], quotas: [{bytes: 1KiB, per: 3s}]}\n");
    cr_assert_eq(snapshot->limit_count, 8U);
    const struct limit_set *sets = snapshot->route_limits;
    /* By route->index: anthropic, openai, stripe. */
    cr_assert_eq(sets[0].count, 1U);
    cr_expect_str_eq(sets[0].limits[0]->name, "all-requests-1s");
    cr_expect_not(sets[0].needs_body);
    cr_assert_eq(sets[1].count, 2U);
    cr_expect_str_eq(sets[1].limits[1]->name, "all-tokens-1s-openai");
    cr_expect(sets[1].needs_body);
    cr_assert_eq(sets[2].count, 2U);
    cr_expect_str_eq(sets[2].limits[1]->name, "all-requests-1s-stripe");
    cr_expect_not(sets[2].needs_body);

    cr_assert_eq(tenant("z")->limits->count, 2U);
    cr_expect_str_eq(tenant("z")->limits->limits[1]->name, "cost-day");
    cr_expect(tenant("z")->limits->needs_body);
    cr_expect_null(tenant("b")->limits);
    cr_assert_eq(tenant("a")->limits->count, 2U);
    cr_expect_str_eq(tenant("a")->limits->limits[0]->tenant, "a");
    cr_expect(tenant("a")->limits->needs_body);
    cr_expect_not(tenant("c")->limits->needs_body);
}

Test(quotas, without_any_there_are_none)
{
    load_valid(ROUTES "tenants: {a: {keys: [], quotas: []}}\nquotas: []\n");
    cr_expect_eq(snapshot->limit_count, 0U);
    cr_expect_eq(snapshot->route_limits[2].count, 0U);
    cr_expect_null(tenant("a")->limits);
}

Test(quotas, windows_follow_the_zone_of_the_gateway)
{
    load_valid("version: 1\n");
    cr_expect_str_eq(zone_name(snapshot->gateway.zone), "UTC");
    load_valid("version: 1\ngateway: {time_zone: Europe/Berlin}\n");
    cr_expect_str_eq(zone_name(snapshot->gateway.zone), "Europe/Berlin");
}

Test(quotas, a_zone_that_the_system_does_not_have_is_a_problem)
{
    load("version: 1\ngateway: {time_zone: Europe/Berlim}\n");
    cr_assert_eq(problems.count, 1U);
    cr_expect_str_eq(
        problems.list[0].message,
        "gateway.time_zone: no time zone is called \"Europe/Berlim\" here; write one of "
        "the system's (package tzdata), such as Europe/Berlin or UTC");
}

Test(quotas, of_cost_are_reckoned_with_the_prices_of_the_provider)
{
    load_valid(ROUTES "quotas: [{cost: 1 USD, per: 1m}]\n");
    /* By route->index: anthropic, openai, stripe. */
    cr_expect_not_null(snapshot->routes[0]->prices);
    cr_expect_eq(snapshot->routes[1]->prices, price_book_find(snapshot->prices, SLICE("openai")));
    cr_expect_null(snapshot->routes[2]->prices);
    cr_expect_eq(problems.warning_count, 0U);
}

Test(quotas, of_cost_where_no_prices_are_known_are_warned_of)
{
    CLEANUP(arena_fini) struct arena arena = {0};
    const struct profile profile = {.name = "acme", .call_count = 1};
    struct route unpriced = {.name = "ours", .profile = &profile};
    struct route *routes[] = {&unpriced};
    struct snapshot bare = {.routes = routes, .route_count = 1, .store = {.name = "s"}};
    struct config_sections sections = {0};
    struct link link = {
        .snapshot = &bare, .arena = &arena, .problems = &problems, .sections = &sections};
    const struct tree *root = document_parse(
        &arena, "f", SLICE("[{cost: 1 USD, per: 1m}, {tokens: 1, per: 1m}]"), &problems);
    for (unsigned i = 0; i < 2; i++) {
        struct quota_section section = {0};
        struct limit limit = {0};
        const struct fields_sink sink = {.arena = &arena, .problems = &problems};
        fields_bind(&sink, root->items[i], quota_fields, &section);
        section.node = root->items[i];
        cr_expect(link_quota(&link, &section, &limit));
    }
    cr_expect_eq(problems.count, 0U);
    cr_assert_eq(problems.warning_count, 1U);
    cr_expect_str_eq(
        problems.warnings[0].message,
        "[0].cost: no prices of provider acme are known, so calls of route \"ours\" are "
        "not counted; limit their tokens");
}
