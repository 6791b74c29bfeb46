#include "base/memory.h"
#include "routes/hosts.h"
#include "routes/route.h"

#include <string.h>

#include <criterion/criterion.h>

/* ---- entries ---- */

Test(hosts, entries_are_names_of_two_labels_or_more)
{
    static const char *const taken[] = {
        "push.example",       "web.push.apple.com", "*.notify.windows.com",  "a1-b.example:8443",
        "*.push.localhost:1", "1.2.3.example",      "xn--bcher-kva.example",
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
        cr_expect_eq(hosts_check(slice_from(taken[i]), NULL), STATUS_OK, "%s", taken[i]);
    }
}

Test(hosts, what_is_no_entry_is_refused)
{
    static const char *const refused[] = {
        "",
        "localhost",
        "*",
        "*.com",
        "*.*.example.com",
        "a.*.example.com",
        "*a.example.com",
        "**.example.com",
        "Push.example.com",
        "push.example.com.",
        ".push.example.com",
        "push..example.com",
        "-push.example.com",
        "push-.example.com",
        "push_.example.com",
        "127.0.0.1",
        "127.0.0.1:8443",
        "*.0.0.1",
        "[::1]",
        "push.example.com:443",
        "push.example.com:0",
        "push.example.com:",
        "push.example.com:08",
        "push.example.com:65536",
        "push.example.com:80a",
        "user@push.example.com",
        "https://push.example.com",
        "push.example.com/x",
        "p\xc3\xbc.example.com",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        cr_expect_eq(hosts_check(slice_from(refused[i]), NULL), STATUS_INVALID, "%s", refused[i]);
    }
}

/* ---- segments ---- */

static struct route hosts[3];
static struct route route = {.name = "push", .hosts = hosts, .host_count = 3};

static void set_up(void)
{
    static const char *const entries[] = {"fcm.example.com", "*.notify.example.com",
                                          "own.example.com:8443"};
    for (unsigned i = 0; i < 3; i++) {
        hosts[i] = (struct route){.name = "push", .entry = entries[i]};
    }
}

TestSuite(hosts, .init = set_up);

static const struct route *find(const char *segment)
{
    return hosts_find(&route, slice_from(segment));
}

Test(hosts, a_segment_names_an_entry_byte_for_byte)
{
    cr_expect_eq(find("fcm.example.com"), &hosts[0]);
    cr_expect_eq(find("own.example.com:8443"), &hosts[2]);
    cr_expect_eq(find("a.notify.example.com"), &hosts[1]);
    cr_expect_eq(find("wns2-by3p.notify.example.com"), &hosts[1]);
}

Test(hosts, what_is_written_in_any_other_way_names_none)
{
    static const char *const refused[] = {
        "",
        "FCM.example.com",
        "fcm.example.com.",
        ".fcm.example.com",
        "fcm.example.com:443",
        "fcm.example.com:8443",
        "own.example.com",
        "own.example.com:443",
        "fcm%2eexample.com",
        "fcm.example.com%2e",
        "fcm.example.com%00",
        "user@fcm.example.com",
        "fcm.example.com@evil.example",
        "fcm.example.com;x",
        "fcm.example.com#",
        "fcm.example.com\\",
        "xfcm.example.com",
        "fcm.example.com.evil.example",
        "127.0.0.1",
        "[::1]",
        "0x7f.1",
        "2130706433",
        "notify.example.com",
        ".notify.example.com",
        "*.notify.example.com",
        "a.b.notify.example.com",
        "a_b.notify.example.com",
        "A.notify.example.com",
        "-a.notify.example.com",
        "a-.notify.example.com",
        "a%2eb.notify.example.com",
        "evil.example%2f.notify.example.com",
        "evil.example:1.notify.example.com",
        "user@a.notify.example.com",
        "xn--a.notify.example.com",
        "a.notify.example.com.",
        "a.notify.example.com:443",
        "anotify.example.com",
        "\xc3\xbc.notify.example.com",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.notify.example.com",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        cr_expect_null(find(refused[i]), "%s", refused[i]);
    }
}

Test(hosts, the_segment_is_the_first_behind_the_routes_path)
{
    static const char *const cases[][2] = {
        {"/fcm.example.com/fcm/send/x", "fcm.example.com"},
        {"/fcm.example.com", "fcm.example.com"},
        {"//fcm.example.com", ""},
        {"/", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct slice segment = hosts_segment(slice_from(cases[i][0]));
        cr_expect(slice_equal(segment, slice_from(cases[i][1])), "%s", cases[i][0]);
    }
}

static void expect_text(const char *is, const char *text)
{
    cr_expect_str_eq(is, text);
}

Test(hosts, an_entry_that_covers_is_made_the_route_to_that_host)
{
    hosts[1] = (struct route){
        .name = "push",
        .index = 4,
        .entry = "*.notify.example.com",
        .path = SLICE("/*/push/*.notify.example.com"),
        .public_base = SLICE("https://gw.example/*/push/*.notify.example.com"),
        .origin = {.tls = true,
                   .host = "*.notify.example.com",
                   .port = 443,
                   .authority = "*.notify.example.com",
                   .key = "https://*.notify.example.com:443 ca=/*"},
        .headers = {.constant = SLICE("Host: *.notify.example.com\r\nX-A: *\r\n")},
    };
    struct route *made = hosts_make(&hosts[1], SLICE("db5p.notify.example.com"));
    expect_text(made->origin.host, "db5p.notify.example.com");
    expect_text(made->origin.authority, "db5p.notify.example.com");
    expect_text(made->origin.key, "https://db5p.notify.example.com:443 ca=/*");
    cr_expect(slice_equal(made->path, SLICE("/*/push/db5p.notify.example.com")));
    cr_expect(
        slice_equal(made->public_base, SLICE("https://gw.example/*/push/db5p.notify.example.com")));
    cr_expect(
        slice_equal(made->headers.constant, SLICE("Host: db5p.notify.example.com\r\nX-A: *\r\n")));
    expect_text(made->entry, "*.notify.example.com");
    cr_expect_eq(made->index, 4U);
    memory_free(made);
}
