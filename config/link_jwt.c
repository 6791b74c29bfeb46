/* Whose tokens are taken: issuers, their keys, and what makes a token a tenant's. */
#include "auth/inbound/jwt_issuer.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/json_pick.h"
#include "config/link.h"
#include "config/url.h"

/* An issuer, as its first mention has it, and the rules so far. */
struct mention {
    struct jwt_issuer issuer; /* first: it is what the table has */
    const struct tree *jwks;
    struct jwt_rule *last;
    unsigned count;
};

struct rule {
    struct jwt_rule rule; /* first */
    const struct tree *node;
};

/* ---- keys ---- */

static void take_url(const struct link *link, const struct jwt_section *section,
                     struct mention *mention)
{
    struct error err;
    struct url url;
    struct slice target;
    struct slice text = section->jwks->text;
    if (url_target_parse(link->arena, text, &url, &target, &err) != STATUS_OK) {
        link_report(link, section->jwks, "a URL", &err);
        return;
    }
    if (!url.tls) {
        tree_report(link->problems, section->jwks,
                    "who can change these keys can be any tenant: write an https URL, or a file");
        return;
    }
    struct key_site *site = ARENA_NEW(link->arena, struct key_site);
    site->origin =
        link_make_origin(link, &url, link_keep(link, section->tls.ca),
                         link_proxy(link, section->proxy, section->proxy_credential.secret,
                                    link->snapshot->egress_proxy));
    site->path = target;
    site->url = link_keep_slice(link, slice_make(text.ptr, slice_find(text, '?'))).ptr;
    mention->issuer.site = site;
}

static void take_file(const struct link *link, const struct jwt_section *section,
                      struct mention *mention)
{
    struct error err;
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, KEY_SET_BYTES_MAX);
    const char *path = tree_resolve(section->jwks->document, section->jwks->text, link->arena);
    if (file_read(path, FILE_ANY_INPUT, &text, &err) != STATUS_OK) {
        tree_report(link->problems, section->jwks, "cannot use the file \"%s\": %s",
                    QUOTE(tree_expanded(section->jwks) ? section->jwks->source : slice_from(path)),
                    err.message);
        return;
    }
    mention->issuer.keys = key_set_new(buffer_bytes(&text));
    if (mention->issuer.keys == NULL) {
        tree_report(
            link->problems, section->jwks,
            "no usable key is in it; it is a JSON Web Key Set, {\"keys\": [...]}, whose keys "
            "are of RSA (2048 to 8192 bits), P-256 or Ed25519");
    }
}

static void take_keys(const struct link *link, const struct jwt_section *section,
                      struct mention *mention)
{
    mention->jwks = section->jwks;
    if (slice_find(section->jwks->text, ':') < section->jwks->text.len) {
        take_url(link, section, mention);
    } else {
        take_file(link, section, mention);
    }
}

/* ---- claims ---- */

static bool take_claim(const struct link *link, const struct tree *node, struct jwt_claim *claim)
{
    struct slice name = node->key->text;
    claim->value = link_keep_slice(link, node->text);
    if (slice_starts_with(name, SLICE("/"))) {
        struct json_place place;
        if (!json_place_parse(link->arena, name, &place)) {
            tree_report_key(link->problems, node,
                            "no JSON Pointer of up to %d names; write one such as "
                            "/realm_access/roles, with ~1 for a / and ~0 for a ~ of a name",
                            JSON_PLACE_DEPTH_MAX);
            return false;
        }
        claim->path = place.path;
        claim->depth = place.depth;
        return true;
    }
    const char **path = ARENA_ARRAY(link->arena, const char *, 1);
    path[0] = link_keep_slice(link, name).ptr;
    claim->path = path;
    claim->depth = 1;
    return true;
}

static bool take_claims(const struct link *link, const struct jwt_section *section,
                        struct jwt_rule *rule)
{
    unsigned count = section->claims->count;
    struct jwt_claim *claims = ARENA_ARRAY(link->arena, struct jwt_claim, count + 1);
    rule->claims = claims;
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = section->claims->items[i];
        if (!node->faulty && take_claim(link, node, &claims[rule->claim_count])) {
            rule->claim_count++;
        }
    }
    if (count == 0) {
        tree_report(
            link->problems, section->claims,
            "without a claim any token of the issuer would be this tenant's; write one such "
            "as {sub: checkout}");
    }
    return rule->claim_count == count && count > 0;
}

static unsigned take_algorithms(const struct link *link, const struct tree *texts)
{
    unsigned kinds = texts == NULL ? (1U << KEY_KINDS) - 1 : 0;
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        const struct tree *node = link_text(texts, i);
        enum key_kind kind = 0;
        while (kind < KEY_KINDS && !slice_equal(node->text, key_kind_name(kind))) {
            kind++;
        }
        if (kind < KEY_KINDS) {
            kinds |= 1U << kind;
        } else if (!node->faulty) {
            tree_report(link->problems, node, "\"%s\" is not taken; write RS256, ES256 or EdDSA",
                        QUOTE(node->source));
        }
    }
    return kinds;
}

