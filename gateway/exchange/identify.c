/*
 * identify: which tenant's key, token or certificate came with the request, and whether it may call
 * this. Where the keys of a token's issuer have to be fetched it waits for them, and looks at all
 * again.
 */
#include "auth/inbound/api_key.h"
#include "auth/inbound/authenticate.h"
#include "auth/inbound/tenant.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/identify_certificate.h"
#include "gateway/exchange/identify_tokens.h"
#include "gateway/exchange/inject.h"
#include "gateway/exchange/inspect.h"
#include "gateway/exchange/patience.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/validate.h"
#include "gateway/observe/audit_log.h"
#include "routes/allow.h"
#include "routes/profile.h"
#include "routes/target.h"

#include <assert.h>
#include <stdio.h>

static const struct slice own_header = SLICE_INIT("X-Sallyport-Key");

static enum credential_form form_of(enum slot_kind kind)
{
    switch (kind) {
    case SLOT_HEADER:
        return CREDENTIAL_PLAIN;
    case SLOT_BASIC_USER:
        return CREDENTIAL_BASIC_USER;
    case SLOT_BASIC_PASSWORD:
        return CREDENTIAL_BASIC_PASSWORD;
    case SLOT_QUERY:
        return CREDENTIAL_QUERY;
    case SLOT_AWS:
        return CREDENTIAL_AWS;
    case SLOT_PATH:
        break;
    }
    return CREDENTIAL_PLAIN;
}

/* Every field of that name: one that came twice could name two tenants. */
/* Of a list, "Scheme a=b, c=d", each value of the slot's parameter. */
static void look_in_list(struct authentication *auth, const struct exchange *exchange,
                         struct slice list, const struct slot *slot)
{
    while (list.len > 0) {
        size_t end = slice_find(list, ',');
        struct slice part = slice_trim(slice_make(list.ptr, end));
        size_t equals = slice_find(part, '=');
        struct slice name = slice_make(part.ptr, equals);
        size_t scheme = slice_find(name, ' ');
        name = scheme < name.len ? slice_trim(slice_skip(name, scheme)) : name;
        if (slice_equal(name, slot->parameter)) {
            (void)authenticate_value(auth, &exchange->snapshot->tenant_table, CREDENTIAL_PLAIN,
                                     slice_skip(part, equals + 1), slot->prefix);
        }
        list = slice_skip(list, end + 1);
    }
}

static void look_in_fields(struct authentication *auth, const struct exchange *exchange,
                           const struct slot *slot)
{
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (http1_field_is(field, slot->name, slot->hash) && slot->parameter.len > 0) {
            look_in_list(auth, exchange, field->value, slot);
        } else if (http1_field_is(field, slot->name, slot->hash)) {
            size_t end =
                slot->until == '\0' ? field->value.len : slice_find(field->value, slot->until);
            (void)authenticate_value(auth, &exchange->snapshot->tenant_table, form_of(slot->kind),
                                     slice_make(field->value.ptr, end), slot->prefix);
        }
    }
}

/* Every parameter of that name, likewise. */
static void look_in_query(struct authentication *auth, const struct exchange *exchange,
                          const struct slot *slot)
{
    struct slice rest = exchange->query;
    struct slice value;
    while (target_query_get(rest, slot->name, &value)) {
        (void)authenticate_value(auth, &exchange->snapshot->tenant_table, CREDENTIAL_QUERY, value,
                                 slot->prefix);
        rest = slice_skip(rest, (size_t)(value.ptr + value.len - rest.ptr));
    }
}

static void look_in_slot(struct authentication *auth, const struct exchange *exchange,
                         const struct slot *slot)
{
    switch (slot->kind) {
    case SLOT_HEADER:
    case SLOT_BASIC_USER:
    case SLOT_BASIC_PASSWORD:
    case SLOT_AWS:
        look_in_fields(auth, exchange, slot);
        return;
    case SLOT_QUERY:
        look_in_query(auth, exchange, slot);
        return;
    case SLOT_PATH: /* it was taken out of there */
        (void)authenticate_value(auth, &exchange->snapshot->tenant_table, CREDENTIAL_PLAIN,
                                 exchange->path_key, SLICE(""));
        return;
    }
}

/* Whether it said who the tenant is: then it is not for the provider. */
static bool is_tenants(const struct authentication *auth, struct slice token)
{
    for (unsigned i = 0; i < auth->token_count; i++) {
        if ((auth->taken & 1U << i) != 0 && slice_equal(auth->tokens[i], token)) {
            return true;
        }
    }
    return api_key_valid(token);
}

/* The end user's own token, which the provider is to see: what stands in the profile's place for it
 * and is no tenant's. One that came twice is not passed on, for who knows which one counts. */
