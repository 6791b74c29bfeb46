/* The webhooks of providers: where they come in, what is wanted of them, and their queue. */
#include "auth/inbound/webhook_scheme.h"
#include "auth/secrets/secret_store.h"
#include "config/link.h"
#include "config/url.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 100, PATTERN_BYTES_MAX = 200 };

/* ---- what several have ---- */

struct hook_patterns link_hook_patterns(const struct link *link, const struct tree *texts)
{
    unsigned count = link_text_count(texts);
    struct slice *patterns = ARENA_ARRAY(link->arena, struct slice, count + 1);
    if (texts != NULL && (count == 0 || count > PATTERNS_MAX)) {
        tree_report(link->problems, texts,
                    "%u types of events; write 1 to %d of them, or take this out for all", count,
                    PATTERNS_MAX);
        return (struct hook_patterns){0};
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(texts, i);
        if (!node->faulty && node->text.len > PATTERN_BYTES_MAX) {
            tree_report(link->problems, node, "this is longer than %d bytes", PATTERN_BYTES_MAX);
        }
        patterns[i] = link_keep_slice(link, node->text);
    }
    return (struct hook_patterns){patterns, count};
}

unsigned link_hook_secrets(const struct link *link, const struct tree *texts,
                           struct hook_secret *secrets, unsigned most)
{
    unsigned count = 0;
    if (link_text_count(texts) > most) {
        tree_report(link->problems, texts, "%u secrets, and %u are the most", texts->count, most);
        return most;
    }
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        const struct tree *node = link_text(texts, i);
        if (node->faulty) {
            continue;
        }
        link_check_secret(link, node);
        for (unsigned k = 0; k < count; k++) {
            if (slice_equal(slice_from(secrets[k].name), node->text)) {
                tree_report(link->problems, node, "this secret is listed already; take one out");
            }
        }
        secrets[count++].name = link_keep_slice(link, node->text).ptr;
    }
    return count;
}

/* ---- where it comes in ---- */

static const struct tree *place_of(const struct hook_section *section)
{
    return section->path != NULL ? section->path : section->host;
}

static void report_place(const struct link *link, const struct hook_section *section,
                         const char *message)
{
    if (place_of(section) != NULL) {
        tree_report(link->problems, place_of(section), "%s", message);
    } else {
        tree_report_key(link->problems, section->node, "%s", message);
    }
}

/* False: reported; there is no place to put it at. */
static bool link_place(const struct link *link, const struct hook_section *section,
                       struct hook *hook)
{
    struct error err;
    bool valid = true;
    hook->path = slice_from(arena_print(link->arena, "/hooks/%s", hook->name));
    hook->shown_path = hook->path;
    if (section->host != NULL) {
        hook->host = link_keep_slice(link, section->host->text);
        hook->shown_host = link_keep_slice(link, section->host->source);
        valid = url_host_check(section->host->text, &err) == STATUS_OK;
    }
    if (!valid) {
        link_report(link, section->host, "a host name", &err);
    }
    if (section->path == NULL) {
        return valid;
    }
    hook->path = link_keep_slice(link, section->path->text);
    hook->shown_path = link_keep_slice(link, section->path->source);
    if (url_path_check(section->path->text, &err) != STATUS_OK) {
        link_report(link, section->path, "a path", &err);
        return false;
    }
    return valid;
}

/* Requests to it would be the hook's, and the route would not get what its path promises. */
static void check_routes(const struct link *link, const struct hook_section *section,
                         const struct hook *hook)
{
    const struct route *route =
        route_table_find(&link->snapshot->route_table, hook->host, hook->path);
    if (route == NULL || route->host.len != hook->host.len) {
        return;
    }
    report_place(link, section,
                 arena_print(link->arena,
                             "routes.%s covers this hook's path on the same host; give one of them "
                             "another path or host",
                             route->name));
}

static void check_twin(const struct link *link, const struct hook_section *section,
                       struct table *places, const struct hook *hook)
{
    const char *place =
        arena_print(link->arena, "%.*s%.*s", SLICE_ARG(hook->host), SLICE_ARG(hook->path));
    const struct hook *twin = table_add(places, slice_from(place), (void *)hook);
    if (twin != NULL) {
        report_place(link, section,
                     arena_print(link->arena,
                                 "webhooks.%s has the same path and host; give one of them another "
                                 "path",
                                 twin->name));
    }
}

static void link_sources(const struct link *link, const struct hook_section *section,
                         struct hook *hook)
{
    hook->sources = link_networks(link, section->sources, &hook->source_count);
    if (section->sources != NULL && link_text_count(section->sources) == 0) {
        tree_report(link->problems, section->sources,
                    "nobody may send; write [NETWORK], or take this out for all");
    }
}

/* ---- all of it ---- */

static void check_untyped(const struct link *link, const struct hook_section *section)
{
    const struct tree *node = tree_get(section->node, "untyped");
    if (node != NULL && section->events == NULL && tree_get(section->node, "events") == NULL) {
        tree_warn(link->problems, node, "ignored: all events are wanted, for there is no events");
    }
}

