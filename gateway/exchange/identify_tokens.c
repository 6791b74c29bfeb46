#include "gateway/exchange/identify_tokens.h"

#include "auth/inbound/authenticate.h"
#include "auth/inbound/tenant.h"
#include "config/snapshot.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/token_cache.h"

#include <string.h>

/* The keys of an issuer as they are now; those of a file are of the config, and have no version. */
struct current_keys {
    const struct key_set *set;
    uint64_t version;
};

static enum tokens_answer ask_keys(struct exchange *exchange, const struct jwt_issuer *issuer,
                                   bool newer, struct current_keys *ret)
{
    if (issuer->site == NULL) {
        *ret = (struct current_keys){.set = issuer->keys};
        return TOKENS_DONE;
    }
    const struct issuer_question question = {
        .snapshot = exchange->snapshot, .site = issuer->site, .newer = newer};
    switch (issuer_keys_ask(exchange->side->issuer_keys, &question, &exchange->key_wait,
                            &exchange->waiter, &ret->set, &ret->version)) {
    case ISSUER_KEYS_HERE:
        return TOKENS_DONE;
    case ISSUER_KEYS_PENDING:
        return TOKENS_PENDING;
    case ISSUER_KEYS_NONE:
        break;
    }
    return TOKENS_UNTOLD;
}

static void copy_shown(struct slice text, char *out, size_t most)
{
    size_t len = text.len < most ? text.len : most;
    for (size_t i = 0; i < len; i++) {
        bool plain = text.ptr[i] >= ' ' && text.ptr[i] <= '~';
        out[i] = (char)(plain ? text.ptr[i] : '?');
    }
    out[len] = '\0';
}

static void note_refused(struct authentication *auth, const struct token *token,
                         enum token_verdict verdict, struct token_news *news)
{
    struct slice issuer = slice_make("", 0);
    *news = (struct token_news){.refused = true, .verdict = verdict};
    if (token_verdict_of_issuer(verdict)) {
        auth->refused_seen = true;
    }
    if (token->jwt.claims != NULL) { /* else it could not be read */
        (void)jwt_text(&token->jwt, "iss", &issuer);
        copy_shown(issuer, news->issuer, TOKEN_ISSUER_SHOWN);
        copy_shown(token->jwt.kid, news->kid, JWT_KID_MAX_BYTES);
    }
}

static void remember(struct exchange *exchange, const struct token *token,
                     const unsigned char hash[SHA256_BYTES], uint64_t version, int64_t until)
{
    struct exchange_side *side = exchange->side;
    struct token_entry entry = {
        .generation = exchange->snapshot->generation,
        .version = version,
        .until = until < INT64_MAX / SEC ? until * SEC : INT64_MAX,
        .tenant = token->rule->tenant,
        .issuer = token->issuer,
    };
    memcpy(entry.hash, hash, SHA256_BYTES);
    if (side->tokens == NULL) {
        side->tokens = token_cache_new();
    }
    token_cache_put(side->tokens, &entry, exchange->facts.started_wall);
}

/* Its key, the signature, the time. *ret_verdict with TOKENS_DONE. */
static enum tokens_answer check(struct exchange *exchange, struct token *token,
                                const unsigned char hash[SHA256_BYTES],
                                enum token_verdict *ret_verdict)
{
    struct current_keys keys;
    int64_t until = 0;
    EVP_PKEY *key = NULL;
    enum tokens_answer answer = ask_keys(exchange, token->issuer, false, &keys);
    if (answer != TOKENS_DONE) {
        return answer;
    }
    *ret_verdict = token_key(token, keys.set, &key);
    if (*ret_verdict == TOKEN_KEY_UNKNOWN) {
        answer = ask_keys(exchange, token->issuer, true, &keys);
        if (answer != TOKENS_DONE) {
            return answer;
        }
        *ret_verdict = token_key(token, keys.set, &key);
    }
    if (*ret_verdict == TOKEN_FITS) {
        *ret_verdict = token_check(token, key, exchange->facts.started_wall / SEC, &until);
    }
    if (*ret_verdict == TOKEN_FITS) {
        remember(exchange, token, hash, keys.version, until);
    }
    return TOKENS_DONE;
}

static enum tokens_answer verify(struct exchange *exchange, struct slice text,
                                 struct authentication *auth, struct token_news *news)
{
    unsigned char hash[SHA256_BYTES];
    struct token token = {0};
    digest_sha256(text, hash);
    const struct token_entry *known =
        exchange->side->tokens == NULL
            ? NULL
            : token_cache_get(exchange->side->tokens, hash, exchange->snapshot->generation,
                              exchange->facts.started_wall);
    if (known != NULL) {
        struct current_keys keys;
        enum tokens_answer answer = ask_keys(exchange, known->issuer, false, &keys);
        if (answer != TOKENS_DONE) {
            return answer;
        }
        if (keys.version == known->version) {
            authenticate_add(auth, known->tenant);
            return TOKENS_DONE;
        }
    }
    enum token_verdict verdict = token_read(text, &exchange->snapshot->issuers, &token);
    enum tokens_answer answer =
        verdict == TOKEN_FITS ? check(exchange, &token, hash, &verdict) : TOKENS_DONE;
    if (answer == TOKENS_DONE && verdict == TOKEN_FITS) {
        authenticate_add(auth, token.rule->tenant);
    } else if (answer == TOKENS_DONE) {
        note_refused(auth, &token, verdict, news);
    }
    token_fini(&token);
    return answer;
}

enum tokens_answer identify_tokens(struct exchange *exchange, struct authentication *auth,
                                   struct token_news *ret)
{
    *ret = (struct token_news){0};
    for (unsigned i = 0; i < auth->token_count; i++) {
        struct token_news news = {0};
        enum tokens_answer answer = verify(exchange, auth->tokens[i], auth, &news);
        if (answer != TOKENS_DONE) {
            return answer;
        }
        if (news.refused) {
            *ret = news;
        } else {
            auth->taken |= 1U << i;
        }
    }
    return TOKENS_DONE;
}
