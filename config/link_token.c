/* A route's token: the grant with what the route says, else the profile, else the grant itself. */
#include "auth/outbound/signer.h"
#include "auth/outbound/token_plan.h"
#include "auth/secrets/secret_source.h"
#include "base/http1.h"
#include "config/link.h"
#include "config/token.h"
#include "config/url.h"

/* What is put together. */
struct making {
    const struct link *link;
    const struct token_section *section;
    const struct tree *token; /* NULL: all is the profile's */
    const struct tree *node;  /* that, or else the route's, for what is missing */
    const struct profile *profile;
    const struct route *route;
    const struct token_grant *grant;
    bool as_profile; /* the profile's settings are for this grant */
    bool broken;     /* a text is missing or wrong, which was reported */
    struct token_rule *rule;
};

/* ---- what the profile says ---- */

static struct slice profile_says(const struct profile *profile, struct slice name)
{
    for (unsigned i = 0; profile != NULL && i < profile->token_count; i++) {
        if (slice_equal(profile->token[i].name, name)) {
            return profile->token[i].value;
        }
    }
    return slice_make("", 0);
}

/* "parameters.NAME": NAME; else empty. */
static struct slice name_within(struct slice name, struct slice prefix)
{
    return slice_starts_with(name, prefix) ? slice_skip(name, prefix.len) : slice_make("", 0);
}

/* ---- the grant ---- */

static void report_grants(const struct making *making, const struct tree *given)
{
    char names[300];
    size_t used = 0;
    const struct token_grant *grant;
    for (unsigned i = 0; (grant = token_grant_at(i)) != NULL; i++) {
        int len =
            snprintf(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ", ", grant->name);
        used += len > 0 && (size_t)len < sizeof(names) - used ? (size_t)len : 0;
    }
    if (given != NULL) {
        tree_report(making->link->problems, given, "no grant is called \"%s\"; write one of: %s",
                    QUOTE(given->source), names);
    } else {
        tree_report_key(making->link->problems, making->node,
                        "grant is missing; write grant: and one of: %s", names);
    }
}

/* False: reported. */
static bool find_grant(struct making *making)
{
    const struct tree *given = making->section->grant;
    struct slice usual = profile_says(making->profile, SLICE("grant"));
    if (given == NULL && tree_get(making->token, "grant") != NULL) {
        return false; /* reported by fields */
    }
    making->grant = token_grant_find(given != NULL ? given->text : usual);
    making->as_profile = given == NULL || slice_equal(given->text, usual);
    if (making->grant == NULL) {
        report_grants(making, given);
    }
    return making->grant != NULL;
}

/* ---- the texts ---- */

