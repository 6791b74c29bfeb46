#include "base/buffer.h"
#include "base/memory.h"
#include "routes/injection.h"

#include <criterion/criterion.h>

static struct injection parse(enum injection_place place, const char *template)
{
    struct injection injection = {.place = place};
    struct error err = {0};
    cr_assert_eq(injection_template_read(slice_from(template), &injection, &err), STATUS_OK, "%s",
                 err.message);
    return injection;
}

static void expect_filled(const char *template, const char *secret, const char *plain,
                          const char *encoded)
{
    struct injection injection = parse(INJECT_QUERY, template);
    struct injection_values values;
    (void)injection_values_split(slice_from(secret), &values);
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 200);
    cr_assert_eq(injection_write(&injection, &values, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(plain)), "%s", template);
    cr_expect_eq(injection_len(&injection, &values), strlen(plain));
    buffer_consume(&out, buffer_len(&out));
    cr_assert_eq(injection_template_write(&injection, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(template)), "%s", template);
    buffer_consume(&out, buffer_len(&out));
    cr_assert_eq(injection_write_encoded(&injection, &values, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(encoded)), "%s", template);
}

Test(injection, placeholders_are_the_secret_and_what_is_around_its_first_colon)
{
    expect_filled("{secret}", "a b:c", "a b:c", "a%20b%3Ac");
    expect_filled("t-{password}.", "a:b:c/d", "t-b:c/d.", "t-b%3Ac%2Fd.");
    expect_filled("{user}/token:{password}", "me@x:k", "me@x/token:k", "me%40x/token:k");
    expect_filled("{user}{user}{secret}", ":x", ":x", "%3Ax");
}

Test(injection, a_secret_without_a_colon_has_no_parts)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct injection_values values;
    cr_expect_not(injection_values_split(SLICE("abc"), &values));
    cr_expect(injection_values_split(SLICE("abc:"), &values));
    cr_expect_eq(values.password.len, 0);
    const struct injection whole = parse(INJECT_HEADER, "Bearer {secret}");
    const struct injection part = parse(INJECT_HEADER, "Bearer {user}");
    cr_expect_not(injections_of(&arena, &whole, 1).needs_pair);
    cr_expect(injections_of(&arena, &part, 1).needs_pair);
}

Test(injection, slips_in_a_template_are_found)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "{Secret}",
                                        "{secret",
                                        "{key}",
                                        "a{secret}{token_2}",
                                        "{secret}{secret}{user}{password}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct injection injection = {.place = INJECT_HEADER};
        cr_expect_eq(injection_template_read(slice_from(wrong[i]), &injection, NULL),
                     STATUS_INVALID, "%s", wrong[i]);
    }
    struct injection injection = parse(INJECT_HEADER, "{\"a\": {secret}}");
    cr_expect_eq(injection_literals_check(&injection, NULL), STATUS_OK, "other braces stay");
    injection.place = INJECT_PATH;
    cr_expect_eq(injection_literals_check(&injection, NULL), STATUS_INVALID);
}

Test(injection, one_place_is_taken_once)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct injection list[] = {
        {.place = INJECT_BASIC, .name = SLICE_INIT("Authorization")},
        {.place = INJECT_QUERY, .name = SLICE_INIT("key")},
        {.place = INJECT_PATH},
        {.place = INJECT_BODY, .name = SLICE_INIT("key")},
    };
    static const struct {
        struct injection injection;
        enum status status;
    } cases[] = {
        {{.place = INJECT_HEADER, .name = SLICE_INIT("authorization")}, STATUS_INVALID},
        {{.place = INJECT_HEADER, .name = SLICE_INIT("key")}, STATUS_OK},
        {{.place = INJECT_QUERY, .name = SLICE_INIT("key")}, STATUS_INVALID},
        {{.place = INJECT_QUERY, .name = SLICE_INIT("Key")}, STATUS_OK},
        {{.place = INJECT_PATH}, STATUS_INVALID},
        {{.place = INJECT_BODY, .name = SLICE_INIT("key")}, STATUS_INVALID},
        {{.place = INJECT_BODY, .name = SLICE_INIT("token")}, STATUS_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(injection_beside_check(list, 4, &cases[i].injection, NULL), cases[i].status,
                     "%zu", i);
    }
    const struct injections all = injections_of(&arena, list, 4);
    cr_expect(injections_go_to(&all, INJECT_BODY));
    cr_expect(injections_has_header(&all, SLICE("AUTHORIZATION")));
    cr_expect_not(injections_has_header(&all, SLICE("key")));
    const struct injections three = injections_of(&arena, list, 3);
    cr_expect_not(injections_go_to(&three, INJECT_BODY));
}

Test(injection, one_header_has_its_line_beforehand)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct injection one = parse(INJECT_HEADER, "Bearer {secret};v=1");
    one.name = SLICE("Authorization");
    struct injections all = injections_of(&arena, &one, 1);
    cr_expect(slice_equal(all.line_before, SLICE("Authorization: Bearer ")));
    cr_expect(slice_equal(all.line_after, SLICE(";v=1\r\n")));
    const struct injection others[] = {
        parse(INJECT_HEADER, "{password}"), parse(INJECT_HEADER, "{secret}{secret}"),
        parse(INJECT_BASIC, "{secret}"), parse(INJECT_QUERY, "{secret}")};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        all = injections_of(&arena, &others[i], 1);
        cr_expect_eq(all.line_before.len, 0, "%zu", i);
    }
    const struct injection two[] = {one, one};
    all = injections_of(&arena, two, 2);
    cr_expect_eq(all.line_before.len, 0);
}
