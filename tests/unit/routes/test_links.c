#include "base/buffer.h"
#include "routes/links.h"
#include "routes/route.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct link_case {
    const char *value;
    const char *written; /* NULL: as it was */
};

static const struct origin provider = {
    .tls = true, .host = "api.example.com", .port = 443, .authority = "api.example.com"};

typedef enum status rewrite(const struct route *route, struct slice public_base, struct slice value,
                            struct buffer *out);

static void expect_rewritten(rewrite *function, const struct route *route, const char *public_base,
                             const struct link_case *c)
{
    struct buffer out CLEANUP(buffer_fini);
    const char *written = c->written == NULL ? c->value : c->written;
    buffer_init(&out, 4096);
    cr_assert_eq(function(route, slice_from(public_base), slice_from(c->value), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(written)), "%s -> %.*s", c->value,
              SLICE_ARG(buffer_bytes(&out)));
}

Test(links, locations_of_the_routes_origin_are_moved_to_the_public_base)
{
    static const struct link_case cases[] = {
        {"https://api.example.com/v1/x?page=2#f", "https://gw.internal/x/v1/x?page=2#f"},
        {"https://api.example.com", "https://gw.internal/x"},
        {"https://api.example.com/", "https://gw.internal/x/"},
        {"https://api.example.com?x", "https://gw.internal/x?x"},
        {"https://api.example.com#x", "https://gw.internal/x#x"},
        {"HTTPS://API.Example.COM:443/a", "https://gw.internal/x/a"},
        {"https://api.example.com:/a", "https://gw.internal/x/a"},
        {"//api.example.com/a", "https://gw.internal/x/a"},
        {"https://api.example.com/%2f%41//", "https://gw.internal/x/%2f%41//"},
        {"https://api.example.com/a?b=../..", "https://gw.internal/x/a?b=../.."},
        {"/v1/y?z", "/x/v1/y?z"},
        {"/", "/x/"},
        /* Not ours. */
        {"http://api.example.com/a", NULL},
        {"https://api.example.com:8443/a", NULL},
        {"https://api.example.com:0443x/a", NULL},
        {"https://api.example.com:99999999999999999999/a", NULL},
        {"https://api.example.com.evil.test/a", NULL},
        {"https://evil.test/api.example.com", NULL},
        {"https://user@api.example.com/a", NULL},
        {"https://api.example.com:443@evil.test/a", NULL},
        {"https://api.example.com\\@evil.test/a", NULL},
        {"https://[::1]/a", NULL},
        {"https://[/a", NULL},
        {"https://[]:443/a", NULL},
        {"https:///a", NULL},
        {"https:/a", NULL},
        {"https:", NULL},
        {"//", NULL},
        {"//evil.test/a", NULL},
        {"mailto:a@api.example.com", NULL},
        /* It would lead out of the route. */
        {"https://api.example.com/../stripe/v1", NULL},
        {"https://api.example.com/a/%2e%2e/b", NULL},
        {"https://api.example.com/a\\..\\b", NULL},
        {"https://api.example.com/a b", NULL},
        {"/../stripe", "https://api.example.com/../stripe"},
        /* Relative to the request's own path, which is the route's. */
        {"next", NULL},
        {"?page=2", NULL},
        {"#f", NULL},
        {"", NULL},
    };
    const struct route route = {.path = SLICE("/x"), .origin = provider};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_rewritten(links_rewrite_location, &route, "https://gw.internal/x", &cases[i]);
    }
}

