#include "config/link.h"

#include "auth/inbound/webhook_scheme.h"
#include "auth/secrets/secret_store.h"
#include "config/document.h"
#include "config/folder.h"
#include "config/shown.h"
#include "routes/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *link_keep(const struct link *link, const char *text)
{
    return text == NULL ? NULL : arena_copy(link->arena, slice_from(text)).ptr;
}

struct slice link_keep_slice(const struct link *link, struct slice text)
{
    return arena_copy(link->arena, text);
}

void link_report(const struct link *link, const struct tree *node, const char *what,
                 const struct error *err)
{
    if (tree_expanded(node)) {
        tree_report(link->problems, node, "\"%s\" does not stand for %s", QUOTE(node->source),
                    what);
    } else {
        tree_report(link->problems, node, "%s", err->message);
    }
}

unsigned link_text_count(const struct tree *texts)
{
    return texts == NULL ? 0 : texts->kind == TREE_SCALAR ? 1 : texts->count;
}

const struct tree *link_text(const struct tree *texts, unsigned index)
{
    return texts->kind == TREE_SCALAR ? texts : texts->items[index];
}

static void link_all(struct link *link)
{
    struct error err;
    struct price_book *prices = NULL;
    if (!link_profiles(link)) {
        return;
    }
    if (price_book_load(link->arena, &prices, &err) != STATUS_OK) {
        problems_add(link->problems, "prices", 0, 0, "%s", err.message);
        return;
    }
    link->snapshot->prices = prices;
    link_gateway(link);
    link_admin(link);
    link_store(link);
    link_ledger(link);
    link_otlp(link);
    link_secrets(link);
    link_egress(link);
    link_routes(link);
    link_fallbacks(link);
    link_tenants(link);
    link_jwt(link);
    link_mtls(link);
    link_shared_keys(link);
    link_quotas(link);
    link_hooks(link);
}

/* Only for a config without problems: a refused one leaves no trace in the store. */
static void take_slots(struct snapshot *snapshot, struct secret_store *store)
{
    link_otlp_take_slots(&snapshot->otlp, store);
    link_hooks_take_slots(snapshot, store);
    link_proxies_take_slots(snapshot, store);
    for (unsigned i = 0; store != NULL && i < snapshot->route_count; i++) {
        struct route *route = snapshot->routes[i];
        for (unsigned k = 0; k < route->credential_count; k++) {
            struct route_credential *credential = &route->credentials[k];
            credential->slot = secret_slot_ref(store, credential->secret_name);
        }
    }
    struct admin_settings *admin = &snapshot->admin;
    if (store != NULL && admin->token_secret != NULL) {
        admin->token_slot = secret_slot_ref(store, admin->token_secret);
    }
    if (store != NULL && admin->read_token_secret != NULL) {
        admin->read_token_slot = secret_slot_ref(store, admin->read_token_secret);
    }
}

static void drop_slot(struct secret_slot *slot)
{
    if (slot != NULL) {
        secret_slot_unref(slot);
    }
}

static enum status build(const struct tree *root, struct arena *scratch, struct secret_store *store,
                         struct problems *problems, struct snapshot **ret)
{
    if (root == NULL) {
        return STATUS_INVALID;
    }
    if (root->kind != TREE_MAP) {
        tree_report(problems, root, "a config is a map of keys; it begins with: version: 1");
        return STATUS_INVALID;
    }
    struct snapshot *snapshot = MEMORY_NEW(struct snapshot);
    struct config_sections sections = {0};
    const struct fields_sink sink = {.arena = scratch, .problems = problems};
    fields_bind(&sink, root, config_fields, &sections);
    atomic_init(&snapshot->refs, 1);
    snapshot->generation = 1;
    struct link link = {
        .snapshot = snapshot,
        .arena = &snapshot->arena,
        .problems = problems,
        .root = root,
        .sections = &sections,
    };
    link_all(&link);
    table_fini(&link.routes);
    if (problems_any(problems)) {
        snapshot_unref(snapshot);
        return STATUS_INVALID;
    }
    take_slots(snapshot, store);
    snapshot->shown = config_shown(&snapshot->arena, root);
    *ret = snapshot;
    return STATUS_OK;
}

enum status snapshot_load(const char *path, struct secret_store *store, struct problems *problems,
                          struct snapshot **ret)
{
    CLEANUP(arena_fini) struct arena scratch = {0};
    const struct tree *root = folder_is(path) ? folder_load(&scratch, path, problems)
                                              : document_load(&scratch, path, problems);
    enum status status = build(root, &scratch, store, problems, ret);
    problems_sort(problems);
    return status;
}

enum status snapshot_parse(const char *file, struct slice text, struct secret_store *store,
                           struct problems *problems, struct snapshot **ret)
{
    CLEANUP(arena_fini) struct arena scratch = {0};
    enum status status =
        build(document_parse(&scratch, file, text, problems), &scratch, store, problems, ret);
    problems_sort(problems);
    return status;
}

static int compare_name(const void *name, const void *tenant)
{
    const struct tenant *const *other = tenant;
    return strcmp(name, (*other)->name);
}

static const char *plural_end(unsigned count)
{
    return count == 1 ? "" : "s";
}

void snapshot_counts(const struct snapshot *snapshot, char out[SNAPSHOT_COUNTS_MAX])
{
    (void)snprintf(out, SNAPSHOT_COUNTS_MAX, "%u route%s, %u tenant%s, %u webhook%s",
                   snapshot->route_count, plural_end(snapshot->route_count), snapshot->tenant_count,
                   plural_end(snapshot->tenant_count), snapshot->hook_count,
                   plural_end(snapshot->hook_count));
}

struct tenant *snapshot_tenant(const struct snapshot *snapshot, const char *name)
{
    struct tenant **found = snapshot->tenant_count == 0
                                ? NULL
                                : bsearch(name, snapshot->tenants, snapshot->tenant_count,
                                          sizeof(struct tenant *), compare_name);
    return found == NULL ? NULL : *found;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    (void)atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    link_otlp_drop_slots(&snapshot->otlp);
    link_hooks_drop_slots(snapshot);
    link_proxies_drop_slots(snapshot);
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        for (unsigned k = 0; k < route->credential_count; k++) {
            drop_slot(route->credentials[k].slot);
        }
    }
    drop_slot(snapshot->admin.token_slot);
    drop_slot(snapshot->admin.read_token_slot);
    route_table_fini(&snapshot->route_table);
    link_jwt_drop(snapshot);
    table_fini(&snapshot->sans);
    webhook_schemes_free(snapshot->webhook_schemes);
    struct arena arena = snapshot->arena;
    arena_fini(&arena);
    memory_free(snapshot);
}
