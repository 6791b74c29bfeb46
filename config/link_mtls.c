/* Tenants' client certificates: which of their names is whose. */
#include "base/ascii.h"
#include "config/link.h"
#include "config/url.h"

bool snapshot_san_key(bool is_uri, struct slice name, char out[SAN_KEY_MAX], struct slice *ret)
{
    size_t len = 0;
    if (name.len == 0 || name.len + 4 > SAN_KEY_MAX) {
        return false;
    }
    out[len++] = is_uri ? 'u' : 'd';
    out[len++] = ':';
    for (size_t i = 0; i < name.len; i++) { /* names of hosts have no case, URIs do */
        out[len++] = is_uri ? name.ptr[i] : ascii_lower(name.ptr[i]);
    }
    *ret = slice_make(out, len);
    return true;
}

/* "spiffe://corp/checkout": a scheme, and no blanks. */
static bool is_uri(struct slice text)
{
    bool plain = slice_find(text, ':') < text.len;
    for (size_t i = 0; i < text.len; i++) {
        plain = plain && text.ptr[i] > ' ' && text.ptr[i] <= '~';
    }
    return plain;
}

static void take_name(const struct link *link, const struct tree *node, struct tenant *tenant)
{
    char bytes[SAN_KEY_MAX];
    struct slice key;
    struct error err;
    bool uri = is_uri(node->text);
    if (!uri && url_host_check(node->text, &err) != STATUS_OK) {
        tree_report(link->problems, node,
                    "\"%s\" is no name of a certificate; write a URI such as "
                    "spiffe://corp/checkout, or a DNS name in lower case",
                    QUOTE(node->source));
        return;
    }
    if (!snapshot_san_key(uri, node->text, bytes, &key)) {
        tree_report(link->problems, node, "the name is longer than %d bytes", SAN_KEY_MAX - 4);
        return;
    }
    const struct tenant *twin =
        table_add(&link->snapshot->sans, link_keep_slice(link, key), tenant);
    if (twin != NULL) {
        tree_report(link->problems, node,
                    "this name is listed already, for tenant \"%s\"; a certificate is one tenant's",
                    twin->name);
    }
}

static void check_any(const struct link *link, const struct tenant_section *section)
{
    bool any = section->keys != NULL || section->jwt.count > 0 || section->mtls.san != NULL ||
               tree_get(section->node, "keys") != NULL;
    if (!any && !section->node->faulty) {
        tree_report_key(link->problems, section->node,
                        "keys is missing; write keys: [\"sha256:...\"], or jwt or mtls");
    }
}

void link_mtls(struct link *link)
{
    const struct tenant_section *sections = link->sections->tenants.items;
    for (unsigned i = 0; i < link->sections->tenants.count; i++) {
        const struct tree *names = sections[i].mtls.san;
        const char *name = link_keep_slice(link, sections[i].node->key->text).ptr;
        struct tenant *tenant = snapshot_tenant(link->snapshot, name);
        check_any(link, &sections[i]);
        if (names != NULL && link->snapshot->gateway.tls_client_ca == NULL) {
            tree_report(link->problems, names,
                        "no client shows a certificate; write gateway.tls.client_ca, too");
        }
        struct slice *sans = ARENA_ARRAY(link->arena, struct slice, link_text_count(names) + 1);
        tenant->sans = sans;
        for (unsigned k = 0; k < link_text_count(names); k++) {
            if (!link_text(names, k)->faulty) {
                take_name(link, link_text(names, k), tenant);
                sans[tenant->san_count++] = link_keep_slice(link, link_text(names, k)->text);
            }
        }
    }
}
