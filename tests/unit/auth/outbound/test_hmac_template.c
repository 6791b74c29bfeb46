#include "auth/outbound/hmac_recipe.h"
#include "tests/unit/auth/outbound/signer_scene.h"

TestSuite(hmac_template, .init = signer_setup, .fini = signer_teardown);

static const struct slice head =
    SLICE_INIT("POST /orders?a=1 HTTP/1.1\r\nHost: api.example.com\r\n");
static const struct slice body = SLICE_INIT("{\"x\":1}");
static const usec_t now = 1700000000 * SEC + 123 * MSEC;

/* Expected values by another implementation. */
Test(hmac_template, signs_a_text_of_parts_with_a_key_in_base64)
{
    const struct hmac_recipe recipe = {
        .message = SLICE("{timestamp}{method}{target}{body}"),
        .encoding = HMAC_BASE64,
        .key_form = HMAC_KEY_BASE64,
        .headers = {{SLICE("X-Key"), SLICE("{user}")},
                    {SLICE("X-Sign"), SLICE("v1={signature};t={timestamp}")}},
        .header_count = 2,
        .reads_body = true,
    };
    const struct signing_rule rule = {.scheme = SIGNER_HMAC, .recipe = &recipe};
    cr_assert(sign_with(&rule, "APIKEY:c2VjcmV0LWtleQ==", head, body, now) == STATUS_OK);
    expect_lines("X-Key: APIKEY\r\n"
                 "X-Sign: v1=ulOhYzTNfXYwTiTQ9ADxQQ5rb5CyvYCeIJwqlws/euU=;t=1700000000\r\n");
}

Test(hmac_template, signs_lines_with_sha_512)
{
    const struct hmac_recipe recipe = {
        .message = SLICE("{method}\\n{path}\\n{query}\\n{body_sha512}\\n{timestamp}\\n{user}"),
        .hash = HMAC_SHA512,
        .clock = HMAC_MILLISECONDS,
        .headers = {{SLICE("X-Sign"), SLICE("{signature}")}},
        .header_count = 1,
        .reads_body = true,
    };
    const struct signing_rule rule = {.scheme = SIGNER_HMAC, .recipe = &recipe};
    cr_assert(sign_with(&rule, "APIKEY:s3cret", head, body, now) == STATUS_OK);
    expect_lines(
        "X-Sign: "
        "4522b44132a7237b1e6577b8352dfab76c55b0c119ca1b0c7c7aab141845fcb6f7613774e9398628cf63"
        "9cbebcaa08dd0a2d3a6b31d6cce69e8f2c794ba7eeb0\r\n");
}

Test(hmac_template, signs_with_a_key_in_hex_that_stands_alone)
{
    const struct hmac_recipe recipe = {
        .message = SLICE("{timestamp}{host}{body_sha256}"),
        .key_form = HMAC_KEY_HEX,
        .clock = HMAC_ISO_8601,
        .headers = {{SLICE("X-Sign"), SLICE("{signature}")}},
        .header_count = 1,
        .reads_body = true,
    };
    const struct signing_rule rule = {.scheme = SIGNER_HMAC, .recipe = &recipe};
    cr_assert(sign_with(&rule, "00ff10", head, body, now) == STATUS_OK);
    expect_lines("X-Sign: ad276fe579481da414843965615f1f8744d0c5f05a9423ce25379a23c158a125\r\n");
}

Test(hmac_template, a_message_that_repeats_its_body_has_room)
{
    const struct hmac_recipe recipe = {
        .message = SLICE("{body}{body}{body}{target}{target}{target}"),
        .headers = {{SLICE("X-Sign"), SLICE("{signature}")}},
        .header_count = 1,
        .reads_body = true,
    };
    const struct signing_rule rule = {.scheme = SIGNER_HMAC, .recipe = &recipe};
    static char large[200000];
    memset(large, 'x', sizeof(large));
    cr_expect(sign_with(&rule, "k:s", head, slice_make(large, sizeof(large)), now) == STATUS_OK);
}

Test(hmac_template, a_key_of_another_form_and_a_user_that_ends_a_header_are_refused)
{
    const struct hmac_recipe recipe = {
        .message = SLICE("{method}"),
        .key_form = HMAC_KEY_BASE64,
        .headers = {{SLICE("X-Key"), SLICE("{user}")}, {SLICE("X-Sign"), SLICE("{signature}")}},
        .header_count = 2,
    };
    const struct signing_rule rule = {.scheme = SIGNER_HMAC, .recipe = &recipe};
    cr_expect(sign_with(&rule, "k:not base64!", head, body, now) == STATUS_INVALID);
    cr_expect(sign_with(&rule, "k\r\nX-Evil:c2VjcmV0", head, body, now) == STATUS_INVALID);
    cr_expect(sign_with(&rule, "", head, body, now) == STATUS_INVALID);
    cr_expect(buffer_len(&lines) == 0);
}

Test(hmac_template, placeholders_are_known_where_they_stand)
{
    static const struct {
        struct slice text;
        enum hmac_text kind;
        bool valid, reads;
    } cases[] = {
        {SLICE_INIT("{timestamp}{method}"), HMAC_MESSAGE, true, false},
        {SLICE_INIT("{body_sha256}"), HMAC_MESSAGE, true, true},
        {SLICE_INIT("plain"), HMAC_MESSAGE, true, false},
        {SLICE_INIT("{signature}"), HMAC_MESSAGE, false, false},
        {SLICE_INIT("{bodi}"), HMAC_MESSAGE, false, false},
        {SLICE_INIT("a { b"), HMAC_MESSAGE, false, false},
        {SLICE_INIT("v={signature},t={timestamp}"), HMAC_VALUE, true, false},
        {SLICE_INIT("{body}"), HMAC_VALUE, false, false},
        {SLICE_INIT("{nothing}"), HMAC_VALUE, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool reads = false;
        struct error err;
        enum status status = hmac_recipe_check(cases[i].text, cases[i].kind, &reads, &err);
        cr_expect_eq(status == STATUS_OK, cases[i].valid, "%.*s", SLICE_ARG(cases[i].text));
        cr_expect_eq(reads, cases[i].reads, "%.*s", SLICE_ARG(cases[i].text));
    }
}
