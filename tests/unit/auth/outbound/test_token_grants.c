#include "auth/outbound/token_form.h"
#include "auth/outbound/token_plan.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "jwt_check.h"
#include "jwt_keys.h"

#include <stdlib.h>

#include <criterion/criterion.h>

static const int64_t wall = 1700000000;

/* One grant, with what the config says for it, and what came of it. */
struct scene {
    struct token_plan plan;
    struct token_input input;
    struct buffer fields, body;
    usec_t life;
    struct error err;
};

static void set_up(struct scene *scene, const char *grant, const char *secret)
{
    memset(scene, 0, sizeof(*scene));
    scene->plan.grant = token_grant_find(slice_from(grant));
    cr_assert_not_null(scene->plan.grant);
    scene->plan.values[TOKEN_URL] = SLICE("https://login.example.com/token");
    scene->input =
        (struct token_input){.plan = &scene->plan, .secret = slice_from(secret), .wall = wall};
    buffer_init(&scene->fields, TOKEN_CALL_MAX);
    buffer_init(&scene->body, TOKEN_CALL_MAX);
}

static void tear_down(struct scene *scene)
{
    buffer_fini(&scene->fields);
    buffer_fini(&scene->body);
}

static enum status run(struct scene *scene)
{
    struct token_call call = {.fields = &scene->fields, .body = &scene->body};
    return scene->plan.grant->call != NULL
               ? scene->plan.grant->call(&scene->input, &call, &scene->err)
               : scene->plan.grant->sign(&scene->input, &scene->body, &scene->life, &scene->err);
}

static void expect_run(struct scene *scene)
{
    cr_assert_eq(run(scene), STATUS_OK, "%s", scene->err.message);
}

static void expect_body(const struct scene *scene, const char *body)
{
    cr_expect(slice_equal(buffer_bytes(&scene->body), slice_from(body)), "%.*s",
              SLICE_ARG(buffer_bytes(&scene->body)));
}

static void expect_fields(const struct scene *scene, const char *fields)
{
    cr_expect(slice_equal(buffer_bytes(&scene->fields), slice_from(fields)), "%.*s",
              SLICE_ARG(buffer_bytes(&scene->fields)));
}

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static struct slice decoded(struct slice text, char out[8192])
{
    size_t len = 0;
    cr_assert_eq(decode_percent(text, out, &len), STATUS_OK);
    return slice_make(out, len);
}

/* The member of the form, decoded, into `out`; empty: there is none. */
static struct slice member_of(const struct scene *scene, const char *name, char out[8192])
{
    struct slice rest = buffer_bytes(&scene->body);
    while (rest.len > 0) {
        struct slice part = slice_make(rest.ptr, slice_find(rest, '&'));
        struct slice key = slice_make(part.ptr, slice_find(part, '='));
        if (slice_equal(key, slice_from(name))) {
            return decoded(slice_skip(part, key.len + 1), out);
        }
        rest = slice_skip(rest, part.len + 1);
    }
    return slice_make("", 0);
}

/* ---- RFC 6749 ---- */

/* Sections 2.3.1 and 4.4.2: the example of the RFC. */
Test(token_grants, client_credentials_by_basic)
{
    struct scene scene;
    set_up(&scene, "client_credentials", "s6BhdRkqt3:gX1fBat3bV");
    expect_run(&scene);
    expect_fields(&scene, FORM "Authorization: Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW\r\n");
    expect_body(&scene, "grant_type=client_credentials");
    tear_down(&scene);
}

Test(token_grants, client_credentials_by_body_with_all_that_it_takes)
{
    static const struct token_pair pairs[] = {{SLICE_INIT("account_id"), SLICE_INIT("a&b")}};
    struct scene scene;
    set_up(&scene, "client_credentials", "id:se:cr et");
    scene.plan.values[TOKEN_CLIENT] = SLICE("body");
    scene.plan.values[TOKEN_SCOPE] = SLICE("a b");
    scene.plan.values[TOKEN_AUDIENCE] = SLICE("https://x/");
    scene.plan.values[TOKEN_RESOURCE] = SLICE("urn:y");
    scene.plan.parameters = pairs;
    scene.plan.parameter_count = 1;
    expect_run(&scene);
    expect_fields(&scene, FORM);
    expect_body(
        &scene,
        "account_id=a%26b&grant_type=client_credentials&scope=a%20b&audience=https%3A%2F%2Fx%2F"
        "&resource=urn%3Ay&client_id=id&client_secret=se%3Acr%20et");
    tear_down(&scene);
}

