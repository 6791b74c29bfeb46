/* How a route's requests are signed, and what is found out for it from the host. */
#include "auth/outbound/aws_host.h"
#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer.h"
#include "base/http1.h"
#include "config/link.h"

enum { SCOPE_PART_MAX = 32 };

static const struct slice region_mark = SLICE_INIT("{region}");

static const struct tree *node_of(const struct route_section *section)
{
    return tree_get(section->node, "sign");
}

bool link_signs(const struct route_section *section, const struct profile *profile)
{
    bool by_profile = profile != NULL && profile->sign.scheme.len > 0 &&
                      profile->injections.count == 0 && !link_generic(profile) &&
                      tree_get(section->node, "inject") == NULL;
    return node_of(section) != NULL || (by_profile && !link_credential_none(section));
}

struct slice link_sign_base_url(const struct link *link, const struct route_section *section,
                                const struct profile *profile)
{
    struct slice url = profile->sign.base_url;
    const struct tree *region = section->sign.region;
    if (url.len == 0 || region == NULL) {
        return slice_make("", 0);
    }
    size_t at = 0;
    while (at < url.len && !slice_starts_with(slice_skip(url, at), region_mark)) {
        at++;
    }
    struct slice after = slice_skip(url, at + region_mark.len);
    return slice_from(arena_print(link->arena, "%.*s%.*s%.*s", (int)at, url.ptr,
                                  SLICE_ARG(region->text), SLICE_ARG(after)));
}

/* What stands between the slashes of a scope. */
static bool scope_part(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_alphanumeric(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_') {
            return false;
        }
    }
    return text.len > 0 && text.len <= SCOPE_PART_MAX;
}

static bool check_scope_part(const struct link *link, const struct tree *node)
{
    if (node == NULL || scope_part(node->text)) {
        return true;
    }
    tree_report(link->problems, node, "letters, digits and '-' are expected, %d at most",
                SCOPE_PART_MAX);
    return false;
}

/* ---- aws-sigv4 ---- */

static void report_unknown(const struct link *link, const struct route_section *section,
                           const struct route *route, struct slice service)
{
    const struct tree *place = node_of(section) != NULL ? node_of(section) : section->node;
    const char *what = service.len == 0 ? "service" : "region";
    const char *example = service.len == 0 ? "s3" : "eu-central-1";
    tree_report_key(link->problems, place,
                    "the %s that is signed for cannot be told from the host \"%s\"; write sign: "
                    "{%s: %s}",
                    what, route->origin.host, what, example);
}

static bool link_aws(const struct link *link, const struct route_section *section,
                     const struct route *route, struct signing_rule *rule)
{
    const struct sign_section *sign = &section->sign;
    struct slice service = slice_make("", 0);
    struct slice region = slice_make("", 0);
    if (!check_scope_part(link, sign->region) || !check_scope_part(link, sign->service) ||
        route->origin.host == NULL) {
        return false;
    }
    (void)aws_host_read(slice_from(route->origin.host), &service, &region);
    if (route->profile != NULL && route->profile->sign.service.len > 0) {
        service = route->profile->sign.service;
    }
    service = sign->service != NULL ? sign->service->text : service;
    region = sign->region != NULL ? sign->region->text : region;
    if (service.len == 0 || region.len == 0) {
        report_unknown(link, section, route, service);
        return false;
    }
    rule->service = link_keep_slice(link, service);
    rule->region = link_keep_slice(link, region);
    rule->as_s3 = slice_equal(service, SLICE("s3")) || slice_starts_with(service, SLICE("s3-")) ||
                  slice_equal(service, SLICE("s3express"));
    return true;
}

/* ---- hmac ---- */

static bool check_text(const struct link *link, const struct tree *node, enum hmac_text kind,
                       bool *ret_reads_body)
{
    struct error err;
    if (hmac_recipe_check(node->text, kind, ret_reads_body, &err) != STATUS_OK) {
        link_report(link, node, "a text with placeholders", &err);
        return false;
    }
    return true;
}

static bool read_header(const struct link *link, const struct tree *node,
                        struct hmac_recipe *recipe)
{
    struct slice name = node->key->text;
    if (node->faulty) {
        return false;
    }
    if (!http1_valid_token(name) || header_name_reserved(name)) {
        tree_report_key(link->problems, node, "the gateway cannot write a header of this name");
        return false;
    }
    if (!http1_valid_field_value(node->text)) {
        tree_report(link->problems, node, "no header can have this value");
        return false;
    }
    if (!check_text(link, node, HMAC_VALUE, NULL)) {
        return false;
    }
    recipe->headers[recipe->header_count++] =
        (struct hmac_header){link_keep_slice(link, name), link_keep_slice(link, node->text)};
    return true;
}

