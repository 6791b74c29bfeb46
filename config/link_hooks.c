/* The webhooks of providers: where they come in, how they are verified, what is wanted of them. */
#include "auth/inbound/webhook_scheme.h"
#include "auth/secrets/secret_store.h"
#include "config/link.h"
#include "config/url.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 100, PATTERN_BYTES_MAX = 200, PIN_BYTES_MAX = 512 };

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

/* ---- how it is verified ---- */

static void link_secrets_of(const struct link *link, const struct hook_section *section,
                            struct hook *hook)
{
    const struct tree *node = tree_get(section->node, "secrets");
    bool needed = hook->scheme != NULL && webhook_scheme_wants_secret(hook->scheme);
    hook->secret_count = link_hook_secrets(link, section->secrets, hook->secrets, HOOK_SECRETS_MAX);
    if (needed && (node == NULL || link_text_count(section->secrets) == 0)) {
        tree_report_key(link->problems, node != NULL ? node : section->node,
                        "secrets is missing, by which %.*s is verified; write secrets: [NAME]",
                        SLICE_ARG(hook->scheme->name));
    } else if (hook->scheme != NULL && !needed && node != NULL) {
        tree_report_key(link->problems, node,
                        "%.*s signs with keys that are published, and has no secret; take this out",
                        SLICE_ARG(hook->scheme->name));
    }
}

static void link_public_url(const struct link *link, const struct hook_section *section,
                            struct hook *hook)
{
    struct error err;
    struct url url;
    const struct tree *given = section->public_url;
    if (given != NULL) {
        hook->public_url = link_keep_slice(link, given->text);
        if (url_parse(link->arena, given->text, &url, &err) != STATUS_OK) {
            link_report(link, given, "a URL", &err);
        }
    } else if (hook->scheme != NULL && webhook_scheme_signs_url(hook->scheme) &&
               tree_get(section->node, "public_url") == NULL) {
        tree_report_key(link->problems, section->node,
                        "public_url is missing, which %.*s signs; write public_url: "
                        "https://hooks.example.com%.*s, as the provider has it",
                        SLICE_ARG(hook->scheme->name), SLICE_ARG(hook->shown_path));
    }
}

static void link_verify_token(const struct link *link, const struct hook_section *section,
                              struct hook *hook)
{
    const struct tree *given = section->verify_token;
    if (hook->scheme == NULL) {
        return;
    }
    bool sends = hook->scheme->challenge_token.kind != WEBHOOK_NOWHERE;
    if (given != NULL) {
        link_check_secret(link, given);
        hook->verify_token.name = link_keep_slice(link, given->text).ptr;
    }
    if (given != NULL && !sends) {
        tree_warn(link->problems, given, "ignored: the handshake of %.*s sends no token",
                  SLICE_ARG(hook->scheme->name));
    } else if (given == NULL && sends && tree_get(section->node, "verify_token") == NULL) {
        tree_warn(link->problems, section->node,
                  "verify_token is missing, so that the provider's handshake is refused; write "
                  "verify_token: NAME");
    }
}

/* ---- pins ---- */

/* "arn:aws:sns:eu-west-1:123456789012:orders" */
static bool is_topic(struct slice text)
{
    unsigned colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        colons += text.ptr[i] == ':';
    }
    return slice_starts_with(text, SLICE("arn:")) && colons >= 5 && text.len <= PIN_BYTES_MAX &&
           text.ptr[text.len - 1] != ':';
}

static void link_topics(const struct link *link, const struct tree *texts, struct hook *hook)
{
    if (link_text_count(texts) > HOOK_TOPICS_MAX) {
        tree_report(link->problems, texts, "%u topics, and %d are the most", texts->count,
                    HOOK_TOPICS_MAX);
        return;
    }
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        const struct tree *node = link_text(texts, i);
        if (!node->faulty && !is_topic(node->text)) {
            tree_report(link->problems, node,
                        "this is no topic; write its ARN, such as "
                        "arn:aws:sns:eu-west-1:123456789012:orders");
        }
        hook->topics[hook->topic_count++] = link_keep_slice(link, node->text);
    }
}

static struct slice pin_text(const struct link *link, const struct tree *node)
{
    if (node == NULL) {
        return (struct slice){0};
    }
    if (node->text.len > PIN_BYTES_MAX) {
        tree_report(link->problems, node, "this is longer than %d bytes", PIN_BYTES_MAX);
    }
    return link_keep_slice(link, node->text);
}

struct pin {
    const char *key;
    enum webhook_pin of;
    const char *example;
};

static const struct pin pins[] = {
    {"topics", WEBHOOK_PIN_TOPIC, "[\"arn:aws:sns:eu-west-1:123456789012:orders\"]"},
    {"audience", WEBHOOK_PIN_AUDIENCE, "https://hooks.example.com/pubsub"},
    {"service_account", WEBHOOK_PIN_AUDIENCE, "push@project.iam.gserviceaccount.com"},
};

/* Such a scheme proves only the platform: anyone can send through an account of their own. And a
 * pin that nothing is compared with would promise what it does not hold. */
static void check_pins(const struct link *link, const struct hook_section *section,
                       const struct hook *hook)
{
    for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
        const struct tree *node = tree_get(section->node, pins[i].key);
        bool wanted = hook->scheme->pin == pins[i].of;
        bool empty = node == NULL || (node->kind == TREE_LIST && node->count == 0) ||
                     (node->kind == TREE_SCALAR && node->text.len == 0);
        if (wanted && empty) {
            tree_report_key(link->problems, node != NULL ? node : section->node,
                            "%s is missing: %.*s proves only the platform, which anyone can use; "
                            "write %s: %s",
                            pins[i].key, SLICE_ARG(hook->scheme->name), pins[i].key,
                            pins[i].example);
        } else if (!wanted && node != NULL) {
            tree_report_key(link->problems, node,
                            "%.*s has nothing that is compared with this; take it out",
                            SLICE_ARG(hook->scheme->name));
        }
    }
}

static void link_pins(const struct link *link, const struct hook_section *section,
                      struct hook *hook)
{
    link_topics(link, section->topics, hook);
    hook->audience = pin_text(link, section->audience);
    hook->service_account = pin_text(link, section->service_account);
    if (hook->scheme != NULL) {
        check_pins(link, section, hook);
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
    link_hook_scheme(link, section, hook);
    if (link_place(link, section, hook)) {
        check_routes(link, section, hook);
        check_twin(link, section, places, hook);
    }
    link_public_url(link, section, hook);
    link_secrets_of(link, section, hook);
    link_verify_token(link, section, hook);
    link_pins(link, section, hook);
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
    const struct tree *url = tree_get(node, "url");
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
        tree_report(link->problems, url != NULL ? url : link->root,
                    "this is the ledger's file; name one of its own");
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