static void link_one(const struct link *link, const struct hook_section *section,
                     struct table *places, struct hook *hook)
{
    if (section->node->faulty) {
        return;
    }
    if (link_place(link, section, hook)) {
        check_routes(link, section, hook);
        check_twin(link, section, places, hook);
    }
    link_hook_proof(link, section, hook);
    link_sources(link, section, hook);
    check_untyped(link, section);
    hook->events = link_hook_patterns(link, section->events);
    hook->drop_untyped = section->untyped == UNTYPED_DROP;
    hook->body_bytes = section->body_bytes;
    if (!section->rate.off) {
        hook->rate = (struct hook_rate){section->rate.requests, section->rate.per};
    }
    hook->counting = (enum hook_counting)section->rate.count;
    hook->dedupe = (enum hook_dedupe)section->dedupe;
    link_hook_targets(link, section, hook);
    link_hook_settles(link, section, hook);
}

static int by_name(const void *left, const void *right)
{
    const struct hook *const *a = left;
    const struct hook *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static void link_queue(struct link *link)
{
    const struct queue_section *section = &link->sections->webhook_queue;
    struct queue_config *queue = &link->snapshot->queue;
    const struct tree *node = tree_get(link->root, "webhook_queue");
    *queue = (struct queue_config){
        .keep = section->keep,
        .max_age = section->max_age,
        .max_events = section->max_events,
        .max_bytes = section->max_size,
    };
    if (section->url != NULL) {
        queue->path = link_sqlite_path(link, section->url);
        if (queue->path == NULL) {
            tree_report(link->problems, section->url,
                        "write sqlite:PATH, such as sqlite:" DEFAULT_QUEUE_PATH
                        " or sqlite:/var/lib/sallyport/" DEFAULT_QUEUE_PATH);
            return;
        }
    } else if (node != NULL || link->sections->webhooks.count > 0) {
        queue->path = tree_resolve(link->root->document, SLICE(DEFAULT_QUEUE_PATH), link->arena);
    }
    const char *ledger = link->snapshot->ledger.path;
    if (queue->path != NULL && ledger != NULL && strcmp(queue->path, ledger) == 0) {
        tree_report(link->problems, tree_get(tree_get(link->root, "ledger"), "url"),
                    "this is the file of webhook_queue; name one of its own");
    }
}

/* False: reported. */
static bool load_schemes(struct link *link)
{
    struct error err;
    if (webhook_schemes_new(&link->snapshot->webhook_schemes, &err) == STATUS_OK) {
        return true;
    }
    problems_add(link->problems, "webhook schemes", 0, 0, "%s", err.message);
    return false;
}

void link_hooks(struct link *link)
{
    CLEANUP(table_fini) struct table places = {0};
    const struct field_items *items = &link->sections->webhooks;
    const struct hook_section *sections = items->items;
    struct snapshot *snapshot = link->snapshot;
    struct hook **hooks = ARENA_ARRAY(link->arena, struct hook *, items->count + 1);
    link_queue(link);
    if (items->count > 0 && !load_schemes(link)) {
        return;
    }
    for (unsigned i = 0; i < items->count; i++) {
        hooks[i] = ARENA_NEW(link->arena, struct hook);
        hooks[i]->name = link_keep_slice(link, sections[i].node->key->text).ptr;
        link_one(link, &sections[i], &places, hooks[i]);
    }
    if (items->count > 1) {
        qsort(hooks, items->count, sizeof(struct hook *), by_name);
    }
    for (unsigned i = 0; i < items->count; i++) {
        hooks[i]->index = i;
    }
    snapshot->hooks = hooks;
    snapshot->hook_count = items->count;
    hook_table_make(&snapshot->hook_table, hooks, items->count, &snapshot->route_table,
                    link->arena);
}

/* ---- secrets ---- */

/* Calls `visit` for each secret of all hooks. */
static void each_secret(const struct snapshot *snapshot, struct secret_store *store,
                        void (*visit)(struct hook_secret *secret, struct secret_store *store))
{
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        struct hook *hook = snapshot->hooks[i];
        visit(&hook->verify_token, store);
        for (unsigned k = 0; k < hook->secret_count; k++) {
            visit(&hook->secrets[k], store);
        }
        for (unsigned k = 0; k < hook->target_count; k++) {
            struct hook_target *target = &hook->targets[k];
            for (unsigned n = 0; n < target->secret_count; n++) {
                visit(&target->secrets[n], store);
            }
        }
    }
}

static void take_slot(struct hook_secret *secret, struct secret_store *store)
{
    secret->slot = secret->name == NULL ? NULL : secret_slot_ref(store, secret->name);
}

static void drop_slot(struct hook_secret *secret, struct secret_store *store)
{
    (void)store;
    if (secret->slot != NULL) {
        secret_slot_unref(secret->slot);
    }
}

void link_hooks_take_slots(struct snapshot *snapshot, struct secret_store *store)
{
    if (store != NULL) {
        each_secret(snapshot, store, take_slot);
    }
}

void link_hooks_drop_slots(struct snapshot *snapshot)
{
    each_secret(snapshot, NULL, drop_slot);
}
