/* jwt_issuer: whose a token is. Tokens are signed with an Ed25519 key of the test's own. */
#include "auth/inbound/jwt_issuer.h"
#include "auth/inbound/tenant.h"
#include "base/encode.h"

#include <stdio.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>

enum { NOW = 1800000000, TEXT_BYTES = 4096 };

static EVP_PKEY *key;
static struct table issuers;
static struct jwt_issuer issuer = {.name = SLICE_INIT("me")};
static const struct tenant one = {.name = "one"};
static const struct tenant two = {.name = "two"};
static const char *const sub_path[] = {"sub"};
static const char *const deep_path[] = {"a", "b"};
static const struct jwt_claim sub_one = {sub_path, 1, SLICE_INIT("one")};
static const struct jwt_claim deep_x = {deep_path, 2, SLICE_INIT("x")};
static const struct jwt_claim deep_y = {deep_path, 2, SLICE_INIT("y")};
static struct jwt_rule rules[3];

static void set_up(void)
{
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    cr_assert(key != NULL);
    const struct jwt_claim *const claims[] = {&sub_one, &deep_x, &deep_y};
    for (unsigned i = 0; i < 3; i++) {
        rules[i] = (struct jwt_rule){
            .tenant = i == 2 ? &two : &one,
            .audience = SLICE("gw"),
            .kinds = 1U << KEY_EDDSA,
            .leeway = 60 * SEC,
            .claims = claims[i],
            .claim_count = 1,
            .next = i < 2 ? &rules[i + 1] : NULL,
        };
    }
    issuer.rules = &rules[0];
    (void)table_add(&issuers, issuer.name, &issuer);
}

static void tear_down(void)
{
    table_fini(&issuers);
    EVP_PKEY_free(key);
}

TestSuite(jwt_issuer, .init = set_up, .fini = tear_down);