Test(token_grants, a_parameter_may_be_the_grant_type)
{
    static const struct token_pair pairs[] = {
        {SLICE_INIT("grant_type"), SLICE_INIT("account_credentials")}};
    struct scene scene;
    set_up(&scene, "client_credentials", "id:secret");
    scene.plan.parameters = pairs;
    scene.plan.parameter_count = 1;
    expect_run(&scene);
    expect_body(&scene, "grant_type=account_credentials");
    tear_down(&scene);
}

/* Section 6: the example of the RFC; and the one that followed the secret's own. */
Test(token_grants, refresh_token)
{
    static const char *const secrets[] = {
        "s6BhdRkqt3:gX1fBat3bV:tGzv3JOkF0XG5Qx2TlKWIA",
        " {\"client_id\":\"s6BhdRkqt3\",\"client_secret\":\"gX1fBat3bV\","
        "\"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA\"}\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        set_up(&scene, "refresh_token", secrets[i]);
        expect_run(&scene);
        expect_fields(&scene, FORM "Authorization: Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW\r\n");
        expect_body(&scene, "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
        tear_down(&scene);
    }
    struct scene scene;
    set_up(&scene, "refresh_token", secrets[0]);
    scene.input.refresh_token = SLICE("the-next/one");
    expect_run(&scene);
    expect_body(&scene, "grant_type=refresh_token&refresh_token=the-next%2Fone");
    cr_expect(scene.plan.grant->rotates);
    tear_down(&scene);
}

/* ---- RFC 7523 ---- */

Test(token_grants, jwt_bearer)
{
    static const struct token_pair claims[] = {{SLICE_INIT("scope"), SLICE_INIT("signature")}};
    struct scene scene;
    struct jwt_parts jwt;
    char text[8192], expected[500];
    set_up(&scene, "jwt_bearer", RFC7515_EC);
    scene.plan.values[TOKEN_ISSUER] = SLICE("me");
    scene.plan.values[TOKEN_SUBJECT] = SLICE("you");
    scene.plan.values[TOKEN_ALGORITHM] = SLICE("ES256");
    scene.plan.values[TOKEN_KEY_ID] = SLICE("16");
    scene.plan.claims = claims;
    scene.plan.claim_count = 1;
    expect_run(&scene);
    cr_expect(slice_equal(member_of(&scene, "grant_type", text),
                          SLICE("urn:ietf:params:oauth:grant-type:jwt-bearer")));
    jwt_take_apart(member_of(&scene, "assertion", text), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_EC, 0));
    cr_expect_str_eq(jwt.header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"16\"}");
    (void)snprintf(expected, sizeof(expected),
                   "{\"iss\":\"me\",\"sub\":\"you\",\"aud\":\"https://login.example.com/token\","
                   "\"iat\":%lld,\"exp\":%lld,\"nbf\":%lld,\"jti\":\"",
                   (long long)wall - 10, (long long)wall + 290, (long long)wall - 10);
    cr_expect_eq(strncmp(jwt.claims, expected, strlen(expected)), 0, "%s", jwt.claims);
    cr_expect_not_null(strstr(jwt.claims, ",\"scope\":\"signature\"}"), "%s", jwt.claims);
    tear_down(&scene);
}

/* Section 2.2; Okta wants it so. */
Test(token_grants, client_credentials_by_a_jwt)
{
    struct scene scene;
    struct jwt_parts jwt;
    char text[8192];
    static const char claims[] = "{\"iss\":\"my-id\",\"sub\":\"my-id\","
                                 "\"aud\":\"https://login.example.com/token\",\"iat\":";
    set_up(&scene, "client_credentials", "my-id:" RFC7515_RSA);
    scene.plan.values[TOKEN_CLIENT] = SLICE("jwt");
    expect_run(&scene);
    expect_fields(&scene, FORM);
    cr_expect_eq(member_of(&scene, "client_secret", text).len, 0U);
    jwt_take_apart(member_of(&scene, "client_assertion", text), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_RSA, 0));
    cr_expect_eq(strncmp(jwt.claims, claims, strlen(claims)), 0, "%s", jwt.claims);
    tear_down(&scene);
}

