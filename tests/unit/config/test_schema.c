#include "auth/secrets/secret_name.h"
#include "base/buffer.h"
#include "base/field_values.h"
#include "base/memory.h"
#include "config/quota_values.h"
#include "config/schema.h"
#include "config/sections.h"

#include <regex.h>
#include <stdio.h>

#include <criterion/criterion.h>

static unsigned expect_keys(const char *schema, const struct field *fields)
{
    unsigned count = 0;
    for (; fields->name != NULL; fields++, count++) {
        char member[100];
        (void)snprintf(member, sizeof(member), "\n\"%s\":{\"description\":", fields->name);
        cr_expect_not_null(strstr(schema, member), "%s", member);
        count += fields->section != NULL ? expect_keys(schema, fields->section) : 0;
    }
    return count;
}

/* That it is JSON, and what it says, is tested with a validator: tests/sdk/schema.test.mjs. */
Test(schema, has_every_key_once_for_each_place)
{
    CLEANUP(buffer_fini) struct buffer schema;
    buffer_init(&schema, 1024 * 1024);
    cr_assert_eq(schema_write(&schema), STATUS_OK);
    cr_assert_eq(buffer_append(&schema, slice_make("", 1)), STATUS_OK); /* a NUL behind it */
    unsigned members = 0;
    for (const char *at = buffer_bytes(&schema).ptr;
         (at = strstr(at, ":{\"description\":")) != NULL; at++) {
        members++;
    }
    unsigned keys = expect_keys(buffer_bytes(&schema).ptr, config_fields);
    cr_expect_gt(keys, 50U);
    /* What may be one or a list of such is there twice: the keys of a credential (3) and of a place
     * to inject (6), and these. */
    const struct field *const lone[] = {target_fields, jwt_fields, validate_fields, settle_fields};
    unsigned twice = 3 + 6;
    for (unsigned i = 0; i < sizeof(lone) / sizeof(*lone); i++) {
        twice += expect_keys(buffer_bytes(&schema).ptr, lone[i]);
    }
    cr_expect_eq(members, keys + twice, "%u keys, %u twice, %u members", keys, twice, members);
}

Test(schema, does_not_grow_beyond_its_buffer)
{
    CLEANUP(buffer_fini) struct buffer small;
    buffer_init(&small, 5000);
    cr_expect_eq(schema_write(&small), STATUS_TOO_LARGE);
}

static bool matches(const char *pattern, const char *text)
{
    char whole[300];
    regex_t regex;
    (void)snprintf(whole, sizeof(whole), "^(%s)$", pattern);
    cr_assert_eq(regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB), 0, "%s", whole);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static const struct field *quota_field(const char *name)
{
    const struct field *field = quota_fields;
    while (strcmp(field->name, name) != 0) {
        field++;
        cr_assert_not_null(field->name, "%s", name);
    }
    return field;
}

/* Values of all kinds; each parser takes some. Far too large ones aside, which no pattern tells. */
static const char *const values[] = {
    "",
    "0",
    "00",
    "1",
    "007",
    "600",
    "2k",
    "1M",
    "-1",
    "+1",
    "1.5",
    "1G",
    "2K",
    " 1",
    "1 ",
    "k",
    "0s",
    "1ms",
    "250ms",
    "10s",
    "5m",
    "1h",
    "1d",
    "7d",
    "10 s",
    "1w",
    "1S",
    "d",
    "0B",
    "1B",
    "64KiB",
    "25MiB",
    "1GiB",
    "2TiB",
    "64kb",
    "64KB",
    "KiB",
    "0%",
    "1%",
    "20%",
    "99%",
    "%",
    "20",
    "20 %",
    "-20%",
    "250 USD",
    "5 EUR",
    "0.50 USD",
    ".5 USD",
    "1. USD",
    "5USD",
    "5  USD",
    "-5 USD",
    "day",
    "week",
    "month",
    "year",
    "tenant",
    "route",
    "ip",
    "header:X-A",
    "header:",
    "tenan",
    "header:a b",
    "a",
    "a.b_c-9",
    "-a",
    ".a",
    "A",
    "a b",
    "é",
    "header:é",
    "OPENAI",
    "_openai-a.",
    "1.123456789 USD",
    "1.1234567890 USD",
    "0.000000001 USD",
};
enum { VALUE_COUNT = sizeof(values) / sizeof(values[0]) };

Test(schema, patterns_of_numbers_are_what_the_parser_reads)
{
    static const enum field_kind kinds[] = {FIELD_KIND_UINT, FIELD_KIND_DURATION, FIELD_KIND_SIZE,
                                            FIELD_KIND_SHARE};
    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        for (unsigned i = 0; i < VALUE_COUNT; i++) {
            int64_t number;
            bool parsed =
                field_number_parse(kinds[kind], slice_from(values[i]), &number, NULL) == STATUS_OK;
            cr_expect_eq(matches(FIELD_NUMBER_PATTERN(kinds[kind]), values[i]), parsed,
                         "kind %u, \"%s\"", kinds[kind], values[i]);
        }
    }
}

Test(schema, patterns_of_quotas_are_what_their_parsers_read)
{
    static const struct {
        const char *name;
        enum limit_unit unit;
    } amounts[] = {
        {"requests", LIMIT_REQUESTS}, {"tokens", LIMIT_TOKENS},           {"cost", LIMIT_COST},
        {"bytes", LIMIT_BYTES},       {"concurrency", LIMIT_CONCURRENCY},
    };
    for (unsigned k = 0; k < sizeof(amounts) / sizeof(amounts[0]); k++) {
        const char *pattern = quota_field(amounts[k].name)->pattern;
        for (unsigned i = 0; i < VALUE_COUNT; i++) {
            uint64_t amount;
            struct slice text = slice_from(values[i]);
            bool parsed = quota_amount_parse(amounts[k].unit, text, &amount, NULL) == STATUS_OK;
            cr_expect_eq(matches(pattern, values[i]), parsed, "%s, \"%s\"", amounts[k].name,
                         values[i]);
            cr_expect(!parsed || matches(quota_field("burst")->pattern, values[i]), "%s",
                      values[i]);
        }
    }
}

/* Spans have limits that a pattern does not tell. */
Test(schema, patterns_of_words_are_what_their_parsers_read)
{
    for (unsigned i = 0; i < VALUE_COUNT; i++) {
        struct quota_span span;
        unsigned percent;
        enum limit_each each;
        struct slice header;
        struct slice text = slice_from(values[i]);
        cr_expect(quota_span_parse(text, &span, NULL) != STATUS_OK ||
                      matches(quota_field("per")->pattern, values[i]),
                  "%s", values[i]);
        cr_expect_eq(matches(quota_field("warn_at")->pattern, values[i]),
                     quota_share_parse(text, &percent, NULL) == STATUS_OK, "%s", values[i]);
        cr_expect_eq(matches(quota_field("each")->pattern, values[i]),
                     quota_each_parse(text, &each, &header, NULL) == STATUS_OK, "%s", values[i]);
        cr_expect_eq(matches(FIELD_NAME_PATTERN, values[i]), field_name_valid(text), "%s",
                     values[i]);
        const struct field secret = {.name = "", LIKE_A_SECRET};
        cr_expect_eq(matches(secret.pattern, values[i]), secret_name_valid(text), "%s", values[i]);
    }
    cr_expect_not(matches(quota_field("per")->pattern, "60"));
    cr_expect_not(matches(quota_field("per")->pattern, "year"));
}
