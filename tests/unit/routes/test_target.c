#include "base/buffer.h"
#include "routes/route.h"
#include "routes/target.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static enum status check(const char *target)
{
    struct slice path;
    struct slice query;
    return target_check(slice_from(target), &path, &query, NULL);
}

Test(target, refuses_what_a_server_could_read_as_another_path)
{
    static const char *const targets[] = {
        "/.",
        "/..",
        "/../",
        "/a/..",
        "/a/../b",
        "/a/./b",
        "/a/.",
        "/%2e",
        "/%2e%2e/",
        "/%2E%2e/x",
        "/%2e%2E",
        "/.%2e/x",
        "/%2E./x",
        "/a%2f..",
        "/a%2F../b",
        "/a%2f%2e%2E%2fb",
        "/..%2fx",
        "/..%2Fx",
        "/a\\..\\b",
        "/a\\..",
        "/..\\x",
        "/a%5c..",
        "/a%5C.%5cb",
        "/a%5c%2e%2e%5Cb",
        "/a//../b",
        "/a/..?x=1",
        "/..?",
        "/a/..;x=1/b",
        "/a/..;",
        "/a/.;/b",
        "/a/%2e%2e;jsession=1/b",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct slice path;
        struct slice query;
        struct error err = {0};
        cr_expect_eq(target_check(slice_from(targets[i]), &path, &query, &err), STATUS_INVALID,
                     "%s", targets[i]);
        cr_expect(strstr(err.message, "segment . or ..") != NULL, "%s: %s", targets[i],
                  err.message);
    }
}

Test(target, refuses_broken_encoding_and_bytes_that_do_not_belong)
{
    static const char *const targets[] = {
        "",       "a",     "*",      "a/b",    "?x",      "/%",      "/%4",    "/a%4",
        "/a%",    "/%zz",  "/%4g/x", "/%g4",   "/%%41",   "/a%?x=1", "/%00",   "/a%00b",
        "/a b",   "/a\tb", "/a\rb",  "/a\nb",  "/\x7f",   "/\x01",   "/a\x1f", "/caf\xc3\xa9",
        "/a\x80", "/a#b",  "/a?b#c", "/a?b c", "/a?b\nc", "/a?\xff",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        cr_expect_eq(check(targets[i]), STATUS_INVALID, "%s", targets[i]);
    }
}

Test(target, refuses_a_nul_byte)
{
    struct slice path;
    struct slice query;
    cr_expect_eq(target_check(SLICE("/a\0b"), &path, &query, NULL), STATUS_INVALID);
    cr_expect_eq(target_check(SLICE("/a?b\0"), &path, &query, NULL), STATUS_INVALID);
}

Test(target, lets_pass_what_only_looks_like_it)
{
    static const char *const targets[] = {
        "/",
        "//",
        "/a//b/",
        "/...",
        "/.../",
        "/a/...;x/b",
        "/.a",
        "/..a",
        "/a..",
        "/a.",
        "/a/.well-known/b",
        "/%2ea",
        "/%2e%2e%2e",
        "/a..%2fb",
        "/a%2fb",
        "/a\\b",
        "/a%5cb",
        "/%252e%252e/x", /* decoded once, it is a name */
        "/;..",
        "/a;../b",
        "/..%3bx/b", /* an encoded ; separates nothing */
        "/a:b@c!$&'()*+,=~-_",
        "/%41%20%0a",
        "/a?../..",
        "/a?b=%",
        "/a?b=%zz&c=%00",
        "/a??b?",
        "/a?x=[]{}|^`\"<>\\",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct slice path;
        struct slice query;
        struct error err = {0};
        cr_expect_eq(target_check(slice_from(targets[i]), &path, &query, &err), STATUS_OK, "%s: %s",
                     targets[i], err.message);
    }
}

Test(target, splits_at_the_first_question_mark)
{
    struct slice path;
    struct slice query;
    cr_assert_eq(target_check(SLICE("/a/b?c=d?e"), &path, &query, NULL), STATUS_OK);
    cr_expect(slice_equal(path, SLICE("/a/b")));
    cr_expect(slice_equal(query, SLICE("c=d?e")));

    cr_assert_eq(target_check(SLICE("/a?"), &path, &query, NULL), STATUS_OK);
    cr_expect(slice_equal(path, SLICE("/a")));
    cr_expect_not_null(query.ptr);
    cr_expect_eq(query.len, 0);

    cr_assert_eq(target_check(SLICE("/a"), &path, &query, NULL), STATUS_OK);
    cr_expect_null(query.ptr);
}

