#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_row.h"
#include "gateway/reprice.h"
#include "routes/price.h"
#include "routes/profile.h"
#include "routes/route.h"

#include <criterion/criterion.h>

static struct arena arena;
static struct route routes[3];
static struct route *route_list[] = {&routes[0], &routes[1], &routes[2]};
static struct snapshot snapshot = {.routes = route_list, .route_count = 3};
static struct ledger_row row;

static const struct price_list *prices_of(const char *json)
{
    struct error err;
    struct price_list *list = NULL;
    enum status status = price_list_read(&arena, SLICE("openai"), slice_from(json), &list, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.message);
    return list;
}

static void setup(void)
{
    static struct profile openai = {.name = "openai"};
    routes[0] = (struct route){.name = "ai", .profile = &openai};
    routes[1] = (struct route){.name = "other", .profile = &openai};
    routes[2] = (struct route){.name = "bare", .profile = &openai};
    routes[0].prices = prices_of(
        "{\"as_of\":\"2026-11-26\",\"source\":\"a test\",\"models\":{"
        "\"m\":{\"input\":\"1\",\"output\":\"2\",\"tier\":{\"above_tokens\":100,\"input\":\"3\"}},"
        "\"all\":{\"input\":\"1\",\"cache_read\":\"2\",\"cache_write\":\"3\",\"audio_input\":\"5\","
        "\"image_input\":\"7\",\"output\":\"11\",\"audio_output\":\"13\",\"image_output\":\"17\","
        "\"reasoning\":\"19\",\"per_message\":\"0.000000023\",\"per_segment\":\"0.000000029\","
        "\"per_search\":\"0.000000031\",\"per_request\":\"0.000000037\"},"
        "\"sound\":{\"per_second\":\"0.000001\"},"
        "\"dear\":{\"input\":\"50\",\"output\":\"60\"}}}");
    routes[1].prices = prices_of("{\"as_of\":\"2026-11-26\",\"source\":\"a test\",\"models\":{"
                                 "\"m\":{\"input\":\"4\",\"output\":\"4\"}}}");
    row = (struct ledger_row){.flags = LEDGER_METERED | LEDGER_EXACT, .cost = 77};
    LEDGER_TEXT(row.route, SLICE("ai"));
    LEDGER_TEXT(row.provider, SLICE("openai"));
    LEDGER_TEXT(row.model, SLICE("m"));
    row.units[LEDGER_UNIT_INPUT] = 10;
    row.units[LEDGER_UNIT_OUTPUT] = 5;
}

static void teardown(void)
{
    arena_fini(&arena);
}

TestSuite(reprice, .init = setup, .fini = teardown);

static void expect_cost(uint64_t cost, bool stands_in)
{
    uint64_t told = 0;
    bool fallback = !stands_in;
    cr_assert_eq(reprice_row(&snapshot, &row, &told, &fallback), REPRICE_PRICED);
    cr_expect_eq(told, cost, "%llu", (unsigned long long)told);
    cr_expect_eq(fallback, stands_in);
}

static void expect_left(enum reprice_verdict verdict)
{
    uint64_t told = 0;
    bool fallback = false;
    cr_expect_eq(reprice_row(&snapshot, &row, &told, &fallback), verdict);
}

Test(reprice, prices_are_those_of_the_model_on_the_route_that_served_it)
{
    expect_cost(10 * 1000 + 5 * 2000, false);
    LEDGER_TEXT(row.served_by, SLICE("other"));
    expect_cost(15 * 4000, false);
    LEDGER_TEXT(row.served_by, SLICE(""));
    LEDGER_TEXT(row.model, SLICE("unknown"));
    expect_cost(10 * 50000 + 5 * 60000 + 37, true); /* of each figure the dearest */
}

