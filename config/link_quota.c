/* One quota: what it says is read and checked by itself. */
#include "base/http1.h"
#include "base/table.h"
#include "config/link.h"
#include "config/quota_values.h"
#include "limiter/limit_text.h"

enum {
    MODEL_MAX = 128,
    /* What is left of a key when the longest store, tenant and value are taken off. */
    IDENTITY_MAX = LIMIT_KEY_MAX - 64 - 64 - LIMIT_VALUE_MAX - 16,
};

static const struct tree *amount_node(const struct quota_section *section, enum limit_unit unit)
{
    switch (unit) {
    case LIMIT_REQUESTS:
        return section->requests;
    case LIMIT_TOKENS:
        return section->tokens;
    case LIMIT_COST:
        return section->cost;
    case LIMIT_BYTES:
        return section->bytes;
    case LIMIT_CONCURRENCY:
        return section->concurrency;
    case LIMIT_UNITS:
        break;
    }
    return NULL;
}

/* What a parser said of a value. */
static void report_value(const struct link *link, const struct tree *node, const struct error *err)
{
    tree_report(link->problems, node, "\"%s\": %s", QUOTE(node->source), err->message);
}

static bool read_amount(const struct link *link, const struct quota_section *section,
                        struct limit *limit)
{
    struct error err;
    unsigned found = 0;
    for (enum limit_unit unit = LIMIT_REQUESTS; unit < LIMIT_UNITS; unit++) {
        const struct tree *given = tree_get(section->node, limit_unit_name(unit));
        if (given != NULL && found > 0) {
            tree_report_key(link->problems, given,
                            "a quota counts one thing, and this one has %s already; make it a "
                            "quota of its own",
                            limit_unit_name(limit->unit));
            return false;
        }
        if (given != NULL) {
            limit->unit = unit;
            found++;
        }
    }
    if (found == 0) {
        tree_report(link->problems, section->node,
                    "nothing is limited; write one of requests, tokens, cost, bytes and "
                    "concurrency, such as requests: 600");
        return false;
    }
    const struct tree *node = amount_node(section, limit->unit);
    if (node == NULL) {
        return false; /* reported by fields */
    }
    if (quota_amount_parse(limit->unit, node->text, &limit->amount, &err) != STATUS_OK) {
        report_value(link, node, &err);
        return false;
    }
    return true;
}

/* Reports that a key has no use here. */
static void report_idle(const struct link *link, const struct quota_section *section,
                        const char *key, const char *why)
{
    const struct tree *node = tree_get(section->node, key);
    if (node != NULL) {
        tree_report_key(link->problems, node, "%s; take it out", why);
    }
}

static bool read_span(const struct link *link, const struct quota_section *section,
                      struct limit *limit)
{
    struct error err;
    struct quota_span span;
    if (limit->unit == LIMIT_CONCURRENCY) {
        limit->span = LIMIT_HELD;
        report_idle(link, section, "per", "concurrency is of requests under way, over no span");
        return true;
    }
    if (section->per == NULL) {
        if (tree_get(section->node, "per") == NULL) {
            tree_report(link->problems, section->node,
                        "per is missing; write per: 1m (a rate, up to 1h), or per: day, week, "
                        "month or 7d (a window)");
        }
        return false;
    }
    if (quota_span_parse(section->per->text, &span, &err) != STATUS_OK) {
        report_value(link, section->per, &err);
        return false;
    }
    limit->span = span.span;
    limit->period = span.period;
    limit->days = span.days;
    limit->zone = span.span == LIMIT_RATE ? NULL : link->snapshot->gateway.zone;
    return true;
}

static void read_burst(const struct link *link, const struct quota_section *section,
                       struct limit *limit)
{
    struct error err;
    char whole[LIMIT_AMOUNT_TEXT_MAX];
    if (limit->span != LIMIT_RATE) {
        report_idle(link, section, "burst", "a burst is of rates (per: 1s to 1h)");
        return;
    }
    limit->burst = limit->amount;
    if (section->burst == NULL) {
        return;
    }
    uint64_t burst = 0;
    if (quota_amount_parse(limit->unit, section->burst->text, &burst, &err) != STATUS_OK) {
        report_value(link, section->burst, &err);
    } else if (burst > limit->amount) {
        limit_amount_text(limit->unit, limit->amount, whole);
        tree_report(link->problems, section->burst,
                    "\"%s\" is more than the limit itself; write %s or less",
                    QUOTE(section->burst->source), whole);
    } else {
        limit->burst = burst;
    }
}

static void read_each(const struct link *link, const struct quota_section *section,
                      struct limit *limit)
{
    struct error err;
    struct slice header;
    const struct tree *node = section->each;
    if (node == NULL) {
        return;
    }
    if (quota_each_parse(node->text, &limit->each, &header, &err) != STATUS_OK) {
        report_value(link, node, &err);
        return;
    }
    if (limit->each == EACH_TENANT && limit->tenant != NULL) {
        tree_report(link->problems, node,
                    "a tenant's own quota is for it alone; write route, ip or header:NAME, or take "
                    "this out");
    }
    if (limit->each != EACH_HEADER) {
        return;
    }
    if (link_header_is_slot(link, header) || header_name_reserved(header)) {
        tree_report(link->problems, node,
                    "this header carries credentials, or the gateway alone writes it; write one "
                    "such as header:X-User");
    }
    char *lower = arena_reserve(link->arena, header.len + 1);
    for (size_t i = 0; i < header.len; i++) {
        lower[i] = ascii_lower(header.ptr[i]);
    }
    lower[header.len] = '\0';
    limit->header = slice_make(lower, header.len);
    limit->header_hash = http1_name_hash(limit->header);
}