Test(links, the_base_path_must_match_at_a_segment_border)
{
    static const struct link_case cases[] = {
        {"https://api.example.com/api/v1/x", "http://gw/deep/r/x"},
        {"https://api.example.com/api/v1", "http://gw/deep/r"},
        {"https://api.example.com/api/v1?x", "http://gw/deep/r?x"},
        {"https://api.example.com/api/v1/", "http://gw/deep/r/"},
        {"https://api.example.com/api/v12", NULL},
        {"https://api.example.com/api", NULL},
        {"https://api.example.com/login", NULL},
        {"https://api.example.com", NULL},
        {"/api/v1/x", "/deep/r/x"},
        {"/api/v1", "/deep/r"},
        {"/api/v1?x", "/deep/r?x"},
        {"/api/v12", "https://api.example.com/api/v12"},
        {"/login?next=/api/v1", "https://api.example.com/login?next=/api/v1"},
    };
    const struct route route = {
        .path = SLICE("/r"), .origin = provider, .base_path = SLICE("/api/v1")};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_rewritten(links_rewrite_location, &route, "http://gw/deep/r", &cases[i]);
    }
}

Test(links, a_host_route_has_no_path_of_its_own)
{
    static const struct link_case cases[] = {
        {"https://api.example.com/v1/x", "https://api.gw.internal:8443/x"},
        {"/v1/x", "/x"},
        {"/v1", "/"},
        {"/v1?x", "/?x"},
        {"/v2", "https://api.example.com/v2"},
    };
    const struct route route = {
        .host = SLICE("api.gw.internal"), .origin = provider, .base_path = SLICE("/v1")};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_rewritten(links_rewrite_location, &route, "https://api.gw.internal:8443", &cases[i]);
    }
}

Test(links, ports_and_literal_addresses_are_compared)
{
    static const struct link_case cases[] = {
        {"http://[fd00::1]:8080/a", "http://gw/r/a"},
        {"http://[FD00::1]:8080/a", "http://gw/r/a"},
        {"http://[fd00::1]/a", NULL},
        {"http://[fd00::1]:80/a", NULL},
        {"http://[fd00::1]x:8080/a", NULL},
        {"http://fd00::1:8080/a", NULL},
        {"https://[fd00::1]:8080/a", NULL},
        {"/a", "/r/a"},
        {"/../a", "http://[fd00::1]:8080/../a"},
    };
    const struct route route = {
        .path = SLICE("/r"),
        .origin = {.host = "fd00::1", .port = 8080, .authority = "[fd00::1]:8080"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_rewritten(links_rewrite_location, &route, "http://gw/r", &cases[i]);
    }
}

Test(links, each_reference_of_a_link_value_is_rewritten)
{
    static const struct link_case cases[] = {
        {"<https://api.example.com/u?page=2>; rel=\"next\", "
         "<https://api.example.com/u?page=9>; rel=\"last\"",
         "<https://gw/x/u?page=2>; rel=\"next\", <https://gw/x/u?page=9>; rel=\"last\""},
        {"</u?page=2>;rel=next,<https://other.test/>;rel=help,<next>",
         "</x/u?page=2>;rel=next,<https://other.test/>;rel=help,<next>"},
        {"<https://api.example.com/a>; title=\"</b>, \\\"</c>\"; rel=x, </d>",
         "<https://gw/x/a>; title=\"</b>, \\\"</c>\"; rel=x, </x/d>"},
        {"<https://api.example.com/a,b;c>", "<https://gw/x/a,b;c>"},
        {"<>", "<>"},
        {"<", NULL},
        {"<https://api.example.com/a", NULL},
        {"</a>, <https://api.example.com/b", "</x/a>, <https://api.example.com/b"},
        {"title=\"</a>", NULL},
        {"title=\"\\", NULL},
        {"", NULL},
    };
    const struct route route = {.path = SLICE("/x"), .origin = provider};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_rewritten(links_rewrite_link, &route, "https://gw/x", &cases[i]);
    }
}

Test(links, says_when_the_buffer_is_full)
{
    const struct route route = {.path = SLICE("/x"), .origin = provider};
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 10);
    cr_expect_eq(links_rewrite_location(&route, SLICE("https://gw/x"),
                                        SLICE("https://api.example.com/abc"), &out),
                 STATUS_TOO_LARGE);
    cr_expect_eq(links_rewrite_link(&route, SLICE("https://gw/x"), SLICE("<12345678901>"), &out),
                 STATUS_TOO_LARGE);
}