static struct slice find_user_token(const struct exchange *exchange,
                                    const struct authentication *auth)
{
    const struct slot *place = &exchange->route->profile->user_token;
    const struct http1_request *request = exchange->request;
    struct slice found = SLICE("");
    unsigned count = 0;
    for (unsigned i = 0; place->name.len > 0 && i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (http1_field_is(field, place->name, place->hash)) {
            found = field->value;
            count++;
        }
    }
    bool scheme = slice_starts_with_nocase(found, place->prefix);
    struct slice token = slice_trim(slice_skip(found, place->prefix.len));
    bool passes = count == 1 && scheme && token.len > 0 && !is_tenants(auth, token);
    return passes ? found : SLICE("");
}

static enum problem_code verdict_code(enum authenticate_verdict verdict)
{
    return verdict == AUTHENTICATE_MISSING ? PROBLEM_TENANT_KEY_MISSING : PROBLEM_TENANT_UNKNOWN;
}

static const char *verdict_text(enum authenticate_verdict verdict)
{
    switch (verdict) {
    case AUTHENTICATE_MISSING:
        return "send the tenant key where the SDK puts the provider's key, or in X-Sallyport-Key";
    case AUTHENTICATE_NOT_A_KEY:
        return "what was sent is no tenant key, or one that is cut or mistyped: they begin with "
               "sp_ and are made by 'sallyport keys new'";
    case AUTHENTICATE_UNKNOWN:
        return "no tenant has this key";
    case AUTHENTICATE_EXPIRED:
        return "this key has expired: use the tenant's new one, or have one made";
    case AUTHENTICATE_EARLY:
        return "this key is not good yet: its not_before is still to come";
    case AUTHENTICATE_REFUSED:
        return "the token is not taken";
    case AUTHENTICATE_CONFLICT:
        return "the request carries the keys of two tenants: send one";
    case AUTHENTICATE_TENANT:
        break;
    }
    return "";
}

/* Issuer and key id are told to the operator alone; the token to nobody. */
static enum step_result stranger(struct exchange *exchange, const struct authentication *auth,
                                 enum authenticate_verdict verdict, const struct token_news *news)
{
    enum problem_code code = verdict_code(verdict);
    struct error why = {.message = ""};
    char told[AUDIT_TEXT_MAX];
    bool known = verdict == AUTHENTICATE_EXPIRED || verdict == AUTHENTICATE_EARLY;
    bool of_token =
        news->refused && (verdict == AUTHENTICATE_REFUSED || verdict == AUTHENTICATE_NOT_A_KEY);
    (void)snprintf(why.message, sizeof(why.message), "%s%s",
                   of_token ? "the token is not taken: " : verdict_text(verdict),
                   of_token ? token_verdict_text(news->verdict) : "");
    (void)snprintf(told, sizeof(told), "%s%s%s%s%s", why.message,
                   of_token && news->issuer[0] != '\0' ? "; iss " : "",
                   of_token ? news->issuer : "", of_token && news->kid[0] != '\0' ? "; kid " : "",
                   of_token ? news->kid : "");
    audit_refusal(&(struct audit_event){.kind = AUDIT_KEY_REFUSED,
                                        .tenant = known ? auth->out_of_time->tenant->name : NULL,
                                        .route = exchange->route->name,
                                        .peer = connection_source(exchange->connection),
                                        .code = problem_code_text(code)},
                  told);
    return exchange_fail(exchange, ENDED_BY_CLIENT, code, "%s", why.message);
}

enum { NORMAL_STACK_BYTES = 1024 };

static bool rules_allow(struct exchange *exchange, const struct allow_rule *rules)
{
    char on_stack[NORMAL_STACK_BYTES];
    char *on_heap CLEANUP(memory_free_at) = NULL;
    char *out = on_stack;
    if (exchange->rest.len > sizeof(on_stack)) {
        on_heap = memory_alloc(exchange->rest.len);
        out = on_heap;
    }
    struct slice rest = target_normalize(exchange->rest, out);
    return allow_any(rules, exchange->request->method_text, rest);
}

/* The bounds that hold for the tenant and the route, and the caller's own. */
static enum step_result enter(struct exchange *exchange)
{
    struct error err;
    if (patience_read(exchange->request, &exchange->patience, &err) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
    }
    if (!way_enter(exchange, exchange->route)) {
        bool tenant = !exchange->way.tenant_entered;
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "%s.%s.max_in_flight requests are under way: try again later",
                             tenant ? "tenants" : "routes",
                             tenant ? exchange->tenant->name : exchange->route->name);
    }
    if (exchange->inspect_behind) {
        exchange->hold_whole = true;
        return exchange_go(exchange, EXCHANGE_RECEIVE);
    }
    return exchange_go(exchange, EXCHANGE_ADMIT);
}