/* ---- issuers ---- */

static bool same_keys(const struct mention *mention, const struct jwt_section *section)
{
    return slice_equal(mention->jwks->text, section->jwks->text);
}

static struct mention *mention_of(const struct link *link, const struct jwt_section *section)
{
    struct snapshot *snapshot = link->snapshot;
    struct mention *mention =
        (struct mention *)table_get(&snapshot->issuers, section->issuer->text);
    if (mention == NULL) {
        mention = ARENA_NEW(link->arena, struct mention);
        mention->issuer.name = link_keep_slice(link, section->issuer->text);
        (void)table_add(&snapshot->issuers, mention->issuer.name, mention);
        snapshot->issuer_list[snapshot->issuer_count++] = &mention->issuer;
        take_keys(link, section, mention);
    } else if (!same_keys(mention, section)) {
        tree_report(link->problems, section->jwks,
                    "this issuer has another key set at %s; an issuer has one",
                    TREE_PLACE(mention->jwks, section->jwks));
    }
    return mention;
}

/* A token that is of two tenants would be refused: better to say so now. */
static void check_overlaps(const struct link *link, const struct mention *mention,
                           const struct rule *rule)
{
    const struct jwt_rule *other = mention->issuer.rules;
    for (; other != NULL; other = other->next) {
        if (other->tenant != rule->rule.tenant && jwt_rules_overlap(other, &rule->rule)) {
            tree_report(
                link->problems, rule->node,
                "one token could be of this tenant and of \"%s\" (%s): name another value of "
                "the same claim in each, or another audience",
                other->tenant->name, TREE_PLACE(((const struct rule *)other)->node, rule->node));
            return;
        }
    }
}

/* Behind the others of its issuer, and of its tenant. */
static void add_rule(struct mention *mention, struct jwt_rule *rule, const struct jwt_rule **place)
{
    if (mention->last == NULL) {
        mention->issuer.rules = rule;
    } else {
        mention->last->next = rule;
    }
    mention->last = rule;
    rule->issuer = &mention->issuer;
    *place = rule;
}

/* `place`: where the tenant's next rule belongs. Returns where the one behind it does. */
static const struct jwt_rule **take_rule(const struct link *link, const struct jwt_section *section,
                                         const struct tenant *tenant, const struct jwt_rule **place)
{
    if (section->issuer == NULL || section->audience == NULL || section->jwks == NULL ||
        section->claims == NULL) {
        return place;
    }
    struct rule *rule = ARENA_NEW(link->arena, struct rule);
    rule->node = section->node;
    rule->rule = (struct jwt_rule){
        .tenant = tenant,
        .audience = link_keep_slice(link, section->audience->text),
        .kinds = take_algorithms(link, section->algorithms),
        .leeway = section->leeway,
    };
    struct mention *mention = mention_of(link, section);
    if (!take_claims(link, section, &rule->rule)) {
        return place;
    }
    if (mention->count++ == JWT_RULES_MAX) {
        tree_report(link->problems, section->issuer, "more than %d tenants have this issuer",
                    JWT_RULES_MAX);
    }
    if (mention->count > JWT_RULES_MAX) {
        return place;
    }
    check_overlaps(link, mention, rule);
    add_rule(mention, &rule->rule, place);
    return &rule->rule.next_of_tenant;
}

static void check_sites(const struct link *link)
{
    const struct snapshot *snapshot = link->snapshot;
    unsigned sites = 0;
    for (unsigned i = 0; i < snapshot->issuer_count; i++) {
        sites += snapshot->issuer_list[i]->site != NULL;
    }
    if (sites > JWT_SITES_MAX) {
        problems_add(
            link->problems, "tenants", 0, 0,
            "tenants: %u issuers have key sets that are fetched; %d at most, use files for "
            "some",
            sites, JWT_SITES_MAX);
    }
}

void link_jwt(struct link *link)
{
    const struct tenant_section *sections = link->sections->tenants.items;
    unsigned count = link->sections->tenants.count;
    unsigned total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += sections[i].jwt.count;
    }
    link->snapshot->issuer_list = ARENA_ARRAY(link->arena, struct jwt_issuer *, total + 1);
    for (unsigned i = 0; i < count; i++) {
        const struct jwt_section *list = sections[i].jwt.items;
        struct tenant *tenant = snapshot_tenant(
            link->snapshot, arena_copy(link->arena, sections[i].node->key->text).ptr);
        const struct jwt_rule **place = &tenant->tokens;
        for (unsigned k = 0; k < sections[i].jwt.count; k++) {
            place = take_rule(link, &list[k], tenant, place);
        }
    }
    check_sites(link);
}

void link_jwt_drop(struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->issuer_count; i++) {
        key_set_free(snapshot->issuer_list[i]->keys);
    }
    table_fini(&snapshot->issuers);
}
