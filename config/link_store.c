#include "config/link.h"
#include "config/store_url.h"

/* Of keys that say nothing to the store that is named. */
static void check_idle(const struct link *link, const struct store_settings *store)
{
    const struct tree *section = tree_get(link->root, "store");
    const struct tree *gateways = tree_get(section, "gateways");
    if (store->address.ca != NULL && !store->address.tls) {
        tree_report_key(link->problems, tree_get(tree_get(section, "tls"), "ca"),
                        "store.url has no TLS; write rediss://, or take this out");
    }
    if (!store->redis && gateways != NULL) {
        tree_warn(link->problems, gateways,
                  "ignored: memory: is of this process alone, and shared with no gateway");
    }
}

void link_store(struct link *link)
{
    struct error err;
    const struct store_section *section = &link->sections->store;
    struct store_settings *store = &link->snapshot->store;
    struct slice url = section->url != NULL ? section->url->text : SLICE("memory:");
    bool known =
        store_url_parse(link->arena, url, &store->redis, &store->address, &err) == STATUS_OK;
    store->address.ca = link_keep(link, section->tls.ca);
    if (known) {
        check_idle(link, store);
    } else {
        link_report(link, section->url, "the URL of a store", &err);
    }
    store->name = DEFAULT_STORE_NAME;
    if (section->name != NULL && field_name_valid(section->name->text)) {
        store->name = link_keep_slice(link, section->name->text).ptr;
    } else if (section->name != NULL) {
        tree_report(link->problems, section->name,
                    "a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or digit, "
                    "and is 64 bytes long at most");
    }
    store->timeout = section->timeout;
    store->gateways = section->gateways;
}
