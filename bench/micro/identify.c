/*
 * identify: what it costs to know the caller. bench_micro_identify [TENANTS KEYS]: looks keys up
 * among so many (10,000 tenants of 5 keys each, unless it is said), and reads and verifies tokens,
 * with the bare check of their signature beside it; each in nanoseconds of CPU time.
 */
#include "auth/inbound/authenticate.h"
#include "auth/inbound/jwt_issuer.h"
#include "auth/inbound/tenant.h"
#include "base/encode.h"
#include "base/memory.h"
#include "bench/micro/cpu_time.h"
#include "gateway/exchange/token_cache.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { NOW = 1800000000, TOKEN_BYTES = 4096, SETTLE = 1000 };

static char text[TOKEN_BYTES];
static volatile unsigned sink;

static void tell(const char *what, double begin, unsigned count)
{
    (void)printf("%-44s %10.0f ns\n", what, (cpu_ns() - begin) / count);
}

/* ---- keys ---- */

static void measure_keys(unsigned tenants, unsigned keys)
{
    unsigned count = tenants * keys;
    struct arena arena = {0};
    struct tenant *all = ARENA_ARRAY(&arena, struct tenant, tenants);
    struct tenant **pointers = ARENA_ARRAY(&arena, struct tenant *, tenants);
    struct tenant_key *hashes = ARENA_ARRAY(&arena, struct tenant_key, count);
    char(*texts)[API_KEY_LEN + 1] = arena_alloc(&arena, (size_t)count * (API_KEY_LEN + 1));
    struct tenant_table table;
    char what[64];
    for (unsigned i = 0; i < count; i++) {
        api_key_new(texts[i]);
        api_key_hash(slice_make(texts[i], API_KEY_LEN), &hashes[i].hash);
    }
    for (unsigned i = 0; i < tenants; i++) {
        all[i] = (struct tenant){.name = "t", .keys = &hashes[(size_t)i * keys], .key_count = keys};
        pointers[i] = &all[i];
    }
    if (tenant_table_build(&arena, pointers, tenants, &table, NULL) != STATUS_OK) {
        abort();
    }
    double begin = cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        struct authentication auth = {.wall = NOW * SEC};
        unsigned which = (unsigned)((uint64_t)i * 2654435761U % count);
        (void)authenticate_value(&auth, &table, CREDENTIAL_PLAIN,
                                 slice_make(texts[which], API_KEY_LEN), SLICE(""));
        sink += auth.tenant != NULL;
    }
    (void)snprintf(what, sizeof(what), "a key, among %u tenants of %u", tenants, keys);
    tell(what, begin, count);
    arena_fini(&arena);
}

/* ---- tokens ---- */

static size_t encode_url(struct slice bytes, char *out)
{
    size_t len = encode_base64(bytes, out);
    while (len > 0 && out[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
    }
    return len;
}

static const char *const header_of[KEY_KINDS] = {
    [KEY_RS256] = "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"JWT\"}",
    [KEY_EDDSA] = "{\"alg\":\"EdDSA\",\"kid\":\"k\",\"typ\":\"JWT\"}",
};

static struct slice make_token(enum key_kind kind, EVP_PKEY *key)
{
    unsigned char signature[512];
    size_t signature_len = sizeof(signature);
    size_t len = encode_url(slice_from(header_of[kind]), text);
    text[len++] = '.';
    len += encode_url(
        SLICE("{\"iss\":\"https://login.corp/realms/services\",\"aud\":[\"sallyport\",\"x\"],"
              "\"sub\":\"checkout\",\"iat\":1799999000,\"exp\":1800000600,\"jti\":"
              "\"6f2c8b3e-7a0b-4f0e-9a51-0d9f4b8f3a77\",\"scope\":\"calls read write\"}"),
        text + len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(context, NULL, kind == KEY_EDDSA ? NULL : EVP_sha256(), NULL, key) !=
            1 ||
        EVP_DigestSign(context, signature, &signature_len, (unsigned char *)text, len) != 1) {
        abort();
    }
    EVP_MD_CTX_free(context);
    text[len++] = '.';
    len += encode_url(slice_make((const char *)signature, signature_len), text + len);
    return slice_make(text, len);
}

static const char *const sub[] = {"sub"};
static const struct jwt_claim claim = {sub, 1, SLICE_INIT("checkout")};
static const struct tenant checkout = {.name = "checkout"};
static const struct jwt_rule rule = {.tenant = &checkout,
                                     .audience = SLICE_INIT("sallyport"),
                                     .kinds = (1U << KEY_KINDS) - 1,
                                     .claims = &claim,
                                     .claim_count = 1};
static struct jwt_issuer issuer = {.name = SLICE_INIT("https://login.corp/realms/services"),
                                   .rules = &rule};

static void measure_token(enum key_kind kind, EVP_PKEY *key, unsigned count)
{
    struct table issuers = {0};
    struct slice token_text = make_token(kind, key);
    struct token token;
    int64_t until = 0;
    char what[64];
    struct slice name = key_kind_name(kind);
    (void)table_add(&issuers, issuer.name, &issuer);
    double begin = cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        if (token_read(token_text, &issuers, &token) != TOKEN_FITS ||
            token_check(&token, key, NOW, &until) != TOKEN_FITS) {
            abort();
        }
        token_fini(&token);
    }
    (void)snprintf(what, sizeof(what), "a new token, %.*s", SLICE_ARG(name));
    tell(what, begin, count);
    if (token_read(token_text, &issuers, &token) != TOKEN_FITS) {
        abort();
    }
    begin = cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        sink += jwt_valid(&token.jwt, kind, key);
    }
    (void)snprintf(what, sizeof(what), "  of that its signature");
    tell(what, begin, count);
    token_fini(&token);
    table_fini(&issuers);
}

static void measure_known_token(void)
{
    enum { COUNT = 200000 };
    struct token_cache *cache = token_cache_new();
    struct slice token_text = slice_make(text, 700);
    struct token_entry entry = {.generation = 1, .until = INT64_MAX};
    digest_sha256(token_text, entry.hash);
    token_cache_put(cache, &entry, 0);
    double begin = cpu_ns();
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned char hash[SHA256_BYTES];
        digest_sha256(token_text, hash);
        sink += token_cache_get(cache, hash, 1, NOW * SEC) != NULL;
    }
    tell("a token that was verified before", begin, COUNT);
    token_cache_free(cache);
}

int main(int argc, char **argv)
{
    unsigned tenants = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    unsigned keys = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    measure_keys(SETTLE, 1); /* for comparison; and the first to run warms up */
    measure_keys(tenants, keys);
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    measure_token(KEY_RS256, rsa, 20000);
    measure_token(KEY_EDDSA, ed25519, 5000);
    measure_known_token();
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed25519);
    return 0;
}
