/* What a route does when its upstream fails: retries, circuit, health checks, hedging, fallback. */
#include "base/field_values.h"
#include "config/link.h"
#include "config/url.h"

/* ---- retries ---- */

#define STREAMED_FROM ((uint64_t)64 * 1024) /* where nothing could be sent again */

static const uint16_t usual_statuses[] = {408, 429, 500, 502, 503, 504};

static bool has_status(const struct retry_policy *policy, uint64_t status)
{
    for (unsigned i = 0; i < policy->status_count; i++) {
        if (policy->statuses[i] == status) {
            return true;
        }
    }
    return false;
}

static void read_status(const struct link *link, const struct tree *node,
                        struct retry_policy *policy)
{
    uint64_t status = 0;
    if (!slice_number(node->text, 599, &status) || status < 400) {
        tree_report(link->problems, node, "\"%s\" is no status of a failure; write 400 to 599",
                    QUOTE(node->source));
    } else if (has_status(policy, status)) {
        tree_report(link->problems, node, "\"%s\" is listed already; take one out",
                    QUOTE(node->source));
    } else if (policy->status_count == RETRY_STATUSES_MAX) {
        tree_report(link->problems, node, "this is one too many; write %d statuses at most",
                    RETRY_STATUSES_MAX);
    } else {
        policy->statuses[policy->status_count++] = (uint16_t)status;
    }
}

static void link_statuses(const struct link *link, const struct tree *given,
                          struct retry_policy *policy)
{
    for (unsigned i = 0; given == NULL && i < sizeof(usual_statuses) / sizeof(uint16_t); i++) {
        policy->statuses[policy->status_count++] = usual_statuses[i];
    }
    for (unsigned i = 0; i < link_text_count(given); i++) {
        const struct tree *node = link_text(given, i);
        if (!node->faulty) {
            read_status(link, node, policy);
        }
    }
}

/* Where the shorter is not below the longer, at the one that was written. */
static void check_order(const struct link *link, const struct tree *map, const char *lesser,
                        usec_t lesser_value, const char *greater, usec_t greater_value)
{
    const struct tree *node = tree_get(map, lesser);
    if (lesser_value <= greater_value) {
        return;
    }
    if (node != NULL) {
        tree_report(link->problems, node,
                    "%s is longer than %s; write %s (%s) or less, or a longer %s", lesser, greater,
                    greater, FIELD_NUMBER(FIELD_KIND_DURATION, greater_value), greater);
    } else if ((node = tree_get(map, greater)) != NULL) {
        tree_report(link->problems, node,
                    "%s is shorter than %s; write %s (%s) or more, or a shorter %s", greater,
                    lesser, lesser, FIELD_NUMBER(FIELD_KIND_DURATION, lesser_value), lesser);
    }
}

static void link_retry(const struct link *link, const struct route_section *section,
                       struct route *route)
{
    const struct tree *node = tree_get(section->node, "retry");
    route->retry = section->retry.policy;
    if (section->retry.off) {
        route->retry.attempts = 1;
    }
    if (route->retry.attempts == 1 && link_text_count(section->fallback) == 0 &&
        tree_get(node, "buffer") == NULL) {
        route->retry.buffer = STREAMED_FROM;
    }
    link_statuses(link, section->retry.statuses, &route->retry);
    check_order(link, node, "base", route->retry.base, "cap", route->retry.cap);
}

/* ---- circuit ---- */

void link_breaker(const struct link *link, const struct tree *node,
                  const struct breaker_policy *policy)
{
    const struct tree *slow_rate = tree_get(node, "slow_rate");
    check_order(link, node, "open", policy->open, "max_open", policy->max_open);
    if (slow_rate != NULL && policy->slow == 0 && tree_get(node, "slow") == NULL) {
        tree_report_key(link->problems, slow_rate,
                        "no call is slow without slow; write slow: 10s, or take this out");
    }
}

/* ---- hedging and health ---- */

