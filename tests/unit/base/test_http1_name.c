#include "base/http1.h"

#include <ctype.h>

#include <criterion/criterion.h>

static const struct {
    const char *text;
    enum http1_name id;
} names[] = {
    {"host", HTTP1_HOST},
    {"connection", HTTP1_CONNECTION},
    {"content-length", HTTP1_CONTENT_LENGTH},
    {"transfer-encoding", HTTP1_TRANSFER_ENCODING},
    {"te", HTTP1_TE},
    {"trailer", HTTP1_TRAILER},
    {"upgrade", HTTP1_UPGRADE},
    {"expect", HTTP1_EXPECT},
    {"keep-alive", HTTP1_KEEP_ALIVE},
    {"proxy-connection", HTTP1_PROXY_CONNECTION},
    {"proxy-authorization", HTTP1_PROXY_AUTHORIZATION},
    {"proxy-authenticate", HTTP1_PROXY_AUTHENTICATE},
    {"accept-encoding", HTTP1_ACCEPT_ENCODING},
    {"content-encoding", HTTP1_CONTENT_ENCODING},
    {"content-type", HTTP1_CONTENT_TYPE},
    {"authorization", HTTP1_AUTHORIZATION},
    {"cookie", HTTP1_COOKIE},
    {"location", HTTP1_LOCATION},
    {"link", HTTP1_LINK},
    {"date", HTTP1_DATE},
};

enum { NAMES = sizeof(names) / sizeof(names[0]), MOST_NAME_BYTES = 32 };

Test(http1_name, every_name_is_known_in_any_case)
{
    cr_assert_eq(NAMES, HTTP1_NAMES - 1, "a name is missing in this test");
    for (size_t i = 0; i < NAMES; i++) {
        struct slice name = slice_from(names[i].text);
        char upper[MOST_NAME_BYTES];
        for (size_t at = 0; at < name.len; at++) {
            upper[at] = (char)toupper((unsigned char)name.ptr[at]);
        }
        struct slice shouted = slice_make(upper, name.len);
        cr_expect_eq(http1_name_find(name), names[i].id, "%s", names[i].text);
        cr_expect_eq(http1_name_find(shouted), names[i].id, "%s", names[i].text);
        cr_expect_eq(http1_name_hash(name), http1_name_hash(shouted), "%s", names[i].text);
    }
}

Test(http1_name, a_name_with_one_byte_changed_is_another)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct slice name = slice_from(names[i].text);
        for (size_t at = 0; at < name.len; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char changed[MOST_NAME_BYTES];
                memcpy(changed, name.ptr, name.len);
                changed[at] = (char)byte;
                bool same = slice_equal_nocase(slice_make(changed, name.len), name);
                cr_assert_eq(http1_name_find(slice_make(changed, name.len)) == names[i].id, same,
                             "%s with %02x at %zu", names[i].text, byte, at);
            }
        }
        cr_expect_neq(http1_name_find(slice_make(name.ptr, name.len - 1)), names[i].id);
    }
    cr_expect_eq(http1_name_find(SLICE("")), HTTP1_OTHER);
    cr_expect_eq(http1_name_find(SLICE("x-other")), HTTP1_OTHER);
}

Test(http1_name, equal_hashes_are_not_taken_for_equal_names)
{
    struct http1_field field = {
        .name = SLICE("x-a"), .value = SLICE("1"), .hash = http1_name_hash(SLICE("x-b"))};
    cr_expect_null(http1_find_field(&field, 1, SLICE("x-b")));
    cr_expect_null(http1_find_field(&field, 0, SLICE("x-a")));
}

Test(http1_name, tokens_and_values_are_checked)
{
    cr_expect(http1_valid_token(SLICE("X-Api_Key.1~")));
    cr_expect_not(http1_valid_token(SLICE("")));
    cr_expect_not(http1_valid_token(SLICE("a b")));
    cr_expect_not(http1_valid_token(SLICE("a:")));
    cr_expect(http1_valid_field_value(SLICE("")));
    cr_expect(http1_valid_field_value(SLICE("Bearer \t x\x80")));
    cr_expect_not(http1_valid_field_value(SLICE("a\r\nb: c")));
    cr_expect_not(http1_valid_field_value(SLICE("a long enough value with a NUL \0 in it")));
}

Test(http1_name, hosts_are_checked)
{
    cr_expect(http1_valid_host(SLICE("api.openai.com")));
    cr_expect(http1_valid_host(SLICE("[::1]:8080")));
    cr_expect_not(http1_valid_host(SLICE("")));
    cr_expect_not(http1_valid_host(SLICE("user@host")));
    cr_expect_not(http1_valid_host(SLICE("host:")));
    cr_expect_not(http1_valid_host(SLICE("[::1\0]")));
}