Test(target, normalizing_decodes_unreserved_characters_only)
{
    static const struct {
        const char *path;
        const char *normalized;
    } cases[] = {
        {"/v1/chat", "/v1/chat"},
        {"/%76%31/%63hat", "/v1/chat"},
        {"/%41%5A%61%7a%30%39%2d%2E%5f%7E", "/AZaz09-._~"},
        {"/a%2fb%2Fc", "/a%2fb%2Fc"},
        {"/a%20b%25c%3f", "/a%20b%25c%3f"},
        {"/%2541", "/%2541"},
        {"/%", "/%"},
        {"/%4", "/%4"},
        {"/%zz%41", "/%zzA"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[64];
        struct slice result = target_normalize(slice_from(cases[i].path), out);
        cr_expect(slice_equal(result, slice_from(cases[i].normalized)), "%s: %.*s", cases[i].path,
                  SLICE_ARG(result));
    }
}

Test(target, finds_the_first_parameter_under_any_spelling_of_its_name)
{
    static const struct {
        const char *query;
        const char *value; /* NULL: absent */
    } cases[] = {
        {"key=abc", "abc"},
        {"a=1&key=abc&b=2", "abc"},
        {"%6bey=abc", "abc"},
        {"%6B%65%79=a%62c", "a%62c"},
        {"key=first&key=second", "first"},
        {"key", ""},
        {"key=", ""},
        {"key=a=b", "a=b"},
        {"&&key=x", "x"},
        {"Key=abc", NULL},
        {"keys=abc", NULL},
        {"ke=abc", NULL},
        {"a=key", NULL},
        {"xkey=1", NULL},
        {"key%=1", NULL},
        {"", NULL},
        {"&", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice value = {0};
        bool found = target_query_get(slice_from(cases[i].query), SLICE("key"), &value);
        cr_expect_eq(found, cases[i].value != NULL, "%s", cases[i].query);
        cr_expect(!found || slice_equal(value, slice_from(cases[i].value)), "%s: %.*s",
                  cases[i].query, SLICE_ARG(value));
    }
    struct slice value;
    cr_expect(target_query_get(SLICE("my+key=1"), SLICE("my key"), &value));
    cr_expect(target_query_get(SLICE("my%20key=1"), SLICE("my key"), &value));
    cr_expect_not(target_query_get(SLICE("my%2bkey=1"), SLICE("my key"), &value));
    cr_expect_not(target_query_get((struct slice){0}, SLICE("key"), &value));
}

struct write_case {
    const char *route_path;
    const char *base_path;
    const char *target;
    const char *written;
};

static void expect_written(const struct write_case *c, const struct slice *drop, unsigned count)
{
    struct route route = {.path = slice_from(c->route_path), .base_path = slice_from(c->base_path)};
    struct buffer out CLEANUP(buffer_fini);
    struct slice path;
    struct slice query;
    buffer_init(&out, 1024);
    cr_assert_eq(target_check(slice_from(c->target), &path, &query, NULL), STATUS_OK);
    cr_assert_eq(target_write(&route, path, query, drop, count, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(c->written)), "%s: %.*s", c->target,
              SLICE_ARG(buffer_bytes(&out)));
}

Test(target, writes_path_and_query_byte_for_byte)
{
    static const struct write_case cases[] = {
        {"/openai", "", "/openai/v1/chat", "/v1/chat"},
        {"/openai", "/api", "/openai/v1/chat?x=1", "/api/v1/chat?x=1"},
        {"/openai", "", "/openai", "/"},
        {"/openai", "", "/openai?x", "/?x"},
        {"/openai", "", "/openai/", "/"},
        {"/openai", "/v1", "/openai", "/v1"},
        {"/openai", "/v1", "/openai/", "/v1/"},
        {"/openai", "", "/openai//a//b/", "//a//b/"},
        {"", "", "/v1/%7e%41%2f%5C?%6b=+%", "/v1/%7e%41%2f%5C?%6b=+%"},
        {"", "/base", "/", "/base/"},
        {"/a/b", "/c", "/a/b/d?", "/c/d?"},
        {"", "", "/x?&&a&", "/x?&&a&"},
        {"", "", "/x??", "/x??"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_written(&cases[i], NULL, 0);
    }
}

Test(target, drops_every_spelling_of_a_parameter_and_nothing_else)
{
    static const struct slice drop[] = {SLICE_INIT("key"), SLICE_INIT("access token")};
    static const struct write_case cases[] = {
        {"", "", "/x?key=1", "/x"},
        {"", "", "/x?key", "/x"},
        {"", "", "/x?a=1&key=2&b=3", "/x?a=1&b=3"},
        {"", "", "/x?key=1&a=1", "/x?a=1"},
        {"", "", "/x?a=1&key=1", "/x?a=1"},
        {"", "", "/x?%6bey=1&k%65y=2&ke%79=3&key=4&a=%6bey", "/x?a=%6bey"},
        {"", "", "/x?access+token=1&access%20token=2&a", "/x?a"},
        {"", "", "/x?keys=1&Key=2&ke=3&xkey=4", "/x?keys=1&Key=2&ke=3&xkey=4"},
        {"", "", "/x?a&&b=&=c&key=1", "/x?a&&b=&=c"},
        {"", "", "/x?", "/x?"},
        {"", "", "/x", "/x"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_written(&cases[i], drop, COUNT_OF(drop));
    }
}

Test(target, says_when_the_buffer_is_full)
{
    struct route route = {.base_path = SLICE("/base")};
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 10);
    cr_expect_eq(target_write(&route, SLICE("/abc"), SLICE("d"), NULL, 0, &out), STATUS_TOO_LARGE);
}