static void link_hedge(const struct link *link, const struct route_section *section,
                       struct route *route)
{
    const struct tree *after = tree_get(tree_get(section->node, "hedge"), "after");
    route->hedge_after = section->hedge.after;
    if (after != NULL && section->hedge.after >= section->timeouts.first_byte) {
        tree_report(link->problems, after,
                    "the first attempt has ended by then; write less than timeouts.first_byte (%s)",
                    FIELD_NUMBER(FIELD_KIND_DURATION, section->timeouts.first_byte));
    }
}

static void link_health(const struct link *link, const struct route_section *section,
                        struct route *route)
{
    struct error err;
    const struct tree *node = tree_get(section->node, "health");
    const struct tree *given = section->health.path;
    struct slice path = slice_make("", 0);
    if (node == NULL || node->kind != TREE_MAP) {
        return;
    }
    if (given != NULL) {
        path = given->text;
        if (url_path_check(path, &err) != STATUS_OK) {
            link_report(link, given, "a path", &err);
            return;
        }
    } else if (route->profile != NULL && tree_get(node, "path") == NULL) {
        path = route->profile->health_path;
        if (path.len == 0) {
            tree_report_key(link->problems, node,
                            "path is missing, and provider %s has none for this; write path: "
                            "/health",
                            route->profile->name);
        }
    }
    if (path.len > 0) {
        route->health = (struct health_check){
            .path = slice_from(
                arena_print(link->arena, "%.*s%.*s", SLICE_ARG(route->base_path), SLICE_ARG(path))),
            .every = section->health.every,
        };
    }
}

/* ---- models ---- */

enum { MODEL_LENGTH_MAX = 128 };

static bool is_model(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
    }
    return text.len > 0 && text.len <= MODEL_LENGTH_MAX;
}

static void link_models(const struct link *link, const struct route_section *section,
                        struct route *route)
{
    static const char bad[] = "a model's name has 1 to 128 bytes, and no control characters";
    unsigned count = section->models == NULL ? 0 : section->models->count;
    struct model_alias *models = ARENA_ARRAY(link->arena, struct model_alias, count + 1);
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = section->models->items[i];
        if (node->faulty) {
            continue;
        }
        if (!is_model(node->key->text)) {
            tree_report_key(link->problems, node, "%s", bad);
        } else if (!is_model(node->text)) {
            tree_report(link->problems, node, "%s", bad);
        } else {
            models[route->model_count++] = (struct model_alias){
                .model = link_keep_slice(link, node->key->text),
                .upstream = link_keep_slice(link, node->text),
            };
        }
    }
    route->models = models;
}

/* ---- idempotency keys that tenants share ---- */

static void warn_of_sharing(const struct link *link, const struct tree *node,
                            const struct route *route)
{
    const struct tenant *first = NULL;
    const struct tenant *second = NULL;
    for (unsigned i = 0; i < link->snapshot->tenant_count && second == NULL; i++) {
        const struct tenant *tenant = link->snapshot->tenants[i];
        if (tenant_rules(tenant, route->index) == NULL) {
            continue;
        }
        second = first != NULL ? tenant : NULL;
        first = first == NULL ? tenant : first;
    }
    if (second != NULL) {
        tree_warn(link->problems, node,
                  "tenants \"%s\" and \"%s\" may both use this route: where they send the same "
                  "idempotency key, one gets the other's answer; write hashed, or a route for each",
                  first->name, second->name);
    }
}

void link_shared_keys(struct link *link)
{
    const struct route_section *sections = link->sections->routes.items;
    for (unsigned i = 0; i < link->sections->routes.count; i++) {
        const struct route *route = table_get(&link->routes, sections[i].node->key->text);
        if (route->idempotency_as_is) {
            warn_of_sharing(link, tree_get(sections[i].node, "idempotency"), route);
        }
    }
}

void link_resilience(const struct link *link, const struct route_section *section,
                     struct route *route)
{
    link_retry(link, section, route);
    route->breaker = section->breaker;
    link_breaker(link, tree_get(section->node, "breaker"), &route->breaker);
    link_hedge(link, section, route);
    link_health(link, section, route);
    link_models(link, section, route);
    route->max_in_flight = section->max_in_flight;
    route->meter_hold = section->meter.hold;
    route->asks_usage = section->meter.stream_usage;
    route->idempotency_as_is = section->idempotency == IDEMPOTENCY_AS_IS;
}
