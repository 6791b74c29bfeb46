/*
 * token_plan: how a token is had for a secret: one of the grants of token_grants.c, with what the
 * config says for it. Pure: a grant builds the call to the endpoint, or signs the token itself;
 * who sends it, and when, is no matter of this folder.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct token_grant;

/* The texts that a plan may have, by their names in the config. */
#define TOKEN_KEY_LIST(X)                                                                          \
    X(URL, "url")                                                                                  \
    X(SCOPE, "scope")                                                                              \
    X(AUDIENCE, "audience")                                                                        \
    X(RESOURCE, "resource")                                                                        \
    X(CLIENT, "client")                                                                            \
    X(ISSUER, "issuer")                                                                            \
    X(SUBJECT, "subject")                                                                          \
    X(SUBJECT_TYPE, "subject_type")                                                                \
    X(SUBJECT_HEADER, "subject_header")                                                            \
    X(ALGORITHM, "algorithm")                                                                      \
    X(KEY_ID, "key_id")                                                                            \
    X(DIRECTORY, "directory")                                                                      \
    X(INSTALLATION, "installation")

enum token_key {
#define TOKEN_KEY_MEMBER(name, text) TOKEN_##name,
    TOKEN_KEY_LIST(TOKEN_KEY_MEMBER)
#undef TOKEN_KEY_MEMBER
        TOKEN_KEYS
};
const char *token_key_name(enum token_key key);

enum {
    TOKEN_PAIRS_MAX = 16,         /* of parameters, and of claims */
    TOKEN_SECRET_MAX = 64 * 1024, /* longer ones are refused */
    TOKEN_CALL_MAX = 128 * 1024,  /* of what is sent, and of a token that is signed here */
    TOKEN_BYTES_MAX = 16 * 1024,  /* of one that an endpoint gives */
    TOKEN_PLAN_ID_BYTES = 32,
};

/* A name and its text, in the order of the config. */
struct token_pair {
    struct slice name, value;
};

struct token_plan {
    const struct token_grant *grant;
    struct slice values[TOKEN_KEYS];     /* empty: not said */
    const struct token_pair *parameters; /* further members of the form; before those of the grant,
                                            whose own they replace */
    unsigned parameter_count;
    const struct token_pair *claims; /* further claims of a JWT, as texts */
    unsigned claim_count;
    usec_t lifetime;                       /* of a token whose answer does not say it */
    unsigned char id[TOKEN_PLAN_ID_BYTES]; /* the same for plans that say the same */
};

/* What a token is made of. All borrowed. */
struct token_input {
    const struct token_plan *plan;
    struct slice secret;
    struct slice subject;       /* the token of whom is acted for, or, of a grant that signs, the
                                   origin that it is for where the plan has no audience; may be empty */
    struct slice refresh_token; /* the last one, of a grant that rotates; empty: the secret's */
    int64_t wall;               /* seconds since 1970, by the endpoint's clock */
    unsigned step;              /* of a grant of several steps: which one, from 0 */
    struct slice earlier;       /* what the step before came to; empty: there was none */
};

/* Where a step of several goes. */
enum token_place {
    TOKEN_AT_ENDPOINT, /* POST to the plan's URL */
    TOKEN_AT_URL,   /* POST to one that the secret names: at a host of Google, or where the plan's
                       URL is */
    TOKEN_FROM_URL, /* GET of one that the secret names: over https, or a cloud's metadata server */
    TOKEN_IN_FILE,  /* no call: a file is read */
};

enum { TOKEN_STEPS_MAX = 4, TOKEN_WHERE_MAX = 2048 };

/* Of the last two places the answer is a text, or the member of a JSON object; else a token's. */
struct token_step {
    enum token_place place;
    struct buffer *where;  /* the URL or the path; of TOKEN_WHERE_MAX */
    struct buffer *member; /* the object's; empty: it is the text; likewise */
    bool more;             /* what it comes to is for the next step */
};

/* POST to the plan's URL, or as `step` says. Both buffers hold secrets: the caller inits them with
 * TOKEN_CALL_MAX, reserves that, and wipes them. */
struct token_call {
    struct buffer *fields; /* lines of the head, each with its line end */
    struct buffer *body;
    struct token_step *step; /* zeros but for its buffers; NULL: the caller makes one call alone */
};

struct token_grant {
    const char *name;
    const char *secret; /* what the secret looks like: "ID:SECRET" */
    unsigned takes;     /* bits: 1 << key; needed ones are among them */
    unsigned needs;
    bool takes_claims, takes_parameters;
    bool dated;   /* a JWT is signed, so the endpoint's clock counts */
    bool rotates; /* an answer may have the next refresh token */
    struct slice
        url; /* unless the config says another; {directory} and {installation} are replaced */
    struct slice scope;
    /* One of the two. Errors say what is wrong with the secret, and quote nothing of it. */
    enum status (*call)(const struct token_input *input, struct token_call *ret, struct error *err);
    enum status (*sign)(const struct token_input *input, struct buffer *ret, usec_t *ret_life,
                        struct error *err); /* the gateway makes the token itself */
};

/* NULL: there is none. By position, NULL behind the last. */
const struct token_grant *token_grant_find(struct slice name);
const struct token_grant *token_grant_at(unsigned index);

static inline bool token_grant_takes(const struct token_grant *grant, enum token_key key)
{
    return (grant->takes & (1U << key)) != 0;
}

/* Sets plan->id from all that it says, and `further`, which tells apart what else does. */
void token_plan_identify(struct token_plan *plan, struct slice further);

/* ---- the grants, a file each ---- */

enum status grant_client_credentials_call(const struct token_input *input, struct token_call *ret,
                                          struct error *err);
enum status grant_refresh_token_call(const struct token_input *input, struct token_call *ret,
                                     struct error *err);
enum status grant_jwt_bearer_call(const struct token_input *input, struct token_call *ret,
                                  struct error *err);
enum status grant_token_exchange_call(const struct token_input *input, struct token_call *ret,
                                      struct error *err);
enum status grant_google_call(const struct token_input *input, struct token_call *ret,
                              struct error *err);
enum status grant_azure_call(const struct token_input *input, struct token_call *ret,
                             struct error *err);
enum status grant_github_app_call(const struct token_input *input, struct token_call *ret,
                                  struct error *err);
enum status grant_apns_sign(const struct token_input *input, struct buffer *ret, usec_t *ret_life,
                            struct error *err);
enum status grant_azure_sas_sign(const struct token_input *input, struct buffer *ret,
                                 usec_t *ret_life, struct error *err);
enum status grant_vapid_sign(const struct token_input *input, struct buffer *ret, usec_t *ret_life,
                             struct error *err);