/* ---- RFC 8693 ---- */

Test(token_grants, token_exchange)
{
    struct scene scene;
    set_up(&scene, "token_exchange", "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC\n");
    scene.plan.values[TOKEN_RESOURCE] = SLICE("https://backend.example.com/api");
    scene.plan.values[TOKEN_SUBJECT_TYPE] = SLICE("urn:ietf:params:oauth:token-type:access_token");
    expect_run(&scene);
    expect_fields(&scene, FORM);
    expect_body(&scene,
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
                "&subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"
                "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
                "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
                "&resource=https%3A%2F%2Fbackend.example.com%2Fapi");
    tear_down(&scene);
}

/* ---- providers ---- */

static char *service_account(void)
{
    struct buffer out;
    buffer_init(&out, 8192);
    cr_assert_eq(buffer_append(&out, SLICE("{\"type\":\"service_account\",\"project_id\":\"p\","
                                           "\"private_key_id\":\"370ab79b\",\"private_key\":")),
                 STATUS_OK);
    cr_assert_eq(encode_json_string(SLICE(RFC7515_RSA), &out), STATUS_OK);
    cr_assert_eq(buffer_append(&out, SLICE(",\"client_email\":\"761326798069@developer.example\","
                                           "\"token_uri\":\"https://evil.example.com/\"}")),
                 STATUS_OK);
    cr_assert_eq(buffer_append(&out, slice_make("", 1)), STATUS_OK);
    return out.ptr;
}

/* "Using OAuth 2.0 for Server to Server Applications": iss, scope, aud, iat, exp of an hour; sub
 * for whom it acts. */
Test(token_grants, google_service_account)
{
    struct scene scene;
    struct jwt_parts jwt;
    char text[8192], expected[500];
    char *secret = service_account();
    set_up(&scene, "google_service_account", secret);
    scene.plan.values[TOKEN_SCOPE] = SLICE("https://www.googleapis.com/auth/prediction");
    scene.plan.values[TOKEN_SUBJECT] = SLICE("some.user@example.com");
    expect_run(&scene);
    jwt_take_apart(member_of(&scene, "assertion", text), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_RSA, 0));
    cr_expect_str_eq(jwt.header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"370ab79b\"}");
    (void)snprintf(expected, sizeof(expected),
                   "{\"iss\":\"761326798069@developer.example\",\"sub\":\"some.user@example.com\","
                   "\"aud\":\"https://login.example.com/token\","
                   "\"scope\":\"https://www.googleapis.com/auth/prediction\","
                   "\"iat\":%lld,\"exp\":%lld}",
                   (long long)wall - 10, (long long)wall + 3590);
    cr_expect_str_eq(jwt.claims, expected);
    cr_expect_null(memmem(buffer_bytes(&scene.body).ptr, buffer_len(&scene.body), "evil", 4));
    tear_down(&scene);
    free(secret);
}

Test(token_grants, googles_authorized_user)
{
    struct scene scene;
    set_up(&scene, "google_service_account",
           "{\"type\":\"authorized_user\",\"client_id\":\"7.apps\",\"client_secret\":\"d-s\","
           "\"refresh_token\":\"1//r\",\"quota_project_id\":\"p\"}");
    expect_run(&scene);
    expect_body(&scene, "grant_type=refresh_token&client_id=7.apps&client_secret=d-s"
                        "&refresh_token=1%2F%2Fr");
    tear_down(&scene);
}

