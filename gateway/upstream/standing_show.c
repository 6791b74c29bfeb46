/* standing_show: standings for people: JSON, metrics, readiness; see standing.h. Main thread. */
#include "auth/inbound/tenant.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/observe/page.h"
#include "gateway/observe/timestamp.h"
#include "gateway/upstream/standing_state.h"

#include <inttypes.h>
#include <string.h>

/* ---- what is shown: a copy, so that nothing is written under a lock ---- */

struct route_view {
    struct breaker breaker;
    struct breaker_slice counts;
    uint64_t transitions[BREAKER_STATES];
    enum health health;
    unsigned ill_in_a_row, retries_left, in_flight;
    usec_t since;
};

static struct route_view view_route(const struct route *route, usec_t now)
{
    struct route_standing *standing = route->standing;
    struct route_view view;
    (void)pthread_mutex_lock(&standing->lock);
    view.breaker = standing->breaker;
    memcpy(view.transitions, standing->transitions, sizeof(view.transitions));
    view.health = standing->health;
    view.ill_in_a_row = standing->ill_in_a_row;
    view.retries_left = retry_budget_left(&standing->budget, now);
    (void)pthread_mutex_unlock(&standing->lock);
    view.counts = breaker_counts(&view.breaker, &route->breaker, now);
    view.in_flight = atomic_load_explicit(&standing->in_flight, memory_order_relaxed);
    view.since = view.breaker.changed_at > 0 ? view.breaker.changed_at : standing->made_at;
    return view;
}

/* What has a circuit: the route, or each of its hosts. */
static unsigned part_count(const struct route *route)
{
    return route->host_count > 0 ? route->host_count : 1;
}

static const struct route *part_of(const struct route *route, unsigned index)
{
    return route->host_count > 0 ? &route->hosts[index] : route;
}

struct key_view {
    struct breaker breaker;
    usec_t benched_until, since;
    struct key_domain domains[KEY_DOMAINS];
};

static struct key_view view_key(struct key_standing *key)
{
    struct key_view view;
    (void)pthread_mutex_lock(&key->lock);
    view.breaker = key->breaker;
    view.benched_until = key->benched_until;
    memcpy(view.domains, key->domains, sizeof(view.domains));
    (void)pthread_mutex_unlock(&key->lock);
    view.since = view.breaker.changed_at > 0 ? view.breaker.changed_at : key->made_at;
    return view;
}

static usec_t cools_for(const struct key_view *view, usec_t now)
{
    usec_t longest = 0;
    for (unsigned i = 0; i < KEY_DOMAINS; i++) {
        usec_t rest = view->domains[i].cools_until - now;
        longest = rest > longest ? rest : longest;
    }
    return longest;
}

/* Rounded up: what is over is 0, and nothing else is. */
static int64_t ms_until(usec_t moment, usec_t now)
{
    return moment > now ? (moment - now + MSEC - 1) / MSEC : 0;
}

/* ---- JSON ---- */

static enum status put_text(struct buffer *out, const char *name, const char *text)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(slice_from(text), out));
    return buffer_append(out, SLICE(","));
}

static enum status put_since(struct buffer *out, usec_t since, usec_t now)
{
    char text[TIMESTAMP_LEN];
    usec_t ago = now > since ? now - since : 0;
    size_t len = timestamp_write(clock_wall() - ago, text);
    return buffer_print(out, "\"since\":\"%.*s\",\"since_ms_ago\":%" PRId64 ",", (int)len, text,
                        ago / MSEC);
}

static enum status put_domain(struct buffer *out, const struct key_domain *domain, usec_t now,
                              bool *first)
{
    bool limited = domain->has_limit && now < domain->limit_until;
    if (!limited && domain->cools_until <= now) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, *first ? SLICE("{") : SLICE(",{")));
    *first = false;
    TRY(put_text(out, "domain", domain->shown));
    if (limited) {
        TRY(buffer_print(out, "\"limit\":%" PRIu64 ",\"remaining\":%" PRIu64 ",", domain->limit,
                         domain->remaining));
    }
    if (limited && domain->reset_at > 0) {
        TRY(buffer_print(out, "\"reset_ms\":%" PRId64 ",", ms_until(domain->reset_at, now)));
    }
    return buffer_print(out, "\"cooling_ms\":%" PRId64 "}", ms_until(domain->cools_until, now));
}

static const char *key_state(const struct key_view *view, bool several, usec_t now)
{
    if (several && view->benched_until > now) {
        return "benched";
    }
    if (several && view->breaker.state != BREAKER_CLOSED) {
        return breaker_state_name(view->breaker.state);
    }
    return cools_for(view, now) > 0 ? "cooling" : "ready";
}