/* Whoever it is: may it call this? */
static enum step_result enter_as(struct exchange *exchange, const struct tenant *tenant)
{
    exchange->tenant = tenant;
    if (inject_target_tells(exchange)) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST,
                             "a tenant key stands in the URL where the provider would see it: send "
                             "it where the SDK puts the provider's key, or in X-Sallyport-Key");
    }
    const struct allow_rule *rules = tenant_rules(tenant, exchange->route->index);
    if (rules == NULL || !rules_allow(exchange, rules)) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_ROUTE_NOT_ALLOWED,
                             "tenant \"%s\" may not call this: no rule in tenants.%s.allow covers"
                             " it",
                             tenant->name, tenant->name);
    }
    const char *denial =
        inspect_head(exchange, exchange->route, exchange->rest, &exchange->inspect_behind);
    if (denial != NULL) {
        return inspect_refuse(exchange, denial);
    }
    enum step_result refused;
    return validate_head(exchange, &exchange->inspect_behind, &refused) ? refused : enter(exchange);
}

static void look_everywhere(struct authentication *auth, const struct exchange *exchange)
{
    const struct profile *profile = exchange->route->profile;
    const struct slot own = {
        .kind = SLOT_HEADER, .name = own_header, .hash = http1_name_hash(own_header)};
    look_in_fields(auth, exchange, &own);
    for (unsigned i = 0; i < profile->slot_count; i++) {
        look_in_slot(auth, exchange, &profile->slots[i]);
    }
}

/* Signed in a way that is not taken here, whoever it is. */
static enum step_result unsignable(struct exchange *exchange, const struct sign_refusal *refusal)
{
    if (problem_status(refusal->code) == 401) {
        audit_refusal(&(struct audit_event){.kind = AUDIT_KEY_REFUSED,
                                            .route = exchange->route->name,
                                            .peer = connection_source(exchange->connection),
                                            .code = problem_code_text(refusal->code)},
                      refusal->why);
    }
    return exchange_fail(exchange, ENDED_BY_CLIENT, refusal->code, "%s", refusal->why);
}

/* 401 for a certificate: one that is not to be taken, or is nobody's and alone. */
static enum step_result not_certified(struct exchange *exchange, const char *why)
{
    struct error text;
    (void)snprintf(text.message, sizeof(text.message),
                   why != NULL ? "the client certificate is not taken: %s"
                               : "no tenant lists a name of the client certificate%s",
                   why != NULL ? why : "");
    audit_refusal(&(struct audit_event){.kind = AUDIT_KEY_REFUSED,
                                        .route = exchange->route->name,
                                        .peer = connection_source(exchange->connection),
                                        .code = problem_code_text(PROBLEM_TENANT_UNKNOWN)},
                  text.message);
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_TENANT_UNKNOWN, "%s", text.message);
}

enum step_result identify_begin(struct exchange *exchange)
{
    struct token_news news;
    struct sign_refusal refusal = sign_refuses(exchange);
    struct authentication auth = {
        .wall = exchange->facts.started_wall,
        .takes_tokens = exchange->snapshot->issuers.count > 0,
    };
    if (refusal.why != NULL) {
        return unsignable(exchange, &refusal);
    }
    const char *why = NULL;
    enum certificate_answer certificate = identify_certificate(exchange, &auth, &why);
    if (certificate == CERTIFICATE_REFUSED) {
        return not_certified(exchange, why);
    }
    look_everywhere(&auth, exchange);
    switch (identify_tokens(exchange, &auth, &news)) {
    case TOKENS_DONE:
        break;
    case TOKENS_PENDING:
        return STEP_WAIT;
    case TOKENS_UNTOLD:
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_STORE_UNAVAILABLE,
                             "the keys of the token's issuer cannot be had now: try again later");
    }
    enum authenticate_verdict verdict = authenticate_verdict(&auth);
    if (verdict == AUTHENTICATE_MISSING && certificate == CERTIFICATE_STRANGER) {
        return not_certified(exchange, NULL);
    }
    if (verdict != AUTHENTICATE_TENANT) {
        return stranger(exchange, &auth, verdict, &news);
    }
    assert(auth.tenant != NULL); /* that is what the verdict says */
    exchange->user_token = find_user_token(exchange, &auth);
    return enter_as(exchange, auth.tenant);
}

enum step_result identify_resume(struct exchange *exchange)
{
    return exchange->key_wait.set != NULL ? STEP_WAIT : identify_begin(exchange);
}