static bool link_hmac(const struct link *link, const struct route_section *section,
                      struct signing_rule *rule)
{
    const struct sign_section *sign = &section->sign;
    const struct tree *node = node_of(section);
    struct hmac_recipe *recipe = ARENA_NEW(link->arena, struct hmac_recipe);
    bool valid = true;
    if (sign->message == NULL || sign->headers == NULL || sign->headers->count == 0 ||
        sign->headers->count > HMAC_HEADERS_MAX) {
        tree_report_key(link->problems, node,
                        "message and 1 to %d headers are needed; write sign: {scheme: hmac, "
                        "message: \"{timestamp}{method}{target}{body}\", headers: {X-Sign: "
                        "\"{signature}\"}}",
                        HMAC_HEADERS_MAX);
        return false;
    }
    valid = check_text(link, sign->message, HMAC_MESSAGE, &recipe->reads_body);
    for (unsigned i = 0; i < sign->headers->count; i++) {
        valid = read_header(link, sign->headers->items[i], recipe) && valid;
    }
    recipe->message = link_keep_slice(link, sign->message->text);
    recipe->hash = (enum hmac_hash)sign->hash;
    recipe->encoding = (enum hmac_encoding)sign->encoding;
    recipe->key_form = (enum hmac_key_form)sign->key;
    recipe->clock = (enum hmac_clock)sign->timestamp;
    rule->recipe = recipe;
    return valid;
}

/* ---- the rule ---- */

/* Keys of another scheme say nothing here. */
static void check_keys(const struct link *link, const struct sign_section *sign,
                       enum signer_scheme scheme)
{
    const struct {
        const struct tree *node;
        enum signer_scheme scheme;
    } keys[] = {
        {sign->region, SIGNER_AWS_SIGV4},
        {sign->service, SIGNER_AWS_SIGV4},
        {sign->message, SIGNER_HMAC},
        {sign->headers, SIGNER_HMAC},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].node != NULL && keys[i].scheme != scheme) {
            tree_report_key(link->problems, keys[i].node, "belongs to scheme: %s; take it out",
                            signer_name(keys[i].scheme));
        }
    }
}

/* SIGNER_SCHEMES: reported. */
static enum signer_scheme find_scheme(const struct link *link, const struct route_section *section,
                                      const struct route *route)
{
    enum signer_scheme scheme = (enum signer_scheme)section->sign.scheme;
    if (section->sign.scheme == SIGN_AS_PROFILE) {
        scheme = route->profile == NULL ? SIGNER_SCHEMES : signer_find(route->profile->sign.scheme);
    }
    if (scheme == SIGNER_SCHEMES && route->profile != NULL) {
        tree_report_key(link->problems, node_of(section),
                        "scheme is missing, which provider %s does not know; write scheme: "
                        "aws-sigv4, azure-shared-key or hmac",
                        route->profile->name);
    }
    return scheme;
}

void link_sign(const struct link *link, const struct route_section *section, struct route *route)
{
    const struct tree *node = node_of(section);
    if (!link_signs(section, route->profile) || (node != NULL && node->faulty)) {
        return;
    }
    enum signer_scheme scheme = find_scheme(link, section, route);
    if (scheme == SIGNER_SCHEMES) {
        return;
    }
    check_keys(link, &section->sign, scheme);
    if (route->credential_count == 0) {
        tree_report_key(link->problems, node != NULL ? node : section->node,
                        "there is no credential to sign with; write credential: {secret: NAME}%s",
                        node != NULL ? ", or take this out" : ", or credential: none");
        return;
    }
    struct signing_rule *rule = ARENA_NEW(link->arena, struct signing_rule);
    rule->scheme = scheme;
    bool valid = true;
    switch (scheme) {
    case SIGNER_AWS_SIGV4:
        valid = link_aws(link, section, route, rule);
        break;
    case SIGNER_HMAC:
        valid = link_hmac(link, section, rule);
        break;
    case SIGNER_AZURE_SHARED_KEY:
    case SIGNER_SCHEMES:
        break;
    }
    route->sign = valid ? rule : NULL;
}

unsigned link_sign_fields(const struct route *route, struct slice *names)
{
    unsigned count = 0;
    if (route->sign == NULL) {
        return 0;
    }
    for (const struct slice *name = signer_fields(route->sign->scheme); name->len > 0; name++) {
        names[count++] = *name;
    }
    const struct hmac_recipe *recipe = route->sign->recipe;
    for (unsigned i = 0; recipe != NULL && i < recipe->header_count; i++) {
        names[count++] = recipe->headers[i].name;
    }
    return count;
}
