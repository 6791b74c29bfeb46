/*
 * The readers of tokens and key sets: before the first zero byte a token, behind it a key set. What
 * is taken has to be whole, of a kind that was allowed, and have a key id that may be written
 * anywhere; no token is believed without a key.
 */
#include "auth/inbound/jwt_issuer.h"
#include "auth/inbound/tenant.h"
#include "base/json.h"

#include <stdlib.h>

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static const char *const path[] = {"sub"};
static const struct jwt_claim claim = {path, 1, SLICE_INIT("x")};
static const struct tenant tenant = {.name = "t"};
static const struct jwt_rule rule = {
    .tenant = &tenant,
    .audience = SLICE_INIT("a"),
    .kinds = 1U << KEY_ES256 | 1U << KEY_EDDSA,
    .claims = &claim,
    .claim_count = 1,
};
static struct jwt_issuer issuer = {.name = SLICE_INIT("i"), .rules = &rule};

static void look_at_jwt(const struct jwt *jwt)
{
    require(jwt->kid.len <= JWT_KID_MAX_BYTES);
    for (size_t i = 0; i < jwt->kid.len; i++) {
        require(jwt->kid.ptr[i] > ' ' && jwt->kid.ptr[i] <= '~');
    }
    require(jwt->signature_len > 0 && jwt->signature_len <= sizeof(jwt->signature));
    require(json_is_object(jwt->claims) && jwt->kind < KEY_KINDS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct table issuers;
    if (issuers.count == 0) {
        (void)table_add(&issuers, issuer.name, &issuer);
    }
    struct slice bytes = slice_make((const char *)data, size);
    struct slice text = slice_make(bytes.ptr, slice_find(bytes, '\0'));
    struct key_set *keys = key_set_new(slice_skip(bytes, text.len + 1));
    struct token token;
    int64_t until = 0;
    enum token_verdict verdict = token_read(text, &issuers, &token);
    if (verdict != TOKEN_MALFORMED && verdict != TOKEN_ALGORITHM) {
        require(text.len <= JWT_BYTES_MAX);
        look_at_jwt(&token.jwt);
    }
    EVP_PKEY *key = NULL;
    if (verdict == TOKEN_FITS && token_find_rule(&token) == TOKEN_FITS) {
        require(token.rule == &rule && (rule.kinds & (1U << token.jwt.kind)) != 0);
    }
    if (verdict == TOKEN_FITS && keys != NULL && token_key(&token, keys, &key) == TOKEN_FITS) {
        require(key != NULL);
        (void)token_check(&token, key, 1800000000, &until);
    }
    token_fini(&token);
    key_set_free(keys);
    return 0;
}