Test(token_grants, azure_client_with_a_secret)
{
    struct scene scene;
    set_up(&scene, "azure_client", "535fb089-9ff3-47b6-9bfb-4f1264799865:sampleCredentia1s~");
    scene.plan.values[TOKEN_SCOPE] = SLICE("https://graph.microsoft.com/.default");
    expect_run(&scene);
    expect_body(&scene,
                "grant_type=client_credentials&client_id=535fb089-9ff3-47b6-9bfb-4f1264799865"
                "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
                "&client_secret=sampleCredentia1s~");
    tear_down(&scene);
}

/* A certificate of the key, signed by itself, as PEM; *ret_thumbprint is its SHA-256 in base64url.
 */
static char *certificate_of(const char *pem, char ret_thumbprint[64])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char *text = NULL;
    BIO *in = BIO_new_mem_buf(pem, -1);
    BIO *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    X509 *certificate = X509_new();
    (void)X509_set_pubkey(certificate, key);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    (void)PEM_write_bio_X509(out, certificate);
    long size = BIO_get_mem_data(out, &text);
    char *ret = calloc(1, (size_t)size + 1);
    memcpy(ret, text, (size_t)size);
    (void)X509_digest(certificate, EVP_sha256(), digest, &len);
    size_t used = encode_base64(slice_make((const char *)digest, len), ret_thumbprint);
    for (size_t i = 0; i < used; i++) {
        char byte = ret_thumbprint[i];
        ret_thumbprint[i] = byte == '+' ? '-' : byte == '/' ? '_' : byte == '=' ? '\0' : byte;
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(in);
    BIO_free(out);
    return ret;
}