static enum status put_key(struct buffer *out, const struct route *route, unsigned index,
                           usec_t now)
{
    const struct route_credential *credential = &route->credentials[index];
    const struct key_view view = view_key(credential->standing);
    bool several = route->credential_count > 1;
    bool first = true;
    TRY(buffer_append(out, index == 0 ? SLICE("{") : SLICE(",{")));
    TRY(put_text(out, "secret", credential->secret_name));
    TRY(put_text(out, "account", credential->account));
    TRY(put_text(out, "state", key_state(&view, several, now)));
    TRY(put_since(out, view.since, now));
    TRY(buffer_print(out,
                     "\"cooling_ms\":%" PRId64 ",\"benched_ms\":%" PRId64
                     ",\"open_for_ms\":%" PRId64 ",\"domains\":[",
                     ms_until(now + cools_for(&view, now), now), ms_until(view.benched_until, now),
                     view.breaker.state == BREAKER_OPEN ? ms_until(view.breaker.open_until, now)
                                                        : 0));
    for (unsigned i = 0; i < KEY_DOMAINS; i++) {
        TRY(put_domain(out, &view.domains[i], now, &first));
    }
    return buffer_append(out, SLICE("]}"));
}

static const char *health_name(const struct route *route, enum health health)
{
    if (route->health.path.len == 0) {
        return "unchecked";
    }
    switch (health) {
    case HEALTH_UNKNOWN:
        return "unknown";
    case HEALTH_WELL:
        return "well";
    case HEALTH_ILL:
        return "ill";
    }
    return "unknown";
}

static enum status put_route(struct buffer *out, const struct route *route, usec_t now)
{
    const struct route_view view = view_route(route, now);
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_text(out, "route", route->name));
    if (route->entry != NULL) {
        TRY(put_text(out, "host", route->entry));
    }
    TRY(put_text(out, "state",
                 route->breaker.off ? "off" : breaker_state_name(view.breaker.state)));
    TRY(put_since(out, view.since, now));
    TRY(buffer_print(out,
                     "\"failures\":%u,\"slow\":%u,\"calls\":%u,\"open_for_ms\":%" PRId64
                     ",\"retry_budget\":%u,\"in_flight\":%u,",
                     view.counts.failures, view.counts.slow, view.counts.calls,
                     view.breaker.state == BREAKER_OPEN ? ms_until(view.breaker.open_until, now)
                                                        : 0,
                     view.retries_left, view.in_flight));
    TRY(put_text(out, "health", health_name(route, view.health)));
    TRY(buffer_append(out, SLICE("\"credentials\":[")));
    for (unsigned i = 0; i < route->credential_count; i++) {
        TRY(put_key(out, route, i, now));
    }
    return buffer_append(out, SLICE("]}"));
}

static enum status put_all(struct buffer *out, const struct snapshot *snapshot, usec_t now)
{
    TRY(buffer_append(out, SLICE("{\"breakers\":[\n")));
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        for (unsigned k = 0; k < part_count(snapshot->routes[i]); k++) {
            TRY(buffer_append(out, i + k == 0 ? SLICE("") : SLICE(",\n")));
            TRY(put_route(out, part_of(snapshot->routes[i], k), now));
        }
    }
    return buffer_append(out, SLICE("\n]}\n"));
}

bool standings_show(struct standings *standings, const struct snapshot *snapshot, usec_t now,
                    struct buffer *out)
{
    (void)standings;
    return put_all(out, snapshot, now) == STATUS_OK;
}

/* ---- metrics ---- */

static enum status put_row(struct buffer *out, const char *name, const struct route *route,
                           const char *label, const char *value, uint64_t number)
{
    TRY(buffer_print(out, "sallyport_%s{", name));
    TRY(page_put_label(out, "route", route->name));
    if (route->entry != NULL) {
        TRY(buffer_append(out, SLICE(",")));
        TRY(page_put_label(out, "host", route->entry));
    }
    if (label != NULL) {
        TRY(buffer_append(out, SLICE(",")));
        TRY(page_put_label(out, label, value));
    }
    return buffer_print(out, "} %" PRIu64 "\n", number);
}

static enum status put_state(struct buffer *out, const char *name, const struct route *route,
                             const struct route_view *view)
{
    static const unsigned numbers[BREAKER_STATES] = {
        [BREAKER_CLOSED] = 0, [BREAKER_HALF_OPEN] = 1, [BREAKER_OPEN] = 2};
    return put_row(out, name, route, NULL, NULL, numbers[view->breaker.state]);
}

static enum status put_transitions(struct buffer *out, const char *name, const struct route *route,
                                   const struct route_view *view)
{
    for (unsigned state = 0; state < BREAKER_STATES; state++) {
        TRY(put_row(out, name, route, "to", breaker_state_name((enum breaker_state)state),
                    view->transitions[state]));
    }
    return STATUS_OK;
}

static enum status put_budget(struct buffer *out, const char *name, const struct route *route,
                              const struct route_view *view)
{
    return put_row(out, name, route, NULL, NULL, view->retries_left);
}

static enum status put_in_flight(struct buffer *out, const char *name, const struct route *route,
                                 const struct route_view *view)
{
    return put_row(out, name, route, NULL, NULL, view->in_flight);
}

