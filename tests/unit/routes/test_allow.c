#include "base/memory.h"
#include "routes/allow.h"
#include "routes/target.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(allow, rules_match_by_method_and_path)
{
    static const struct {
        const char *rule, *method, *path;
        bool matches;
    } cases[] = {
        {"stripe", "GET", "/v1/x", true},
        {"stripe", "DELETE", "", true},
        {"stripe:GET /v1/*", "GET", "/v1/charges", true},
        {"stripe:GET /v1/*", "GET", "/v1/charges/ch_1/refunds", true},
        {"stripe:GET /v1/*", "GET", "/v1/", true},
        {"stripe:GET /v1/*", "GET", "/v1", false},
        {"stripe:GET /v1/*", "GET", "/v12/x", false},
        {"stripe:GET /v1/*", "GET", "/v1%2fx", false},
        {"stripe:GET /v1/*", "HEAD", "/v1/charges", false},
        {"stripe:GET /v1/*", "get", "/v1/charges", false},
        {"stripe:GET /v1/*", "GET", "/x/v1/charges", false},
        {"stripe:* /v1/charges", "PATCH", "/v1/charges", true},
        {"stripe:* /v1/charges", "PATCH", "/v1/charges/", false},
        {"stripe:* /v1/charges", "PATCH", "/v1/charges/x", false},
        {"stripe:* /v1/charges", "PATCH", "/v1/charge", false},
        {"stripe:* /v1/charges", "PATCH", "/V1/charges", false},
        {"stripe:* /v1/charges", "PATCH", "/v1//charges", false},
        {"stripe:* /v1/charges", "PATCH", "//v1/charges", false},
        {"stripe:POST /v1/*/capture", "POST", "/v1/pi_1/capture", true},
        {"stripe:POST /v1/*/capture", "POST", "/v1//capture", false},
        {"stripe:POST /v1/*/capture", "POST", "/v1/a/b/capture", false},
        {"stripe:POST /v1/*/capture", "POST", "/v1/a/capture/x", false},
        {"stripe:POST /v1/*/capture", "POST", "/v1/group%2Fproject/capture", true},
        {"stripe:POST /*/*/c", "POST", "/a/b/c", true},
        {"stripe:GET /*", "GET", "/", true},
        {"stripe:GET /*", "GET", "", true},
        {"stripe:GET /*", "GET", "/a/b", true},
        {"stripe:GET /", "GET", "", true},
        {"stripe:GET /", "GET", "/", true},
        {"stripe:GET /", "GET", "/a", false},
        {"stripe:GET /%76%31/x", "GET", "/v1/x", true},
        {"  stripe:  GET   /v1  ", "GET", "/v1", true},
        {"stripe:M-SEARCH /v1", "M-SEARCH", "/v1", true},
    };
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct allow_rule rule;
        struct error err = {0};
        cr_assert_eq(allow_parse(&arena, slice_from(cases[i].rule), &rule, &err), STATUS_OK,
                     "%s: %s", cases[i].rule, err.message);
        cr_expect(slice_equal(rule.route, SLICE("stripe")), "%s", cases[i].rule);
        cr_expect_null(rule.next);
        cr_expect_eq(allow_matches(&rule, slice_from(cases[i].method), slice_from(cases[i].path)),
                     cases[i].matches, "%s: %s %s", cases[i].rule, cases[i].method, cases[i].path);
    }
}

Test(allow, an_encoded_letter_does_not_get_around_a_rule)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct allow_rule rule;
    char out[64];
    cr_assert_eq(allow_parse(&arena, SLICE("x:GET /v1/a"), &rule, NULL), STATUS_OK);
    struct slice path = target_normalize(SLICE("/v1/%61"), out);
    cr_expect(allow_matches(&rule, SLICE("GET"), path));
    path = target_normalize(SLICE("/v1%2f%61"), out);
    cr_expect_not(allow_matches(&rule, SLICE("GET"), path));
}

Test(allow, says_what_is_wrong_with_a_rule)
{
    static const struct {
        const char *rule, *says;
    } cases[] = {
        {"", "name is missing"},
        {":GET /", "name is missing"},
        {"stripe:", "METHOD and PATH"},
        {"stripe:GET", "METHOD and PATH"},
        {"stripe:/v1/x", "METHOD and PATH"},
        {"stripe:get /v1", "no method"},
        {"stripe:G@T /v1", "no method"},
        {"stripe:GET v1", "begin with /"},
        {"stripe:GET /v1?x=1", "query"},
        {"stripe:GET /v1/../x", "segment . or .."},
        {"stripe:GET /v1/%2", "two hex digits"},
        {"stripe:GET /v1/cus_*", "mixes *"},
        {"stripe:GET /v1/**", "mixes *"},
        {"stripe:GET /v1/a b", "percent-encoded"},
    };
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct allow_rule rule;
        struct error err = {0};
        cr_assert_eq(allow_parse(&arena, slice_from(cases[i].rule), &rule, &err), STATUS_INVALID,
                     "%s", cases[i].rule);
        cr_expect(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].rule, err.message);
    }
}

Test(allow, any_rule_of_a_list_is_enough_and_none_is_not)
{
    struct allow_rule last = {.method = SLICE("POST"), .path = SLICE("/b")};
    struct allow_rule first = {.method = SLICE("GET"), .path = SLICE("/a"), .next = &last};
    cr_expect(allow_any(&first, SLICE("GET"), SLICE("/a")));
    cr_expect(allow_any(&first, SLICE("POST"), SLICE("/b")));
    cr_expect_not(allow_any(&first, SLICE("POST"), SLICE("/a")));
    cr_expect_not(allow_any(NULL, SLICE("GET"), SLICE("/a")));
}