static bool has_calls(const struct route *route)
{
    return route->profile == NULL || route->profile->call_count > 0; /* NULL: reported */
}

static bool counts(const struct route *route, const struct limit *limit)
{
    bool by_request = limit->unit == LIMIT_COST && limit->model.len == 0;
    return has_calls(route) || (by_request && route->priced_by_request);
}

static bool any_counts(const struct link *link, const struct limit *limit)
{
    for (unsigned i = 0; i < link->snapshot->route_count; i++) {
        if (counts(link->snapshot->routes[i], limit)) {
            return true;
        }
    }
    return false;
}

/* A rule that counts nothing must not look like a budget. */
static void check_countable(const struct link *link, const struct quota_section *section,
                            const struct limit *limit, const struct route *route)
{
    const char *what = limit->unit == LIMIT_TOKENS || limit->unit == LIMIT_COST
                           ? limit_unit_name(limit->unit)
                           : "model";
    if (!limit_needs_body(limit)) {
        return;
    }
    if (route != NULL && !counts(route, limit)) {
        tree_report(link->problems, section->route,
                    "no call of this route tells its %s (provider %s); name a route whose provider "
                    "has such calls, or limit requests or bytes",
                    what, route->profile->name);
    } else if (section->route == NULL && !any_counts(link, limit)) {
        tree_report(link->problems, section->node,
                    "no route of this config has calls that tell their %s; limit requests or bytes",
                    what);
    }
}

/* Where no price is known, nothing can be counted. */
static void check_prices(const struct link *link, const struct quota_section *section,
                         const struct limit *limit)
{
    const struct snapshot *snapshot = link->snapshot;
    for (unsigned i = 0; limit->unit == LIMIT_COST && i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        bool meant = limit->route_index < 0 || (unsigned)limit->route_index == i;
        if (meant && route->profile != NULL && has_calls(route) && route->prices == NULL) {
            tree_warn(link->problems, section->cost,
                      "no prices of provider %s are known, so calls of route \"%s\" are not "
                      "counted; limit their tokens",
                      route->profile->name, route->name);
            return;
        }
    }
}

static bool read_place(const struct link *link, const struct quota_section *section,
                       struct limit *limit)
{
    const struct route *route = NULL;
    limit->route_index = -1;
    if (section->route != NULL) {
        route = link_find_route(link, section->route, section->route->text);
        if (route == NULL) {
            return false;
        }
        limit->route = route->name;
        limit->route_index = (int)route->index;
    }
    if (section->model != NULL && section->model->text.len > MODEL_MAX) {
        tree_report(link->problems, section->model, "a model's name has %d bytes at most; use a *",
                    MODEL_MAX);
    } else if (section->model != NULL) {
        limit->model = link_keep_slice(link, section->model->text);
    }
    check_countable(link, section, limit, route);
    check_prices(link, section, limit);
    return true;
}

static void read_rest(const struct link *link, const struct quota_section *section,
                      struct limit *limit)
{
    struct error err;
    limit->action = (enum limit_action)section->action;
    limit->wait = section->wait;
    limit->on_failure = section->on_failure == ON_FAILURE_AS_STORE
                            ? (enum store_failure)link->sections->store.on_failure
                            : (enum store_failure)section->on_failure;
    if (limit->wait > 0 && limit->action == LIMIT_WARN) {
        report_idle(link, section, "wait", "with action: warn nothing is refused that could wait");
    }
    if (section->warn_at != NULL &&
        quota_share_parse(section->warn_at->text, &limit->warn_percent, &err) != STATUS_OK) {
        report_value(link, section->warn_at, &err);
    }
}

static bool name_usage(const struct link *link, const struct quota_section *section,
                       struct limit *limit)
{
    char text[LIMIT_KEY_MAX];
    size_t len = limit_identity(limit, text, IDENTITY_MAX);
    if (len == 0) {
        tree_report(link->problems, section->node,
                    "model and each are too long together; write shorter ones");
        return false;
    }
    limit->identity = link_keep_slice(link, slice_make(text, len));
    len = limit_key_prefix(limit, link->snapshot->store.name, text, sizeof(text));
    limit->key = link_keep_slice(link, slice_make(text, len));
    limit->key_hash = table_hash(limit->key);
    return true;
}

bool link_quota(const struct link *link, const struct quota_section *section, struct limit *limit)
{
    const struct tree *node = section->node;
    if (node->faulty || (node->kind != TREE_MAP && !tree_is_null(node))) {
        return false;
    }
    bool valid = read_amount(link, section, limit);
    if (!valid) {
        return false; /* what the others mean depends on the unit */
    }
    valid = read_span(link, section, limit);
    if (valid) {
        read_burst(link, section, limit);
    }
    valid = read_place(link, section, limit) && valid;
    read_each(link, section, limit);
    read_rest(link, section, limit);
    return valid && name_usage(link, section, limit);
}
