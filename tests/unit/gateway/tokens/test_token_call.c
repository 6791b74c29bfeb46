#include "base/secret.h"
#include "config/token.h"
#include "gateway/tokens/token_call.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

static const struct token_rule rule = {
    .origin = {.tls = true,
               .host = "login.example.com",
               .port = 8443,
               .authority = "login.example.com:8443",
               .ca_file = "/ca",
               .key = "https://login.example.com:8443 ca=/ca"},
};

static enum status find(enum token_place place, const char *url, struct arena *arena,
                        struct token_goal *goal)
{
    struct error err;
    return token_called_find(&rule, place, slice_from(url), arena, goal, &err);
}

Test(token_call, a_secret_may_name_googles_hosts_and_the_configs_own)
{
    static const struct {
        enum token_place place;
        const char *url, *authority, *target;
        bool own;
    } cases[] = {
        {TOKEN_AT_URL, "https://sts.googleapis.com/v1/token", "sts.googleapis.com", "/v1/token",
         false},
        {TOKEN_AT_URL, "https://iamcredentials.googleapis.com/v1/a@b.c:generateAccessToken",
         "iamcredentials.googleapis.com", "/v1/a@b.c:generateAccessToken", false},
        {TOKEN_AT_URL, "https://login.example.com:8443/sts", "login.example.com:8443", "/sts",
         true},
        {TOKEN_FROM_URL, "https://idp.example.com:1/t?a=b&c", "idp.example.com:1", "/t?a=b&c",
         false},
        {TOKEN_FROM_URL, "http://169.254.169.254/metadata?x=/y", "169.254.169.254",
         "/metadata?x=/y", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct token_goal goal;
        cr_assert_eq(find(cases[i].place, cases[i].url, &arena, &goal), STATUS_OK, "%s",
                     cases[i].url);
        cr_expect_str_eq(goal.origin.authority, cases[i].authority);
        cr_expect(slice_equal(goal.target, slice_from(cases[i].target)), "%.*s",
                  SLICE_ARG(goal.target));
        cr_expect_eq(strcmp(goal.origin.key, rule.origin.key) == 0, cases[i].own, "%s",
                     goal.origin.key);
        cr_expect_eq(goal.origin.ca_file != NULL, goal.origin.tls);
    }
}

Test(token_call, nothing_goes_anywhere_else)
{
    static const struct {
        enum token_place place;
        const char *url;
    } cases[] = {
        {TOKEN_AT_URL, "https://evil.example/v1/token"},
        {TOKEN_AT_URL, "https://evilgoogleapis.com/v1/token"},
        {TOKEN_AT_URL, "https://googleapis.com.evil.example/v1/token"},
        {TOKEN_AT_URL, "https://.googleapis.com/v1/token"},
        {TOKEN_AT_URL, "https://sts.googleapis.com:8443/v1/token"},
        {TOKEN_AT_URL, "https://user@sts.googleapis.com/v1/token"},
        {TOKEN_AT_URL, "https://evil.example?.googleapis.com/"},
        {TOKEN_AT_URL, "https://evil.example#.googleapis.com/"},
        {TOKEN_AT_URL, "http://sts.googleapis.com/v1/token"},
        {TOKEN_AT_URL, "http://169.254.169.254/v1/token"},
        {TOKEN_AT_URL, "https://login.example.com/sts"},
        {TOKEN_AT_URL, "http://login.example.com:8443/sts"},
        {TOKEN_AT_URL, "sts.googleapis.com"},
        {TOKEN_AT_URL, ""},
        {TOKEN_FROM_URL, "http://idp.example.com/t"},
        {TOKEN_FROM_URL, "http://169.254.169.254:81/t"},
        {TOKEN_FROM_URL, "http://169.254.169.253/t"},
        {TOKEN_FROM_URL, "http://metadata.evil/t"},
        {TOKEN_FROM_URL, "file:///etc/passwd"},
        {TOKEN_FROM_URL, "https://idp.example.com/t?a b"},
        {TOKEN_FROM_URL, "https://idp.example.com/t?a\r\nX: y"},
        {TOKEN_FROM_URL, "https://idp.example.com/../t"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct token_goal goal;
        cr_expect_eq(find(cases[i].place, cases[i].url, &arena, &goal), STATUS_INVALID, "%s",
                     cases[i].url);
    }
}

static void expect_read(const char *text, const char *member, const char *token)
{
    char copy[200];
    struct error err;
    struct secret *secret = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    enum status status = token_called_read(slice_from(copy), slice_from(member), &secret, &err);
    cr_assert_eq(status, token == NULL ? STATUS_INVALID : STATUS_OK, "%s", text);
    if (token != NULL) {
        cr_expect(slice_equal(secret_reveal(secret), slice_from(token)), "%s", text);
    }
    secret_free(secret);
}

Test(token_call, a_subjects_token_is_a_text_or_a_member)
{
    expect_read("eyJ.a.b\n", "", "eyJ.a.b");
    expect_read("{\"t\":\"eyJ\"}", "", "{\"t\":\"eyJ\"}");
    expect_read("{\"t\":\"eyJ\"}", "t", "eyJ");
    expect_read("{\"t\":\"eyJ\"}", "u", NULL);
    expect_read("{\"t\":1}", "t", NULL);
    expect_read("{\"t\":\"\"}", "t", NULL);
    expect_read("{\"t\":\"a\",\"t\":\"b\"}", "t", NULL);
    expect_read("eyJ", "t", NULL);
    expect_read(" \n", "", NULL);
}