Test(reprice, a_tier_is_known_by_all_kinds_of_input)
{
    row.units[LEDGER_UNIT_INPUT] = 60;
    row.units[LEDGER_UNIT_CACHE_READ] = 30;
    row.units[LEDGER_UNIT_AUDIO] = 10;
    row.units[LEDGER_UNIT_OUTPUT] = 0;
    expect_cost(100 * 1000, false);
    row.units[LEDGER_UNIT_AUDIO] = 11;
    expect_cost(101 * 3000, false);
    row.units[LEDGER_UNIT_AUDIO_OUTPUT] = 1; /* of these eleven */
    expect_cost(100 * 1000 + 2000, false);
}

Test(reprice, every_unit_that_has_a_price_is_kept)
{
    LEDGER_TEXT(row.model, SLICE("all"));
    memset(row.units, 0, sizeof(row.units));
    row.units[LEDGER_UNIT_INPUT] = 100 + 4; /* four of them images */
    row.units[LEDGER_UNIT_IMAGE_INPUT] = 4;
    row.units[LEDGER_UNIT_CACHE_READ] = 2;
    row.units[LEDGER_UNIT_CACHE_WRITE] = 3;
    row.units[LEDGER_UNIT_OUTPUT] = 200 + 6;
    row.units[LEDGER_UNIT_IMAGE_OUTPUT] = 6;
    row.units[LEDGER_UNIT_REASONING] = 50;
    row.units[LEDGER_UNIT_AUDIO] = 8 + 9;
    row.units[LEDGER_UNIT_AUDIO_OUTPUT] = 9;
    row.units[LEDGER_UNIT_MESSAGES] = 2;
    row.units[LEDGER_UNIT_SEGMENTS] = 3;
    row.units[LEDGER_UNIT_SEARCHES] = 4;
    expect_cost(
        1000 * (100 * 1 + 4 * 7 + 2 * 2 + 3 * 3 + 150 * 11 + 50 * 19 + 6 * 17 + 8 * 5 + 9 * 13) +
            2 * 23 + 3 * 29 + 4 * 31 + 37,
        false);
    LEDGER_TEXT(row.model, SLICE("sound"));
    memset(row.units, 0, sizeof(row.units));
    row.units[LEDGER_UNIT_MILLISECONDS] = 1500;
    expect_cost(1500, false);
}

Test(reprice, what_cannot_be_known_is_left_alone)
{
    row.flags = LEDGER_METERED | LEDGER_EXACT | LEDGER_ESTIMATED;
    expect_left(REPRICE_ESTIMATED);
    row.flags = LEDGER_METERED | LEDGER_EXACT | LEDGER_ESTIMATED | LEDGER_GATEWAY_DIED;
    expect_left(REPRICE_DIED);
    row.flags = LEDGER_METERED; /* of several attempts, or of an older version */
    expect_left(REPRICE_NOT_KEPT);
    row.cost = 0;
    expect_left(REPRICE_NOT_KEPT);
    memset(row.units, 0, sizeof(row.units));
    row.units[LEDGER_UNIT_REQUEST_BYTES] = 100;
    expect_left(REPRICE_NOTHING); /* an error, which costs nothing */
    row.flags = 0;
    row.cost = 5;
    expect_left(REPRICE_NOTHING);
}

Test(reprice, without_a_price_today_nothing_is_taken_back)
{
    LEDGER_TEXT(row.served_by, SLICE("bare"));
    expect_left(REPRICE_NO_PRICE);
    LEDGER_TEXT(row.served_by, SLICE("gone"));
    expect_left(REPRICE_NO_PRICE);
    LEDGER_TEXT(row.served_by, SLICE(""));
    LEDGER_TEXT(row.provider, SLICE("anthropic")); /* the route leads elsewhere today */
    expect_left(REPRICE_NO_PRICE);
    LEDGER_TEXT(row.provider, SLICE("openai"));
    LEDGER_TEXT(row.model, SLICE("sound"));
    memset(row.units, 0, sizeof(row.units));
    row.units[LEDGER_UNIT_IMAGES] = 2; /* for which it has none */
    expect_left(REPRICE_NO_PRICE);
}
