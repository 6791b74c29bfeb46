/*
 * jwt_issuer: whose tokens are taken, and which tenant each of them is. Pure, part of a snapshot.
 *
 * A token is read, its issuer is looked up, the issuer's signature is seen, and then the tenant is
 * the one whose audience and claims are all in it.
 */
#pragma once

#include "auth/inbound/jwt.h"
#include "base/clock.h"
#include "base/slice.h"
#include "base/table.h"

#include <stdbool.h>

struct jwt_issuer;
struct key_site;
struct tenant;

enum {
    JWT_CLAIM_DEPTH_MAX = 8,
    JWT_RULES_MAX = 4096 /* of an issuer */,
    JWT_SITES_MAX = 64 /* of key sets that are fetched */
};

/* A text that has to be there: as the claim's value, or in it, if that is an array. */
struct jwt_claim {
    const char *const *path; /* names of members, from the top */
    unsigned depth;
    struct slice value;
};

/* What makes a token of the issuer this tenant's. */
struct jwt_rule {
    const struct tenant *tenant;
    struct slice audience;
    unsigned kinds; /* of signatures, a bit each, as jwt_read_any() has them */
    usec_t leeway;
    const struct jwt_claim *claims; /* at least one */
    unsigned claim_count;
    const struct jwt_rule *next; /* of the same issuer */
    const struct jwt_issuer *issuer;
    const struct jwt_rule *next_of_tenant;
};

struct jwt_issuer {
    struct slice name;
    const struct jwt_rule *rules;
    const struct key_site *site; /* where its keys are; NULL: `keys` */
    struct key_set *keys;        /* the snapshot's; NULL: `site` */
};

enum token_verdict {
    TOKEN_FITS,
    /* Nobody's here: */
    TOKEN_MALFORMED,
    TOKEN_ALGORITHM,
    TOKEN_ISSUER_UNKNOWN,
    /* Of an issuer that is known, but not to be taken: */
    TOKEN_NO_TENANT,
    TOKEN_TWO_TENANTS,
    TOKEN_KEY_UNTOLD,
    TOKEN_KEY_UNKNOWN,
    TOKEN_SIGNATURE,
    TOKEN_TIMELESS,
    TOKEN_EXPIRED,
    TOKEN_EARLY,
    TOKEN_FROM_FUTURE,
};

/* For caller and logs; nothing of the token is in it. */
const char *token_verdict_text(enum token_verdict verdict);
/* Is it from an issuer that is listed? Such a token counts, however it is. */
bool token_verdict_of_issuer(enum token_verdict verdict);

struct token {
    struct jwt jwt;
    const struct jwt_issuer *issuer; /* NULL: unknown */
    const struct jwt_rule *rule;     /* whose it is: with TOKEN_FITS of token_check() */
};

/* Could it be one? Three parts, and the beginning of a JSON object in base64url. */
bool token_like(struct slice text);

/* `issuers`: by name. TOKEN_FITS: it is of one of them, if token_check() says so, too. token_fini()
 * always. */
enum token_verdict token_read(struct slice text, const struct table *issuers, struct token *ret);
/* Which of its issuer's keys it has to be signed with: that of its kid and kind; without a kid the
 * only one of its kind. TOKEN_FITS: *ret, borrowed. TOKEN_KEY_UNKNOWN: a newer set may have it. */
enum token_verdict token_key(const struct token *token, const struct key_set *keys, EVP_PKEY **ret);
/* Whose its audience and claims make it: token->rule. A part of token_check(), which alone knows
 * whether they are true. */
enum token_verdict token_find_rule(struct token *token);
/* `now`: Unix seconds. TOKEN_FITS: token->rule says whose; *ret_until: up to then the same verdict
 * holds, with the same key. */
enum token_verdict token_check(struct token *token, EVP_PKEY *key, int64_t now, int64_t *ret_until);
void token_fini(struct token *token);

/* Could one token be of both? Not if they name different values of the same claim, in a token that
 * has no arrays there. */
bool jwt_rules_overlap(const struct jwt_rule *one, const struct jwt_rule *other);