static enum status put_health(struct buffer *out, const char *name, const struct route *route,
                              const struct route_view *view)
{
    if (route->health.path.len == 0 || view->health == HEALTH_UNKNOWN) {
        return STATUS_OK;
    }
    return put_row(out, name, route, NULL, NULL, view->health == HEALTH_WELL ? 1 : 0);
}

static const struct {
    const char *name, *type, *help;
    enum status (*put)(struct buffer *out, const char *name, const struct route *route,
                       const struct route_view *view);
} families[] = {
    {"breaker_state", "gauge", "The route's circuit: 0 closed, 1 half open, 2 open.", put_state},
    {"breaker_transitions_total", "counter", "Changes of the route's circuit to this state.",
     put_transitions},
    {"retry_budget_left", "gauge", "Retries that the route may make now.", put_budget},
    {"route_in_flight", "gauge", "Requests of the route under way.", put_in_flight},
    {"upstream_healthy", "gauge", "1 if the route's health checks are answered, 0 if it is ill.",
     put_health},
};

static enum status put_cooling(struct buffer *out, const struct snapshot *snapshot, usec_t now)
{
    TRY(page_put_family(out, "credential_cooling", "gauge",
                        "1 if the credential cools or is benched, in any quota domain."));
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        for (unsigned k = 0; k < route->credential_count; k++) {
            const struct key_view view = view_key(route->credentials[k].standing);
            bool cools = cools_for(&view, now) > 0 || view.benched_until > now;
            TRY(put_row(out, "credential_cooling", route, "secret",
                        route->credentials[k].secret_name, cools ? 1 : 0));
        }
    }
    return STATUS_OK;
}

static enum status put_tenants(struct buffer *out, const struct snapshot *snapshot)
{
    TRY(page_put_family(out, "tenant_in_flight", "gauge", "Requests of the tenant under way."));
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        const struct tenant *tenant = snapshot->tenants[i];
        TRY(buffer_append(out, SLICE("sallyport_tenant_in_flight{")));
        TRY(page_put_label(out, "tenant", tenant->name));
        TRY(buffer_print(out, "} %u\n",
                         atomic_load_explicit(&tenant->standing->in_flight, memory_order_relaxed)));
    }
    TRY(page_put_family(out, "tenant_denied_total", "counter",
                        "Requests that the tenant's deny rules have refused."));
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        const struct tenant *tenant = snapshot->tenants[i];
        if (tenant->denials == NULL) {
            continue;
        }
        TRY(buffer_append(out, SLICE("sallyport_tenant_denied_total{")));
        TRY(page_put_label(out, "tenant", tenant->name));
        TRY(buffer_print(out, "} %" PRIu64 "\n", tenant_standing_denied(tenant->standing)));
    }
    return STATUS_OK;
}

static enum status put_metrics(struct buffer *out, const struct snapshot *snapshot, usec_t now)
{
    for (size_t family = 0; family < sizeof(families) / sizeof(families[0]); family++) {
        const char *name = families[family].name;
        TRY(page_put_family(out, name, families[family].type, families[family].help));
        for (unsigned i = 0; i < snapshot->route_count; i++) {
            for (unsigned k = 0; k < part_count(snapshot->routes[i]); k++) {
                const struct route *part = part_of(snapshot->routes[i], k);
                const struct route_view view = view_route(part, now);
                TRY(families[family].put(out, name, part, &view));
            }
        }
    }
    TRY(put_cooling(out, snapshot, now));
    return put_tenants(out, snapshot);
}

bool standings_show_metrics(struct standings *standings, const struct snapshot *snapshot,
                            usec_t now, struct buffer *out)
{
    (void)standings;
    return put_metrics(out, snapshot, now) == STATUS_OK;
}

/* ---- readiness ---- */

static enum status put_lines(struct buffer *out, const struct route *route, usec_t now)
{
    const struct route_view view = view_route(route, now);
    if (!route->breaker.off && view.breaker.state == BREAKER_OPEN) {
        int64_t ms = ms_until(view.breaker.open_until, now);
        TRY(buffer_print(out, "circuit_open: route %s, stays open for %" PRId64 " s\n",
                         route->standing->name, (ms + 999) / 1000));
    } else if (!route->breaker.off && view.breaker.state == BREAKER_HALF_OPEN) {
        TRY(buffer_print(out, "circuit_half_open: route %s\n", route->standing->name));
    }
    if (route->health.path.len > 0 && view.health == HEALTH_ILL) {
        TRY(buffer_print(out, "upstream_ill: route %s, %u health checks in a row failed\n",
                         route->name, view.ill_in_a_row));
    }
    return STATUS_OK;
}

bool standings_show_readiness(struct standings *standings, const struct snapshot *snapshot,
                              usec_t now, struct buffer *out)
{
    (void)standings;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < snapshot->route_count && status == STATUS_OK; i++) {
        for (unsigned k = 0; k < part_count(snapshot->routes[i]) && status == STATUS_OK; k++) {
            status = put_lines(out, part_of(snapshot->routes[i], k), now);
        }
    }
    return status == STATUS_OK;
}