static size_t encode_url(struct slice bytes, char *out)
{
    size_t len = encode_base64(bytes, out);
    while (len > 0 && out[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    }
    return len;
}

static struct slice token_of(const char *claims)
{
    static char text[TEXT_BYTES];
    unsigned char signature[64];
    size_t signature_len = sizeof(signature);
    size_t len = encode_url(SLICE("{\"alg\":\"EdDSA\",\"kid\":\"k\"}"), text);
    text[len++] = '.';
    len += encode_url(slice_from(claims), text + len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    cr_assert_eq(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    cr_assert_eq(EVP_DigestSign(context, signature, &signature_len, (unsigned char *)text, len), 1);
    EVP_MD_CTX_free(context);
    text[len++] = '.';
    len += encode_url(slice_make((const char *)signature, signature_len), text + len);
    return slice_make(text, len);
}

static enum token_verdict verdict_of(const char *claims, const struct tenant **ret_tenant,
                                     int64_t *ret_until)
{
    struct token token;
    enum token_verdict verdict = token_read(token_of(claims), &issuers, &token);
    if (verdict == TOKEN_FITS) {
        verdict = token_check(&token, key, NOW, ret_until);
    }
    if (verdict == TOKEN_FITS) {
        *ret_tenant = token.rule->tenant;
    }
    token_fini(&token);
    return verdict;
}

#define TIMES "\"exp\":1800000100"

Test(jwt_issuer, who_has_no_signature_does_not_learn_what_is_somebodys)
{
    static const char *const texts[] = {
        "{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}",
        "{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"nobody\"," TIMES "}",
        "{\"iss\":\"me\",\"aud\":\"gw2\"}",
        "{\"iss\":\"me\"}",
    };
    EVP_PKEY *own = key;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct token token;
        int64_t until = 0;
        enum token_verdict verdict = token_read(token_of(texts[i]), &issuers, &token);
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        cr_expect_eq(verdict, TOKEN_FITS, "%s", texts[i]);
        cr_expect_eq(token_check(&token, key, NOW, &until), TOKEN_SIGNATURE, "%s", texts[i]);
        cr_expect_null(token.rule);
        EVP_PKEY_free(key);
        key = own;
        token_fini(&token);
    }
}

Test(jwt_issuer, audience_and_claims_choose_the_tenant)
{
    static const struct {
        const char *claims;
        enum token_verdict verdict;
        const struct tenant *tenant;
    } cases[] = {
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}", TOKEN_FITS, &one},
        {"{\"iss\":\"me\",\"aud\":[\"x\",\"gw\"],\"sub\":[\"y\",\"one\"]," TIMES "}", TOKEN_FITS,
         &one},
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"a\":{\"b\":\"y\"}," TIMES "}", TOKEN_FITS, &two},
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"a\":{\"b\":[\"x\"]},\"sub\":\"one\"," TIMES "}",
         TOKEN_FITS, &one},
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"a\":{\"b\":[\"x\",\"y\"]}," TIMES "}", TOKEN_TWO_TENANTS,
         NULL},
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"a\":[{\"b\":\"y\"}]," TIMES "}", TOKEN_NO_TENANT, NULL},
        {"{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":[[\"one\"]]," TIMES "}", TOKEN_NO_TENANT, NULL},
        {"{\"iss\":\"me\",\"aud\":\"gw2\",\"sub\":\"one\"," TIMES "}", TOKEN_NO_TENANT, NULL},
        {"{\"iss\":\"me\",\"aud\":{\"gw\":1},\"sub\":\"one\"," TIMES "}", TOKEN_NO_TENANT, NULL},
        {"{\"iss\":\"me\",\"sub\":\"one\"," TIMES "}", TOKEN_NO_TENANT, NULL},
        {"{\"iss\":\"you\",\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}", TOKEN_ISSUER_UNKNOWN, NULL},
        {"{\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}", TOKEN_ISSUER_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tenant *tenant = NULL;
        int64_t until = 0;
        cr_expect_eq(verdict_of(cases[i].claims, &tenant, &until), cases[i].verdict, "%s",
                     cases[i].claims);
        cr_expect_eq(tenant, cases[i].tenant, "%s", cases[i].claims);
    }
}

Test(jwt_issuer, times_count_with_the_leeway_and_no_further)
{
    static const struct {
        const char *times;
        enum token_verdict verdict;
    } cases[] = {
        {"\"exp\":1799999941", TOKEN_FITS},
        {"\"exp\":1799999940", TOKEN_EXPIRED},
        {"\"exp\":0", TOKEN_EXPIRED},
        {"\"exp\":1800000100,\"nbf\":1800000060", TOKEN_FITS},
        {"\"exp\":1800000100,\"nbf\":1800000061", TOKEN_EARLY},
        {"\"exp\":1800000100,\"iat\":1800000060", TOKEN_FITS},
        {"\"exp\":1800000100,\"iat\":1800000061", TOKEN_FROM_FUTURE},
        {"\"nbf\":1", TOKEN_TIMELESS},
        {"\"exp\":\"1800000100\"", TOKEN_TIMELESS},
        {"\"exp\":null", TOKEN_TIMELESS},
        {"\"exp\":1e300", TOKEN_TIMELESS},
        {"\"exp\":1800000100.5", TOKEN_TIMELESS},
        {"\"exp\":1800000100,\"nbf\":\"x\"", TOKEN_TIMELESS},
        {"\"exp\":1800000100,\"iat\":[]", TOKEN_TIMELESS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char claims[256];
        const struct tenant *tenant = NULL;
        int64_t until = 0;
        (void)snprintf(claims, sizeof(claims), "{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"one\",%s}",
                       cases[i].times);
        cr_expect_eq(verdict_of(claims, &tenant, &until), cases[i].verdict, "%s", cases[i].times);
        cr_expect(cases[i].verdict != TOKEN_FITS || until > NOW);
    }
}

Test(jwt_issuer, verdict_holds_up_to_the_end_with_the_leeway)
{
    const struct tenant *tenant = NULL;
    int64_t until = 0;
    cr_assert_eq(
        verdict_of("{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}", &tenant, &until),
        TOKEN_FITS);
    cr_expect_eq(until, 1800000160);
}

Test(jwt_issuer, algorithm_that_the_tenant_does_not_list_is_not_taken)
{
    const struct tenant *tenant = NULL;
    int64_t until = 0;
    rules[0].kinds = 1U << KEY_RS256;
    cr_expect_eq(
        verdict_of("{\"iss\":\"me\",\"aud\":\"gw\",\"sub\":\"one\"," TIMES "}", &tenant, &until),
        TOKEN_NO_TENANT);
}

Test(jwt_issuer, rules_overlap_unless_a_claim_or_the_audience_tells_them_apart)
{
    const struct jwt_claim both[] = {sub_one, deep_x};
    struct jwt_rule narrow = {.audience = SLICE("gw"), .claims = both, .claim_count = 2};
    cr_expect(jwt_rules_overlap(&rules[0], &rules[1]));
    cr_expect_not(jwt_rules_overlap(&rules[1], &rules[2]));
    cr_expect(jwt_rules_overlap(&narrow, &rules[0]));
    cr_expect_not(jwt_rules_overlap(&narrow, &rules[2]));
    narrow.audience = SLICE("other");
    cr_expect_not(jwt_rules_overlap(&narrow, &rules[0]));
}

Test(jwt_issuer, what_could_be_a_token_has_three_parts)
{
    cr_expect(token_like(SLICE("eyJh.eyJi.sig")));
    cr_expect(token_like(SLICE("eyJh..")));
    cr_expect_not(token_like(SLICE("")));
    cr_expect_not(token_like(SLICE("eyJh.eyJi")));
    cr_expect_not(token_like(SLICE("eyJh.eyJi.sig.more")));
    cr_expect_not(token_like(SLICE("sk-1.2.3")));
}
