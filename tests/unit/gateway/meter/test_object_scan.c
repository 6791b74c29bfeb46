#include "base/memory.h"
#include "gateway/meter/object_scan.h"
#include "gateway/meter/usage_scan.h"
#include "routes/profile.h"
#include "tests/unit/gateway/meter/tables.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct arena arena;
static struct profile profile;

static const struct object_rule *rule_of(const char *objects)
{
    char json[2048];
    struct error err;
    int len = snprintf(json, sizeof(json), "{\"title\":\"T\",\"objects\":[%s]}", objects);
    enum status status =
        profile_read(&arena, SLICE("t"), slice_make(json, (size_t)len), &profile, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.message);
    const struct object_rule *rule = object_rule_find(&profile, SLICE("POST"), SLICE("/v1/things"));
    cr_assert_not_null(rule);
    return rule;
}

static const char plain[] =
    "{\"id\":\"/id\",\"type\":\"/object\",\"status\":\"/status\",\"currency\":\"/currency\","
    "\"amount\":[\"/amount\",\"/total/0/value\"]}";

/* In pieces of that size. */
static struct object_scan scan_by(const struct object_rule *rule, const char *answer, size_t size)
{
    struct object_scan scan;
    struct slice rest = slice_from(answer);
    memset(&scan, 0xa5, sizeof(scan)); /* as memory that was used before */
    object_scan_init(&scan, rule);
    while (rest.len > 0) {
        struct slice piece = slice_make(rest.ptr, rest.len < size ? rest.len : size);
        object_scan_feed(&scan, piece);
        rest = slice_skip(rest, piece.len);
    }
    return scan;
}

static struct object_scan scan(const char *answer)
{
    return scan_by(rule_of(plain), answer, SIZE_MAX);
}

static void expect_text(const struct object_scan *scan, enum object_field field, const char *text)
{
    struct slice told = object_scan_text(scan, field);
    cr_expect(slice_equal(told, slice_from(text)), "field %d: %.*s, not %s", (int)field,
              SLICE_ARG(told), text);
}

Test(object_scan, finds_what_was_made_however_the_answer_is_split)
{
    static const char answer[] =
        "{\"object\": \"payment_intent\", \"charges\": {\"id\": \"ch_1\", \"amount\": 7}, "
        "\"amount\": 1250, \"list\": [{\"id\": \"no\"}, [\"id\", \"x\"]], \"id\": \"pi_\\u00fc\", "
        "\"currency\": \"eur\", \"status\": \"succeeded\", \"metadata\": {\"id\": \"mine\"}}";
    const struct object_rule *rule = rule_of(plain);
    for (size_t size = 1; size <= sizeof(answer); size++) {
        struct object_scan found = scan_by(rule, answer, size);
        int64_t amount = 0;
        expect_text(&found, OBJECT_ID, "pi_\xc3\xbc");
        expect_text(&found, OBJECT_TYPE, "payment_intent");
        expect_text(&found, OBJECT_STATUS, "succeeded");
        expect_text(&found, OBJECT_CURRENCY, "eur");
        cr_assert(object_scan_amount(&found, &amount));
        cr_expect_eq(amount, 1250);
    }
    arena_fini(&arena);
}

