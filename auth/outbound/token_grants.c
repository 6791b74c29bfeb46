/* token_grants: the grants as data, and what identifies a plan. */
#include "auth/outbound/token_plan.h"
#include "base/digest.h"
#include "base/memory.h"

#include <openssl/evp.h>

#define BIT(key) (1U << TOKEN_##key)

/* clang-format off */
static const struct token_grant grants[] = {
    {.name = "client_credentials", .secret = "ID:SECRET, or ID:PEM with client: jwt",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(AUDIENCE) | BIT(RESOURCE) | BIT(CLIENT) | BIT(ALGORITHM) | BIT(KEY_ID),
     .needs = BIT(URL), .takes_parameters = true, .dated = true, .call = grant_client_credentials_call},
    {.name = "refresh_token", .secret = "ID:SECRET:REFRESH_TOKEN, or JSON with client_id, client_secret and "
                                        "refresh_token",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(CLIENT), .needs = BIT(URL), .takes_parameters = true,
     .rotates = true, .call = grant_refresh_token_call},
    {.name = "jwt_bearer", .secret = "a private key as PEM",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(AUDIENCE) | BIT(ISSUER) | BIT(SUBJECT) | BIT(ALGORITHM) | BIT(KEY_ID),
     .needs = BIT(URL) | BIT(ISSUER), .takes_parameters = true, .takes_claims = true, .dated = true,
     .call = grant_jwt_bearer_call},
    {.name = "token_exchange", .secret = "the subject's token; with subject_header: ID:SECRET of the client",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(AUDIENCE) | BIT(RESOURCE) | BIT(CLIENT) | BIT(SUBJECT_TYPE) |
              BIT(SUBJECT_HEADER), .needs = BIT(URL),
     .takes_parameters = true, .call = grant_token_exchange_call},
    {.name = "google_service_account", .secret = "Google's JSON file: a service account, an "
                                                  "authorized user, an external account",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(SUBJECT), .needs = BIT(SCOPE), .dated = true,
     .url = SLICE_INIT("https://oauth2.googleapis.com/token"), .call = grant_google_call},
    {.name = "azure_client", .secret = "CLIENT_ID:SECRET, or CLIENT_ID:PEM of private key and certificate",
     .takes = BIT(URL) | BIT(SCOPE) | BIT(DIRECTORY), .needs = BIT(SCOPE) | BIT(DIRECTORY), .dated = true,
     .url = SLICE_INIT("https://login.microsoftonline.com/{directory}/oauth2/v2.0/token"), .call = grant_azure_call},
    {.name = "github_app", .secret = "APP_ID:PEM of its private key",
     .takes = BIT(URL) | BIT(INSTALLATION), .needs = BIT(INSTALLATION), .dated = true,
     .url = SLICE_INIT("https://api.github.com/app/installations/{installation}/access_tokens"),
     .call = grant_github_app_call},
    {.name = "apns", .secret = "TEAM_ID:KEY_ID:PEM of the key, or JSON with team_id, key_id and private_key",
     .sign = grant_apns_sign},
    {.name = "azure_sas", .secret = "KEY_NAME:KEY, or the connection string",
     .takes = BIT(AUDIENCE), .sign = grant_azure_sas_sign},
    {.name = "vapid", .secret = "a private key of P-256, as PEM or as 32 bytes in base64url",
     .takes = BIT(AUDIENCE) | BIT(SUBJECT), .needs = BIT(SUBJECT), .sign = grant_vapid_sign},
};
/* clang-format on */

enum { GRANTS = sizeof(grants) / sizeof(grants[0]) };

const char *token_key_name(enum token_key key)
{
    static const char *const names[] = {
#define TOKEN_KEY_NAME(name, text) text,
        TOKEN_KEY_LIST(TOKEN_KEY_NAME)
#undef TOKEN_KEY_NAME
    };
    return names[key];
}

const struct token_grant *token_grant_at(unsigned index)
{
    return index < GRANTS ? &grants[index] : NULL;
}

const struct token_grant *token_grant_find(struct slice name)
{
    for (unsigned i = 0; i < GRANTS; i++) {
        if (slice_equal(name, slice_from(grants[i].name))) {
            return &grants[i];
        }
    }
    return NULL;
}

/* With its length, so that no two lists of texts are the same bytes. */
static void add(EVP_MD_CTX *ctx, struct slice text)
{
    (void)EVP_DigestUpdate(ctx, &text.len, sizeof(text.len));
    (void)EVP_DigestUpdate(ctx, text.ptr, text.len);
}

static void add_pairs(EVP_MD_CTX *ctx, const struct token_pair *pairs, unsigned count)
{
    (void)EVP_DigestUpdate(ctx, &count, sizeof(count));
    for (unsigned i = 0; i < count; i++) {
        add(ctx, pairs[i].name);
        add(ctx, pairs[i].value);
    }
}

void token_plan_identify(struct token_plan *plan, struct slice further)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    (void)EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    add(ctx, slice_from(plan->grant->name));
    for (unsigned i = 0; i < TOKEN_KEYS; i++) {
        add(ctx, plan->values[i]);
    }
    add_pairs(ctx, plan->parameters, plan->parameter_count);
    add_pairs(ctx, plan->claims, plan->claim_count);
    (void)EVP_DigestUpdate(ctx, &plan->lifetime, sizeof(plan->lifetime));
    add(ctx, further);
    (void)EVP_DigestFinal_ex(ctx, plan->id, NULL);
    EVP_MD_CTX_free(ctx);
}
