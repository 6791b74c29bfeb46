#include "auth/inbound/jwt_issuer.h"

#include "base/json.h"

#include <string.h>

enum { ALL_KINDS = (1 << KEY_KINDS) - 1 };

const char *token_verdict_text(enum token_verdict verdict)
{
    switch (verdict) {
    case TOKEN_FITS:
        return "it is good";
    case TOKEN_MALFORMED:
        return "it is no JWT of up to 16 KiB in compact form, with each name once";
    case TOKEN_ALGORITHM:
        return "it is not signed with RS256, ES256 or EdDSA, or it has crit";
    case TOKEN_ISSUER_UNKNOWN:
        return "no tenant takes tokens of its issuer";
    case TOKEN_NO_TENANT:
        return "no tenant takes its audience, claims and algorithm";
    case TOKEN_TWO_TENANTS:
        return "its audiences and claims fit two tenants";
    case TOKEN_KEY_UNTOLD:
        return "it has no kid, and its issuer has several keys of its algorithm";
    case TOKEN_KEY_UNKNOWN:
        return "its issuer has no key of this kid and algorithm";
    case TOKEN_SIGNATURE:
        return "its signature is wrong";
    case TOKEN_TIMELESS:
        return "its exp is missing, or one of exp, nbf and iat is no whole number";
    case TOKEN_EXPIRED:
        return "it has expired";
    case TOKEN_EARLY:
        return "its nbf is still to come";
    case TOKEN_FROM_FUTURE:
        return "its iat is still to come";
    }
    return "";
}

bool token_verdict_of_issuer(enum token_verdict verdict)
{
    return verdict >= TOKEN_NO_TENANT;
}

bool token_like(struct slice text)
{
    size_t first = slice_find(text, '.');
    struct slice rest = slice_skip(text, first + 1);
    size_t second = slice_find(rest, '.');
    return slice_starts_with(text, SLICE("ey")) && second < rest.len &&
           slice_find(slice_skip(rest, second + 1), '.') == rest.len - second - 1;
}

/* ---- which rule ---- */

static bool has_text(const struct cJSON *value, struct slice wanted)
{
    struct slice text;
    if (!json_is_array(value)) {
        return json_string(value, &text) && slice_equal(text, wanted);
    }
    const struct cJSON *item = json_first(value);
    while (item != NULL && !(json_string(item, &text) && slice_equal(text, wanted))) {
        item = json_next(item);
    }
    return item != NULL;
}

static bool has_claims(const struct jwt *jwt, const struct jwt_rule *rule)
{
    for (unsigned i = 0; i < rule->claim_count; i++) {
        const struct cJSON *value = jwt->claims;
        for (unsigned k = 0; k < rule->claims[i].depth; k++) {
            value = json_get(value, rule->claims[i].path[k]);
        }
        if (!has_text(value, rule->claims[i].value)) {
            return false;
        }
    }
    return true;
}

enum token_verdict token_find_rule(struct token *token)
{
    const struct cJSON *audience = json_get(token->jwt.claims, "aud");
    for (const struct jwt_rule *rule = token->issuer->rules; rule != NULL; rule = rule->next) {
        if (!has_text(audience, rule->audience) || !has_claims(&token->jwt, rule) ||
            (rule->kinds & (1U << token->jwt.kind)) == 0) {
            continue;
        }
        if (token->rule != NULL && token->rule->tenant != rule->tenant) {
            return TOKEN_TWO_TENANTS;
        }
        token->rule = token->rule == NULL ? rule : token->rule;
    }
    return token->rule == NULL ? TOKEN_NO_TENANT : TOKEN_FITS;
}

enum token_verdict token_read(struct slice text, const struct table *issuers, struct token *ret)
{
    struct slice name;
    *ret = (struct token){0};
    enum jwt_fault fault = jwt_read_any(text, ALL_KINDS, &ret->jwt);
    if (fault != JWT_OK) {
        return fault == JWT_ALGORITHM ? TOKEN_ALGORITHM : TOKEN_MALFORMED;
    }
    if (!jwt_text(&ret->jwt, "iss", &name)) {
        return TOKEN_ISSUER_UNKNOWN;
    }
    ret->issuer = table_get(issuers, name);
    return ret->issuer == NULL ? TOKEN_ISSUER_UNKNOWN : TOKEN_FITS;
}

void token_fini(struct token *token)
{
    jwt_fini(&token->jwt);
}

/* ---- is it good ---- */

/* *ret stays where the claim is absent. False: it is no whole number. */
static bool read_time(const struct jwt *jwt, const char *claim, int64_t *ret)
{
    return json_get(jwt->claims, claim) == NULL || jwt_number(jwt, claim, ret);
}

static enum token_verdict check_times(const struct token *token, int64_t now, int64_t *ret_until)
{
    int64_t leeway = token->rule->leeway / SEC;
    int64_t expires = -1;
    int64_t not_before = 0;
    int64_t issued = 0;
    if (!read_time(&token->jwt, "exp", &expires) || expires < 0 ||
        !read_time(&token->jwt, "nbf", &not_before) || !read_time(&token->jwt, "iat", &issued)) {
        return TOKEN_TIMELESS;
    }
    if (now >= expires + leeway) {
        return TOKEN_EXPIRED;
    }
    if (not_before > now + leeway) {
        return TOKEN_EARLY;
    }
    *ret_until = expires + leeway;
    return issued > now + leeway ? TOKEN_FROM_FUTURE : TOKEN_FITS;
}

enum token_verdict token_key(const struct token *token, const struct key_set *keys, EVP_PKEY **ret)
{
    const struct jwt *jwt = &token->jwt;
    if (jwt->kid.len == 0 && key_set_count(keys, jwt->kind) > 1) {
        return TOKEN_KEY_UNTOLD;
    }
    *ret = key_set_get(keys, jwt->kid, jwt->kind);
    return *ret == NULL ? TOKEN_KEY_UNKNOWN : TOKEN_FITS;
}

/* The rules come behind the signature: whoever has no token of the issuer's shall neither learn
 * from the answer which audiences and claims are somebody's, nor have all rules gone through. */
enum token_verdict token_check(struct token *token, EVP_PKEY *key, int64_t now, int64_t *ret_until)
{
    if (!jwt_valid(&token->jwt, token->jwt.kind, key)) {
        return TOKEN_SIGNATURE;
    }
    enum token_verdict verdict = token_find_rule(token);
    return verdict == TOKEN_FITS ? check_times(token, now, ret_until) : verdict;
}

/* ---- can two be told apart ---- */

static bool same_path(const struct jwt_claim *one, const struct jwt_claim *other)
{
    bool same = one->depth == other->depth;
    for (unsigned i = 0; same && i < one->depth; i++) {
        same = strcmp(one->path[i], other->path[i]) == 0;
    }
    return same;
}

bool jwt_rules_overlap(const struct jwt_rule *one, const struct jwt_rule *other)
{
    if (!slice_equal(one->audience, other->audience)) {
        return false;
    }
    for (unsigned i = 0; i < one->claim_count; i++) {
        for (unsigned k = 0; k < other->claim_count; k++) {
            if (same_path(&one->claims[i], &other->claims[k]) &&
                !slice_equal(one->claims[i].value, other->claims[k].value)) {
                return false;
            }
        }
    }
    return true;
}