static bool made_of_names(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_alphanumeric(text.ptr[i]) && strchr("._-", text.ptr[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* NULL: it may be so. */
static const char *wrong_with(enum token_key key, struct slice text)
{
    switch (key) {
    case TOKEN_CLIENT:
        return slice_equal(text, SLICE("basic")) || slice_equal(text, SLICE("body")) ||
                       slice_equal(text, SLICE("jwt"))
                   ? NULL
                   : "write basic, body or jwt";
    case TOKEN_ALGORITHM:
        return slice_equal(text, SLICE("RS256")) || slice_equal(text, SLICE("ES256"))
                   ? NULL
                   : "write RS256 or ES256";
    case TOKEN_DIRECTORY:
    case TOKEN_INSTALLATION:
        return made_of_names(text) ? NULL : "it has letters, digits, '.', '_' and '-'";
    case TOKEN_SUBJECT_HEADER:
        return !http1_valid_token(text) || header_name_reserved(text)
                   ? "write the name of a header that callers send"
                   : NULL;
    case TOKEN_URL:
    case TOKEN_SCOPE:
    case TOKEN_AUDIENCE:
    case TOKEN_RESOURCE:
    case TOKEN_ISSUER:
    case TOKEN_SUBJECT:
    case TOKEN_SUBJECT_TYPE:
    case TOKEN_KEY_ID:
    case TOKEN_KEYS:
        break;
    }
    return NULL;
}

static struct slice own_origin(const struct link *link, const struct route *route)
{
    return slice_from(arena_print(link->arena, "%s://%s", route->origin.tls ? "https" : "http",
                                  route->origin.authority));
}

static struct slice usual_text(const struct making *making, enum token_key key)
{
    struct slice text = making->as_profile
                            ? profile_says(making->profile, slice_from(token_key_name(key)))
                            : slice_make("", 0);
    return text.len > 0         ? text
           : key == TOKEN_URL   ? making->grant->url
           : key == TOKEN_SCOPE ? making->grant->scope
           : key == TOKEN_AUDIENCE && making->grant->sign != NULL
               ? own_origin(making->link, making->route)
               : text;
}

static void set_text(struct making *making, enum token_key key, const struct tree *given)
{
    const char *wrong = given == NULL ? NULL : wrong_with(key, given->text);
    if (given != NULL && key == TOKEN_SUBJECT_HEADER &&
        link_header_is_slot(making->link, given->text)) {
        wrong = "SDKs send keys in it; take another";
    }
    struct slice *value = &making->rule->plan.values[key];
    if (given != NULL && !token_grant_takes(making->grant, key)) {
        tree_report_key(making->link->problems, given, "the grant %s has no %s; take it out",
                        making->grant->name, token_key_name(key));
    } else if (wrong != NULL) {
        tree_report(making->link->problems, given, "\"%s\" is no %s; %s", QUOTE(given->source),
                    token_key_name(key), wrong);
    } else if (given != NULL) {
        *value = link_keep_slice(making->link, given->text);
    } else if (token_grant_takes(making->grant, key)) {
        *value = link_keep_slice(making->link, usual_text(making, key));
    }
    bool needed = (making->grant->needs & (1U << key)) != 0;
    bool reported = tree_get(making->token, token_key_name(key)) != NULL;
    making->broken = making->broken || wrong != NULL || (needed && value->len == 0);
    if (needed && value->len == 0 && !reported) {
        tree_report_key(making->link->problems, making->node,
                        "the grant %s needs %s; write token: {grant: %s, %s: ...}",
                        making->grant->name, token_key_name(key), making->grant->name,
                        token_key_name(key));
    }
}

static void set_texts(struct making *making)
{
    const struct token_section *section = making->section;
    const struct tree *const given[TOKEN_KEYS] = {
        [TOKEN_URL] = section->url,
        [TOKEN_SCOPE] = section->scope,
        [TOKEN_AUDIENCE] = section->audience,
        [TOKEN_RESOURCE] = section->resource,
        [TOKEN_CLIENT] = section->client,
        [TOKEN_ISSUER] = section->issuer,
        [TOKEN_SUBJECT] = section->subject,
        [TOKEN_SUBJECT_TYPE] = section->subject_type,
        [TOKEN_SUBJECT_HEADER] = section->subject_header,
        [TOKEN_ALGORITHM] = section->algorithm,
        [TOKEN_KEY_ID] = section->key_id,
        [TOKEN_DIRECTORY] = section->directory,
        [TOKEN_INSTALLATION] = section->installation,
    };
    for (unsigned key = 0; key < TOKEN_KEYS; key++) {
        set_text(making, key, given[key]);
    }
}

/* A profile of one's own may say anything. */
static bool known_setting(struct slice name)
{
    for (unsigned key = 0; key < TOKEN_KEYS; key++) {
        if (slice_equal(name, slice_from(token_key_name(key)))) {
            return true;
        }
    }
    return slice_equal(name, SLICE("grant")) || slice_starts_with(name, SLICE("parameters.")) ||
           slice_starts_with(name, SLICE("claims."));
}

static void check_profile(const struct making *making)
{
    const struct profile *profile = making->profile;
    for (unsigned i = 0; making->as_profile && i < profile->token_count; i++) {
        struct slice name = profile->token[i].name;
        if (!known_setting(name)) {
            tree_report_key(making->link->problems, making->node,
                            "the token of provider %s has a member \"%.*s\", which none has",
                            profile->name, SLICE_ARG(name));
        }
    }
    for (unsigned key = 0; making->as_profile && key < TOKEN_KEYS; key++) {
        struct slice text = profile_says(profile, slice_from(token_key_name(key)));
        const char *wrong = text.len == 0 ? NULL : wrong_with(key, text);
        if (wrong != NULL || (text.len > 0 && !token_grant_takes(making->grant, key))) {
            tree_report_key(making->link->problems, making->node,
                            "%s in the token of provider %s: %s", token_key_name(key),
                            profile->name, wrong != NULL ? wrong : "its grant has none");
        }
    }
}

/* ---- parameters and claims ---- */

struct pairs {
    struct token_pair *all;
    unsigned count;
};

static bool has_pair(const struct pairs *pairs, struct slice name)
{
    for (unsigned i = 0; i < pairs->count; i++) {
        if (slice_equal(pairs->all[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void add_pair(const struct making *making, struct pairs *pairs, struct slice name,
                     struct slice value)
{
    if (pairs->count < TOKEN_PAIRS_MAX && !has_pair(pairs, name)) {
        pairs->all[pairs->count++] = (struct token_pair){link_keep_slice(making->link, name),
                                                         link_keep_slice(making->link, value)};
    }
}

/* Those that are given, then the profile's that are not. */
static struct pairs make_pairs(const struct making *making, const struct tree *given,
                               const char *what, bool taken)
{
    const struct link *link = making->link;
    struct pairs pairs = {ARENA_ARRAY(link->arena, struct token_pair, TOKEN_PAIRS_MAX), 0};
    struct slice prefix = slice_from(arena_print(link->arena, "%s.", what));
    if (given != NULL && !taken) {
        tree_report_key(link->problems, given, "the grant %s has no %s; take it out",
                        making->grant->name, what);
        return pairs;
    }
    if (given != NULL && given->count > TOKEN_PAIRS_MAX) {
        tree_report(link->problems, given, "%u of them, and %d are the most", given->count,
                    TOKEN_PAIRS_MAX);
    }
    for (unsigned i = 0; given != NULL && i < given->count; i++) {
        if (!given->items[i]->faulty) {
            add_pair(making, &pairs, given->items[i]->key->text, given->items[i]->text);
        }
    }
    for (unsigned i = 0; taken && making->as_profile && i < making->profile->token_count; i++) {
        struct slice name = name_within(making->profile->token[i].name, prefix);
        if (name.len > 0) {
            add_pair(making, &pairs, name, making->profile->token[i].value);
        }
    }
    return pairs;
}

static void set_pairs(const struct making *making)
{
    struct token_plan *plan = &making->rule->plan;
    struct pairs parameters = make_pairs(making, making->section->parameters, "parameters",
                                         making->grant->takes_parameters);
    struct pairs claims =
        make_pairs(making, making->section->claims, "claims", making->grant->takes_claims);
    plan->parameters = parameters.all;
    plan->parameter_count = parameters.count;
    plan->claims = claims.all;
    plan->claim_count = claims.count;
}

/* ---- the endpoint ---- */

/* "{directory}" and "{installation}" are what the plan says. */
static struct slice fill_in(const struct making *making, struct slice url)
{
    const struct slice *values = making->rule->plan.values;
    static const enum token_key keys[] = {TOKEN_DIRECTORY, TOKEN_INSTALLATION};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *mark = arena_print(making->link->arena, "{%s}", token_key_name(keys[i]));
        size_t at = slice_find(url, '{');
        if (slice_starts_with(slice_skip(url, at), slice_from(mark))) {
            url = slice_from(arena_print(making->link->arena, "%.*s%.*s%.*s", (int)at, url.ptr,
                                         SLICE_ARG(values[keys[i]]),
                                         SLICE_ARG(slice_skip(url, at + strlen(mark)))));
        }
    }
    return url;
}

static void report_url(const struct making *making, const struct error *err)
{
    if (making->section->url != NULL) {
        link_report(making->link, making->section->url, "a token endpoint's URL", err);
    } else {
        tree_report_key(making->link->problems, making->node, "the token's url: %s", err->message);
    }
}

/* A path is one of the route's own origin. */
static struct slice at_own_origin(const struct making *making, struct slice text)
{
    const struct origin *own = &making->route->origin;
    if (!slice_starts_with(text, SLICE("/")) || own->host == NULL) {
        return text;
    }
    return slice_from(arena_print(making->link->arena, "%s://%s%.*s", own->tls ? "https" : "http",
                                  own->authority, SLICE_ARG(text)));
}

/* At the route's own origin it is trusted as that is. */
static void set_endpoint(struct making *making)
{
    struct error err;
    struct url url = {0};
    struct slice *text = &making->rule->plan.values[TOKEN_URL];
    const struct origin *own = &making->route->origin;
    const char *ca = link_keep(making->link, making->section->tls.ca);
    bool relative = slice_starts_with(*text, SLICE("/"));
    if (text->len == 0 || making->grant->call == NULL || (relative && own->host == NULL)) {
        return;
    }
    *text = at_own_origin(making, fill_in(making, *text));
    ca = relative && ca == NULL ? own->ca_file : ca;
    enum status status = url_parse(making->link->arena, *text, &url, &err);
    if (status == STATUS_OK && !url.tls && !relative) {
        status = error_set(&err, STATUS_INVALID, __FILE__, __LINE__,
                           "a secret goes there; write https://");
    }
    if (status != STATUS_OK) {
        report_url(making, &err);
        return;
    }
    making->rule->origin =
        relative && ca == own->ca_file
            ? *own
            : link_make_origin(making->link, &url, url.tls ? ca : NULL, own->proxy);
    making->rule->path = url.path.len > 0 ? url.path : SLICE("/");
}

/* ---- where the next refresh token is kept ---- */

static bool has_sealed_source(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->secret_source_count; i++) {
        if (snapshot->secret_sources[i].kind == SECRET_SOURCE_SEALED) {
            return true;
        }
    }
    return false;
}

static void check_keeping(const struct making *making)
{
    const struct link *link = making->link;
    if (!making->grant->rotates) {
        return;
    }
    for (unsigned i = 0; i < making->route->credential_count; i++) {
        const char *name = making->route->credentials[i].secret_name;
        if (strlen(name) > TOKEN_ROTATED_NAME_MAX) {
            tree_report_key(
                link->problems, making->node,
                "the name of the secret \"%s\" is longer than %d bytes, and the refresh "
                "token that follows it is kept as NAME%s",
                name, TOKEN_ROTATED_NAME_MAX, TOKEN_ROTATED_ENDING);
        }
    }
    if (!has_sealed_source(link->snapshot)) {
        tree_warn(link->problems, making->node,
                  "an endpoint may give a new refresh token with each answer, and there is no "
                  "sealed file under secrets to keep it in: a restart would lose it");
    }
}

/* ---- beside a signature ---- */

/* Secrets that these take are two parts that a token never is: each call would fail. */
static bool may_sign(const struct making *making)
{
    const struct signing_rule *sign = making->route->sign;
    if (sign == NULL || sign->scheme == SIGNER_HMAC) {
        return true;
    }
    tree_report_key(making->link->problems, making->node,
                    "nothing can be signed with a token by %s, which signs with the secret itself; "
                    "write token: off, or take sign out",
                    signer_name(sign->scheme));
    return false;
}

void link_token(const struct link *link, const struct route_section *section, struct route *route)
{
    const struct tree *node = tree_get(section->node, "token");
    bool usual = node == NULL && route->profile != NULL && route->profile->token_count > 0;
    bool given = node == NULL || node->kind == TREE_MAP || tree_is_null(node);
    if (section->token.off || !given || (node == NULL && !usual)) {
        return;
    }
    if (node != NULL && route->credential_count == 0) {
        if (section->credential.count == 0) {
            tree_report_key(link->problems, node,
                            "there is no secret to have a token for; write credential: "
                            "{secret: NAME}, or take this out");
        }
        return;
    }
    struct making making = {
        .link = link,
        .section = &section->token,
        .token = node,
        .node = node != NULL ? node : section->node,
        .profile = route->profile,
        .route = route,
        .rule = ARENA_NEW(link->arena, struct token_rule),
    };
    if (route->credential_count == 0 || (node != NULL && node->faulty) || !may_sign(&making) ||
        !find_grant(&making)) {
        return;
    }
    making.rule->plan.grant = making.grant;
    making.rule->plan.lifetime = section->token.lifetime;
    check_profile(&making);
    set_texts(&making);
    set_pairs(&making);
    check_keeping(&making);
    if (!making.broken) {
        set_endpoint(&making);
    }
    struct slice *audience = &making.rule->plan.values[TOKEN_AUDIENCE];
    making.rule->own_audience =
        making.grant->sign != NULL && token_grant_takes(making.grant, TOKEN_AUDIENCE) &&
        section->token.audience == NULL && slice_equal(*audience, own_origin(link, route));
    *audience = at_own_origin(&making, *audience);
    struct slice ca = slice_from(making.rule->origin.key);
    token_plan_identify(&making.rule->plan, ca);
    route->token = making.rule;
}

const struct token_rule *link_token_for(const struct link *link, const struct token_rule *rule,
                                        const struct route *host)
{
    if (rule == NULL || !rule->own_audience) {
        return rule;
    }
    struct token_rule *own = ARENA_NEW(link->arena, struct token_rule);
    *own = *rule;
    own->plan.values[TOKEN_AUDIENCE] =
        host->entry[0] == '*' ? slice_make("", 0) : own_origin(link, host);
    token_plan_identify(&own->plan, slice_from(own->origin.key));
    return own;
}
