#include "base/memory.h"
#include "limiter/limit.h"

#include <criterion/criterion.h>

enum { ROOM = 512 };

static void expect_text(size_t len, const char *out, const char *expected)
{
    cr_expect(slice_equal(slice_make(out, len), slice_from(expected)), "%.*s, not %s", (int)len,
              out, expected);
}

/* ---- identities ---- */

Test(limit, an_identity_says_what_is_limited_and_not_how_much)
{
    static const struct {
        struct limit limit;
        const char *identity;
    } rows[] = {
        {{.unit = LIMIT_REQUESTS, .span = LIMIT_RATE, .period = 60 * SEC, .amount = 1, .burst = 1},
         "requests/60s"},
        {{.unit = LIMIT_REQUESTS, .span = LIMIT_RATE, .period = 60 * SEC, .amount = 9, .burst = 7},
         "requests/60s"},
        {{.unit = LIMIT_COST, .span = LIMIT_MONTH}, "cost/month"},
        {{.unit = LIMIT_BYTES, .span = LIMIT_WEEK}, "bytes/week"},
        {{.unit = LIMIT_TOKENS, .span = LIMIT_DAYS, .days = 1}, "tokens/day"},
        {{.unit = LIMIT_TOKENS, .span = LIMIT_DAYS, .days = 30}, "tokens/30d"},
        {{.unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD}, "concurrency"},
        {{.unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .each = EACH_IP}, "concurrency/each=ip"},
        {{.unit = LIMIT_COST, .span = LIMIT_MONTH, .each = EACH_TENANT}, "cost/month/each=tenant"},
        {{.unit = LIMIT_COST, .span = LIMIT_MONTH, .each = EACH_ROUTE}, "cost/month/each=route"},
        {{.unit = LIMIT_REQUESTS,
          .span = LIMIT_RATE,
          .period = 3600 * SEC,
          .each = EACH_HEADER,
          .header = SLICE_INIT("x-user")},
         "requests/3600s/each=header.x-user"},
        {{.unit = LIMIT_TOKENS,
          .span = LIMIT_DAYS,
          .days = 1,
          .route = "openai",
          .model = SLICE_INIT("gpt-4o*")},
         "tokens/day/route=openai/model=gpt-4o*"},
        {{.unit = LIMIT_COST, .span = LIMIT_WEEK, .model = SLICE_INIT("a/b:c%\x80")},
         "cost/week/model=a%2Fb%3Ac%25%80"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[ROOM];
        expect_text(limit_identity(&rows[i].limit, out, sizeof(out)), out, rows[i].identity);
    }
}

Test(limit, an_identity_that_does_not_fit_is_none)
{
    const struct limit limit = {
        .unit = LIMIT_TOKENS, .span = LIMIT_MONTH, .model = SLICE_INIT("a/b")};
    const size_t len = sizeof("tokens/month/model=a%2Fb") - 1;
    char *out CLEANUP(memory_free_at) = memory_alloc(len);
    cr_expect_eq(limit_identity(&limit, out, len), len);
    for (size_t size = 0; size < len; size++) {
        char *less CLEANUP(memory_free_at) = memory_alloc(size);
        cr_expect_eq(limit_identity(&limit, less, size), 0U);
    }
}

Test(limit, units_have_names)
{
    static const char *const names[] = {"requests", "tokens", "cost", "bytes", "concurrency"};
    for (unsigned unit = 0; unit < LIMIT_UNITS; unit++) {
        cr_expect_str_eq(limit_unit_name((enum limit_unit)unit), names[unit]);
    }
}

Test(limit, what_depends_on_the_body_needs_it_and_all_but_requests_settle)
{
    for (unsigned unit = 0; unit < LIMIT_UNITS; unit++) {
        struct limit limit = {.unit = (enum limit_unit)unit};
        bool counts_output = unit == LIMIT_TOKENS || unit == LIMIT_COST;
        cr_expect_eq(limit_needs_body(&limit), counts_output);
        cr_expect_eq(limit_settles(&limit), unit != LIMIT_REQUESTS);
        limit.model = SLICE("gpt*");
        cr_expect(limit_needs_body(&limit));
    }
}

/* ---- models ---- */

Test(limit, a_model_is_matched_by_a_pattern)
{
    cr_expect(limit_model_matches(SLICE("gpt-4o*"), SLICE("gpt-4o-mini")));
    cr_expect_not(limit_model_matches(SLICE("gpt-4o"), SLICE("gpt-4o-mini")));
}

/* ---- keys ---- */

static size_t write_key(struct limit limit, const char *tenant, struct slice value,
                        char out[LIMIT_KEY_MAX])
{
    char prefix[LIMIT_KEY_MAX];
    char identity[ROOM];
    limit.identity = slice_make(identity, limit_identity(&limit, identity, sizeof(identity)));
    limit.key = slice_make(prefix, limit_key_prefix(&limit, "sallyport", prefix, sizeof(prefix)));
    return limit_key_write(&limit, "sallyport", tenant, value, out);
}

static const struct limit month = {.unit = LIMIT_COST, .span = LIMIT_MONTH};

Test(limit, keys_carry_the_tag_of_the_tenant_or_of_all)
{
    char key[LIMIT_KEY_MAX];
    struct limit limit = month;
    expect_text(write_key(limit, "acme", SLICE(""), key), key, "{sallyport}:v2:q:cost/month");
    limit.tenant = "acme";
    expect_text(write_key(limit, "acme", SLICE(""), key), key, "{sallyport:acme}:v2:q:cost/month");
    limit.tenant = NULL;
    limit.each = EACH_TENANT;
    expect_text(write_key(limit, "acme", SLICE(""), key), key,
                "{sallyport:acme}:v2:each:cost/month/each=tenant");
}

Test(limit, a_key_that_differs_from_tenant_to_tenant_has_its_identity_alone_as_prefix)
{
    char prefix[LIMIT_KEY_MAX];
    struct limit limit = month;
    limit.each = EACH_TENANT;
    limit.identity = SLICE("cost/month/each=tenant");
    size_t len = limit_key_prefix(&limit, "sallyport", prefix, sizeof(prefix));
    expect_text(len, prefix, "cost/month/each=tenant");
}

Test(limit, keys_end_with_the_value)
{
    static const struct {
        enum limit_each each;
        const char *value, *key;
    } rows[] = {
        {EACH_ROUTE, "openai", "{sallyport}:v2:q:cost/month/each=route:openai"},
        {EACH_IP, "2001:db8::1", "{sallyport}:v2:q:cost/month/each=ip:2001:db8::1"},
        {EACH_HEADER, "User_1.a-b", "{sallyport}:v2:q:cost/month/each=header.x-user:User_1.a-b"},
        {EACH_HEADER, "", "{sallyport}:v2:q:cost/month/each=header.x-user:"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[LIMIT_KEY_MAX];
        struct limit limit = month;
        limit.each = rows[i].each;
        limit.header = SLICE("x-user");
        expect_text(write_key(limit, "acme", slice_from(rows[i].value), key), key, rows[i].key);
    }
}

Test(limit, a_header_that_is_absent_is_the_empty_value)
{
    char key[LIMIT_KEY_MAX];
    struct limit limit = month;
    limit.each = EACH_HEADER;
    limit.header = SLICE("x");
    expect_text(write_key(limit, "acme", slice_make(NULL, 0), key), key,
                "{sallyport}:v2:q:cost/month/each=header.x:");
}

Test(limit, other_values_are_in_the_key_as_their_hash)
{
    char key[LIMIT_KEY_MAX];
    struct limit limit = month;
    limit.each = EACH_IP;
    /* printf 'a b' | sha256sum */
    expect_text(write_key(limit, "acme", SLICE("a b"), key), key,
                "{sallyport}:v2:q:cost/month/each=ip:#c8687a08aa5d6ed2044328fa6a697ab8");
    char long_value[LIMIT_VALUE_MAX + 1];
    memset(long_value, 'a', sizeof(long_value));
    size_t prefix = sizeof("{sallyport}:v2:q:cost/month/each=ip:") - 1;
    size_t len = write_key(limit, "acme", slice_make(long_value, LIMIT_VALUE_MAX), key);
    cr_expect_eq(len, prefix + LIMIT_VALUE_MAX);
    len = write_key(limit, "acme", slice_make(long_value, sizeof(long_value)), key);
    cr_expect_eq(len, prefix + 33);
    cr_expect_eq(key[prefix], '#');
}

Test(limit, values_with_braces_blanks_or_controls_never_reach_the_key)
{
    for (int c = 0; c < 256; c++) {
        char key[LIMIT_KEY_MAX];
        char byte = (char)c;
        struct limit limit = month;
        limit.each = EACH_IP;
        size_t len = write_key(limit, "acme", slice_make(&byte, 1), key);
        bool plain = ascii_is_alphanumeric(byte) || strchr("._-:", byte) != NULL;
        cr_expect_eq(key[len - 1] == byte && key[len - 2] == ':', plain && c != 0, "%d", c);
    }
}

Test(limit, the_longest_key_fits_and_a_longer_one_is_none)
{
    char identity[LIMIT_KEY_MAX];
    char key[LIMIT_KEY_MAX];
    struct limit limit = month;
    memset(identity, 'i', sizeof(identity));
    for (size_t less = 0; less < 20; less++) {
        limit.identity = slice_make(identity, LIMIT_KEY_MAX - less);
        size_t tag = sizeof("{s}:v2:q:") - 1;
        size_t len = limit_key_prefix(&limit, "s", key, sizeof(key));
        cr_expect_eq(len, less < tag ? 0 : LIMIT_KEY_MAX - less + tag);
    }
}