Test(object_scan, keeps_amounts_only_where_they_are_exact)
{
    static const struct {
        const char *text;
        bool kept;
        int64_t amount;
    } cases[] = {
        {"0", true, 0},
        {"-1250", true, -1250},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775807", true, -INT64_MAX},
        {"9223372036854775808", false, 0},
        {"1000000000000000000000000000000", false, 0}, /* 10^30 */
        {"1e3", false, 0},
        {"12.50", false, 0},
        {"12.0", false, 0},
        {"\"1250\"", false, 0},
        {"null", false, 0},
        {"true", false, 0},
        {"{\"value\":1}", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[128];
        int64_t amount = 0;
        (void)snprintf(answer, sizeof(answer), "{\"id\":\"a\",\"amount\":%s}", cases[i].text);
        struct object_scan found = scan(answer);
        cr_expect_eq(object_scan_amount(&found, &amount), cases[i].kept, "%s", answer);
        cr_expect(cases[i].kept || amount == 0, "%s", answer);
        cr_expect(!cases[i].kept || amount == cases[i].amount, "%s", answer);
        expect_text(&found, OBJECT_ID, "a");
    }
    arena_fini(&arena);
}

Test(object_scan, believes_the_first_place_that_tells_in_the_order_of_the_rule)
{
    int64_t amount = 0;
    struct object_scan later = scan("{\"total\":[{\"value\":2}],\"amount\":3,\"id\":\"a\"}");
    cr_expect(object_scan_amount(&later, &amount) && amount == 3);
    struct object_scan other = scan("{\"total\":[{\"value\":2},{\"value\":4}],\"amount\":null}");
    cr_expect(object_scan_amount(&other, &amount) && amount == 2);
    struct object_scan behind = scan("{\"total\":[{\"x\":1},2],\"total\":[{\"value\":5}]}");
    cr_expect(object_scan_amount(&behind, &amount) && amount == 5); /* each array counts anew */
    struct object_scan twice = scan("{\"id\":\"first\",\"id\":\"second\"}");
    expect_text(&twice, OBJECT_ID, "first");
    arena_fini(&arena);
}

Test(object_scan, is_not_led_astray_by_what_a_provider_may_send)
{
    struct object_scan number = scan("{\"id\":12345678901234567890123}");
    expect_text(&number, OBJECT_ID, "12345678901234567890123");
    static const char *const none[] = {
        "",
        "id",
        "[{\"id\":\"a\"}]",
        "{\"id\":{\"id\":\"a\"}}",
        "{\"id\":null}",
        "{\"id\":\"\"}",
        "{\"id\":true}",
        "\"id\"",
        "{\"x\":{\"id\":\"a\"}}",
        "[[[[[[[[[[[[{\"id\":\"a\"}]]]]]]]]]]]]",
        "{\"id\":\"a\",}",
        "{\"id\":\"a\"} {",
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct object_scan found = scan(none[i]);
        expect_text(&found, OBJECT_ID, "");
    }
    struct object_scan cut = scan("{\"id\":\"pi_1\",\"amount\":12");
    int64_t amount = 0;
    expect_text(&cut, OBJECT_ID, "pi_1"); /* it broke off: it was made all the same */
    cr_expect_not(object_scan_amount(&cut, &amount));
    arena_fini(&arena);
}

Test(object_scan, keeps_so_much_of_a_text_and_no_more)
{
    char answer[100 * 1024];
    memset(answer, 'x', sizeof(answer));
    memcpy(answer, "{\"id\":\"", 7);
    memcpy(answer + sizeof(answer) - 3, "\"}", 3);
    struct object_scan found = scan(answer);
    cr_expect_eq(object_scan_text(&found, OBJECT_ID).len, OBJECT_TEXT_MAX);
    arena_fini(&arena);
}

Test(object_scan, looks_no_further_when_there_is_nothing_left_to_find)
{
    const struct object_rule *rule = rule_of("{\"id\":\"/id\",\"type\":\"/object\"}");
    struct object_scan found =
        scan_by(rule, "{\"id\":\"a\",\"object\":\"b\",\"no JSON any more", SIZE_MAX);
    cr_expect(found.done);
    cr_expect_not(found.invalid);
    expect_text(&found, OBJECT_TYPE, "b");
    arena_fini(&arena);
}

/* Who reads the answer's usage tells it what comes. */
static struct object_scan scan_shared(const struct object_rule *rule, const char *answer)
{
    struct object_scan scan;
    object_scan_init(&scan, rule);
    struct usage_scan *usage = usage_scan_new(table_of(USAGE_OPENAI_CHAT), SCAN_JSON);
    usage_scan_share(usage, &scan);
    (void)usage_scan_feed(usage, slice_from(answer), UINT64_MAX);
    usage_scan_free(usage);
    return scan;
}

Test(object_scan, finds_the_same_in_what_somebody_else_reads)
{
    const struct object_rule *rule = rule_of(plain);
    struct object_scan found = scan_shared(
        rule, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"usage\":{\"id\":\"no\","
              "\"prompt_tokens\":1,\"completion_tokens\":2},\"total\":[{\"value\":7}]}");
    int64_t amount = 0;
    expect_text(&found, OBJECT_ID, "chatcmpl-1");
    expect_text(&found, OBJECT_TYPE, "chat.completion");
    cr_assert(object_scan_amount(&found, &amount));
    cr_expect_eq(amount, 7);
    found = scan_shared(rule, "{\"id\":\"chatcmpl-1\",}");
    expect_text(&found, OBJECT_ID, "");
    found = scan_shared(rule, "{\"id\":\"chatcmpl-1\",\"obj");
    expect_text(&found, OBJECT_ID, "chatcmpl-1");
    arena_fini(&arena);
}
