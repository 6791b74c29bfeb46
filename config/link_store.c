#include "config/link.h"
#include "config/store_url.h"

void link_store(struct link *link)
{
    struct error err;
    const struct store_section *section = &link->sections->store;
    struct store_settings *store = &link->snapshot->store;
    struct slice url = section->url != NULL ? section->url->text : SLICE("memory:");
    bool known = true;
    if (store_url_parse(link->arena, url, &store->redis, &store->address, &err) != STATUS_OK) {
        link_report(link, section->url, "the URL of a store", &err);
        known = false;
    }
    const char *ca = link_keep(link, section->tls.ca);
    store->address.ca = ca;
    if (ca != NULL && known && !store->address.tls) {
        tree_report_key(link->problems,
                        tree_get(tree_get(tree_get(link->root, "store"), "tls"), "ca"),
                        "store.url has no TLS; write rediss://, or take this out");
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