/* "Microsoft identity platform application authentication certificate credentials". */
Test(token_grants, azure_client_with_a_certificate)
{
    struct scene scene;
    struct jwt_parts jwt;
    char text[8192], secret[8192], expected[500], thumbprint[64];
    char *certificate = certificate_of(RFC7515_RSA, thumbprint);
    (void)snprintf(secret, sizeof(secret), "my-id:%s%s", RFC7515_RSA, certificate);
    set_up(&scene, "azure_client", secret);
    scene.plan.values[TOKEN_SCOPE] = SLICE("https://graph.microsoft.com/.default");
    expect_run(&scene);
    cr_expect(slice_equal(member_of(&scene, "client_assertion_type", text),
                          SLICE("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
    cr_expect_eq(member_of(&scene, "client_secret", text).len, 0U);
    jwt_take_apart(member_of(&scene, "client_assertion", text), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_RSA, RSA_PKCS1_PSS_PADDING));
    (void)snprintf(expected, sizeof(expected),
                   "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"%s\"}", thumbprint);
    cr_expect_str_eq(jwt.header, expected);
    (void)snprintf(expected, sizeof(expected),
                   "{\"iss\":\"my-id\",\"sub\":\"my-id\","
                   "\"aud\":\"https://login.example.com/token\",\"iat\":");
    cr_expect_eq(strncmp(jwt.claims, expected, strlen(expected)), 0, "%s", jwt.claims);
    tear_down(&scene);
    free(certificate);
}

/* "Generating a JSON Web Token (JWT) for a GitHub App": iat 60 s ago at most, exp within ten
 * minutes. */
Test(token_grants, github_app)
{
    struct scene scene;
    struct jwt_parts jwt;
    char expected[200];
    static const struct slice mark = SLICE_INIT("X-GitHub-Api-Version: 2022-11-28\r\n"
                                                "Authorization: Bearer ");
    set_up(&scene, "github_app", "12345:" RFC7515_RSA);
    expect_run(&scene);
    expect_body(&scene, "");
    struct slice fields = buffer_bytes(&scene.fields);
    cr_assert(slice_starts_with(fields, mark), "%.*s", SLICE_ARG(fields));
    fields = slice_skip(fields, mark.len);
    jwt_take_apart(slice_make(fields.ptr, slice_find(fields, '\r')), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_RSA, 0));
    (void)snprintf(expected, sizeof(expected), "{\"iss\":\"12345\",\"iat\":%lld,\"exp\":%lld}",
                   (long long)wall - 10, (long long)wall + 530);
    cr_expect_str_eq(jwt.claims, expected);
    tear_down(&scene);
}

/* "Establishing a token-based connection to APNs". */
Test(token_grants, apns)
{
    struct scene scene;
    struct jwt_parts jwt;
    set_up(&scene, "apns", "DEF123GHIJ:ABC123DEFG:" RFC7515_EC);
    expect_run(&scene);
    jwt_take_apart(buffer_bytes(&scene.body), &jwt);
    cr_expect(jwt_verify(&jwt, RFC7515_EC, 0));
    cr_expect_str_eq(jwt.header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"ABC123DEFG\"}");
    cr_expect_str_eq(jwt.claims, "{\"iss\":\"DEF123GHIJ\",\"iat\":1700000000}");
    cr_expect_eq(scene.life, 50 * 60 * SEC);
    tear_down(&scene);
}

/* RFC 8292: the key as PEM, and as its 32 bytes: the same public key, that of RFC 7515. */
Test(token_grants, vapid)
{
    static const char *const secrets[] = {RFC7515_EC,
                                          "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\n"};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        struct jwt_parts jwt;
        unsigned char point[100];
        set_up(&scene, "vapid", secrets[i]);
        scene.plan.values[TOKEN_AUDIENCE] = SLICE("https://push.example.net");
        scene.plan.values[TOKEN_SUBJECT] = SLICE("mailto:push@example.com");
        expect_run(&scene);
        struct slice token = buffer_bytes(&scene.body);
        cr_assert(slice_starts_with(token, SLICE("t=")));
        size_t end = slice_find(token, ',');
        jwt_take_apart(slice_make(token.ptr + 2, end - 2), &jwt);
        cr_expect(jwt_verify(&jwt, RFC7515_EC, 0));
        cr_expect_str_eq(jwt.claims, "{\"aud\":\"https://push.example.net\",\"exp\":1700043200,"
                                     "\"sub\":\"mailto:push@example.com\"}");
        struct slice key = slice_skip(token, end + strlen(", k="));
        cr_assert_eq(decode_url(key, point), 65U);
        char x[64];
        size_t len = encode_base64(slice_make((const char *)point + 1, 32), x);
        cr_expect_eq(strncmp(x, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", len - 1), 0);
        tear_down(&scene);
    }
}

/* By the recipe that Microsoft publishes, with Python's hmac; the key is the text, not decoded. */
Test(token_grants, azure_sas)
{
    static const char *const secrets[] = {
        "RootManageSharedAccessKey:bXktc2VjcmV0LWtleS1vZi0zMi1ieXRlcy1sb25nLi4=\n",
        "Endpoint=sb://contoso.servicebus.windows.net/"
        ";SharedAccessKeyName=RootManageSharedAccessKey;"
        "SharedAccessKey=bXktc2VjcmV0LWtleS1vZi0zMi1ieXRlcy1sb25nLi4=;EntityPath=orders",
    };
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        set_up(&scene, "azure_sas", secrets[i]);
        scene.plan.values[TOKEN_AUDIENCE] = SLICE("https://contoso.servicebus.windows.net");
        expect_run(&scene);
        expect_body(&scene, "sr=https%3A%2F%2Fcontoso.servicebus.windows.net&sig=5Op5j5Gg%"
                            "2FXXR2tIHSdS54enkeh3xbuJk5OYUks8j2iU%3D"
                            "&se=1700003600&skn=RootManageSharedAccessKey");
        cr_expect_eq(scene.life, 3600 * SEC);
        tear_down(&scene);
    }
}

/* ---- secrets that are not what they should be ---- */

Test(token_grants, a_secret_of_another_form_is_refused_and_not_quoted)
{
    static const struct {
        const char *grant, *secret, *why;
    } cases[] = {
        {"client_credentials", "SECRET", "ID:SECRET"},
        {"client_credentials", ":SECRET", "ID:SECRET"},
        {"client_credentials", "SECRET:", "ID:SECRET"},
        {"client_credentials", "", "ID:SECRET"},
        {"refresh_token", "SECRET:SECRET", "ID:SECRET:REFRESH_TOKEN"},
        {"refresh_token", "{\"client_id\":\"SECRET\"}", "client_secret"},
        {"refresh_token", "{SECRET", "no JSON object"},
        {"jwt_bearer", "SECRET", "no private key"},
        {"token_exchange", " ", "empty"},
        {"google_service_account", "SECRET", "no JSON object"},
        {"google_service_account", "{\"type\":\"SECRET\"}", "neither"},
        {"google_service_account", "{\"type\":\"service_account\",\"client_email\":\"SECRET\"}",
         "private_key"},
        {"google_service_account",
         "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"SECRET\"}",
         "no private key"},
        {"azure_client", "SECRET", "CLIENT_ID:SECRET"},
        {"azure_client", "SECRET:" RFC7515_RSA, "no certificate"},
        {"github_app", "SECRET", "APP_ID:PEM"},
        {"github_app", "1:SECRET", "no private key"},
        {"apns", "SECRET:SECRET", "TEAM_ID:KEY_ID:PEM"},
        {"apns", "{\"team_id\":\"SECRET\"}", "key_id"},
        {"apns", "a:b:" RFC7515_RSA, "P-256"},
        {"azure_sas", "SECRET", "KEY_NAME:KEY"},
        {"azure_sas", "Endpoint=sb://SECRET;SharedAccessKeyName=a", "connection string"},
        {"azure_sas", "SharedAccessKeyName=;SharedAccessKey=SECRET", "connection string"},
        {"vapid", "SECRET", "no private key"},
        {"vapid", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "P-256"},
        {"vapid", "__________________________________________8", "P-256"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene scene;
        set_up(&scene, cases[i].grant, cases[i].secret);
        cr_expect_eq(run(&scene), STATUS_INVALID, "%s %s", cases[i].grant, cases[i].secret);
        cr_expect_not_null(strstr(scene.err.message, cases[i].why), "%s: %s", cases[i].secret,
                           scene.err.message);
        bool names_form =
            strstr(scene.err.message, "SECRET") != NULL && strstr(cases[i].why, "SECRET") == NULL;
        cr_expect_not(names_form, "%s", scene.err.message);
        tear_down(&scene);
    }
}

/* ---- what they are known by ---- */

Test(token_grants, plans_that_differ_in_anything_are_told_apart)
{
    static const struct token_pair pair = {SLICE_INIT("a"), SLICE_INIT("b")};
    struct token_plan plans[8] = {{.grant = token_grant_find(SLICE("client_credentials"))}};
    for (unsigned i = 1; i < 8; i++) {
        plans[i] = plans[0];
    }
    plans[1].values[TOKEN_SCOPE] = SLICE("x");
    plans[2].values[TOKEN_AUDIENCE] = SLICE("x");
    plans[3].grant = token_grant_find(SLICE("refresh_token"));
    plans[4].parameters = &pair;
    plans[4].parameter_count = 1;
    plans[5].claims = &pair;
    plans[5].claim_count = 1;
    plans[6].lifetime = 1;
    for (unsigned i = 0; i < 8; i++) {
        token_plan_identify(&plans[i], i == 7 ? SLICE("ca") : SLICE(""));
        for (unsigned j = 0; j < i; j++) {
            cr_expect_neq(memcmp(plans[i].id, plans[j].id, TOKEN_PLAN_ID_BYTES), 0, "%u %u", i, j);
        }
    }
    struct token_plan twin = plans[1];
    twin.values[TOKEN_SCOPE] = slice_make("xyz", 1);
    token_plan_identify(&twin, SLICE(""));
    cr_expect_eq(memcmp(twin.id, plans[1].id, TOKEN_PLAN_ID_BYTES), 0);
}

Test(token_grants, each_is_found_by_its_name_and_needs_only_what_it_takes)
{
    const struct token_grant *grant;
    for (unsigned i = 0; (grant = token_grant_at(i)) != NULL; i++) {
        cr_expect_eq(token_grant_find(slice_from(grant->name)), grant);
        cr_expect_eq(grant->needs & ~grant->takes, 0U, "%s", grant->name);
        cr_expect((grant->call == NULL) != (grant->sign == NULL), "%s", grant->name);
        cr_expect(grant->call == NULL || token_grant_takes(grant, TOKEN_URL), "%s", grant->name);
    }
    cr_expect_null(token_grant_find(SLICE("password")));
}
