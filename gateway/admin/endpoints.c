#include "gateway/admin/endpoints.h"

#include "base/address.h"
#include "base/encode.h"
#include "limiter/limit.h"
#include "routes/target.h"

#include <netinet/in.h>
#include <string.h>

enum { NEWS_MAX_BYTES = 1024 * 1024 };

static const char plain_text[] = "text/plain; charset=utf-8";

static void answer_text(struct admin_answer *answer, unsigned status, struct slice text)
{
    answer->status = status;
    answer->content_type = plain_text;
    if (buffer_append(&answer->body, text) != STATUS_OK) {
        answer->status = 500; /* not reached: nothing else is in the body */
    }
}

/* ---- who may ask ---- */

/* The name or address of "name", "name:port", "[v6]" or "[v6]:port". */
static struct slice without_port(struct slice host)
{
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t end = slice_find(host, ']');
        return slice_make(host.ptr + 1, end < host.len ? end - 1 : 0);
    }
    return slice_make(host.ptr, slice_find(host, ':'));
}

static bool is_address(struct slice name)
{
    struct in6_addr address;
    return address_parse(AF_INET, name, &address) || address_parse(AF_INET6, name, &address);
}

/* A name that an attacker's DNS can point at us is none of these. */
static bool host_is_ours(const char *host, const struct admin_hosts *hosts)
{
    struct slice name = without_port(slice_from(host));
    if (name.len == 0) {
        return false;
    }
    if (slice_equal_nocase(name, SLICE("localhost")) || is_address(name)) {
        return true;
    }
    for (unsigned i = 0; i < hosts->count; i++) {
        if (slice_equal_nocase(name, slice_from(hosts->names[i]))) {
            return true;
        }
    }
    return false;
}

/* RFC 6454: "scheme://host:port" as the Host field has it; "null" is nobody. */
static bool origin_is_host(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority != NULL && slice_equal_nocase(slice_from(authority + 3), slice_from(host));
}

/* ---- what is shown ---- */

static void show_index(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                       struct admin_answer *answer)
{
    (void)request;
    (void)ops;
    (void)ctx;
    answer_text(
        answer, 200,
        SLICE("Sallyport's admin listener\n"
              "\n"
              "/livez      200 while the process lives\n"
              "/readyz     200 while it takes requests, else 503; ?verbose says more\n"
              "/metrics    for Prometheus\n"
              "/api/v1/quotas[?tenant=NAME]   limits and what is used, JSON\n"
              "/api/v1/breakers               circuits and credentials of the routes, JSON\n"
              "\n"
              "With POST and the token of admin.token_file:\n"
              "/api/v1/breakers/reset[?route=NAME]   close the circuits of one route, or all\n"
              "and with ?quota=NAME[&tenant=NAME][&route=NAME]:\n"
              "/api/v1/quotas/reset           forget what was used\n"
              "/api/v1/quotas/raise?...&by=N  more room in this window, in the quota's unit\n"));
}

static void show_life(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                      struct admin_answer *answer)
{
    (void)request;
    (void)ops;
    (void)ctx;
    answer_text(answer, 200, SLICE("alive\n"));
}

static bool is_verbose(const char *query)
{
    struct slice text = slice_from(query);
    return slice_equal(text, SLICE("verbose")) || slice_starts_with(text, SLICE("verbose=")) ||
           slice_starts_with(text, SLICE("verbose&"));
}

static void show_readiness(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    struct buffer news CLEANUP(buffer_fini);
    buffer_init(&news, NEWS_MAX_BYTES);
    bool ready = ops->ready(ctx, &news);
    answer_text(answer, ready ? 200 : 503, ready ? SLICE("ready\n") : SLICE("not ready\n"));
    if (is_verbose(request->query) && buffer_len(&news) == 0) {
        answer_text(answer, answer->status, SLICE("every route has its credential\n"));
    }
    answer_text(answer, answer->status, buffer_bytes(&news));
}

static void show_metrics(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, struct admin_answer *answer)
{
    (void)request;
    answer->status = 200;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    ops->metrics(ctx, &answer->body);
}

/* ---- parameters and answers ---- */

enum { PARAMETER_MAX_BYTES = 256 };

/* A parameter of the query, decoded; "" if it is absent. False: it is too long or broken. */
static bool parameter(const struct admin_request *request, struct slice name,
                      char out[PARAMETER_MAX_BYTES])
{
    char decoded[3 * PARAMETER_MAX_BYTES];
    struct slice value = {0};
    struct slice query = slice_from(request->query);
    size_t len = 0;
    if (query.len > 0 && target_query_get(query, name, &value) &&
        (value.len > sizeof(decoded) || decode_percent(value, decoded, &len) != STATUS_OK ||
         len >= PARAMETER_MAX_BYTES || memchr(decoded, '\0', len) != NULL)) {
        return false;
    }
    memcpy(out, decoded, len);
    out[len] = '\0';
    return true;
}

static void answer_json(struct admin_answer *answer, unsigned status)
{
    answer->status = status;
    answer->content_type = "application/json";
}

/* {"error": "..."} */
static void answer_error(struct admin_answer *answer, unsigned status, const char *text)
{
    buffer_consume(&answer->body, buffer_len(&answer->body));
    answer_json(answer, status);
    if (buffer_append(&answer->body, SLICE("{\"error\":")) != STATUS_OK ||
        encode_json_string(slice_from(text), &answer->body) != STATUS_OK ||
        buffer_append(&answer->body, SLICE("}\n")) != STATUS_OK) {
        answer->status = 500; /* not reached: nothing else is in the body */
    }
}

static unsigned status_of(enum status status)
{
    return status == STATUS_NOT_FOUND ? 404 : status == STATUS_INVALID ? 400 : 503;
}

/* ---- quotas ---- */

static void show_quotas(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                        struct admin_answer *answer)
{
    char tenant[PARAMETER_MAX_BYTES];
    struct error err;
    if (!parameter(request, SLICE("tenant"), tenant)) {
        answer_error(answer, 400, "tenant: percent-encoding is broken, or it is too long");
        return;
    }
    answer_json(answer, 200);
    enum status status = ops->quotas(ctx, tenant[0] == '\0' ? NULL : tenant, &answer->body, &err);
    if (status != STATUS_OK) {
        answer_error(answer, status_of(status), err.message);
    }
}

static void change_quota(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, bool raise, struct admin_answer *answer)
{
    char tenant[PARAMETER_MAX_BYTES];
    char quota[PARAMETER_MAX_BYTES];
    char route[PARAMETER_MAX_BYTES];
    char by[PARAMETER_MAX_BYTES];
    struct error err;
    struct quota_change change = {
        .tenant = tenant, .quota = quota, .route = route, .raise = raise, .peer = request->peer};
    if (!parameter(request, SLICE("tenant"), tenant) ||
        !parameter(request, SLICE("quota"), quota) || !parameter(request, SLICE("route"), route) ||
        !parameter(request, SLICE("by"), by) || quota[0] == '\0') {
        answer_error(answer, 400, "say which: ?quota=NAME, &tenant=NAME if it is a tenant's");
        return;
    }
    if (raise && (!slice_number(slice_from(by), LIMIT_AMOUNT_MAX, &change.by) || change.by == 0)) {
        answer_error(answer, 400,
                     "by: a whole number in the quota's unit (cost: nano-USD), such as 1000");
        return;
    }
    answer_json(answer, 200);
    enum status status = ops->change_quota(ctx, &change, &answer->body, &err);
    if (status != STATUS_OK) {
        answer_error(answer, status_of(status), err.message);
    }
}

static void reset_quota(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                        struct admin_answer *answer)
{
    change_quota(request, ops, ctx, false, answer);
}

static void raise_quota(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                        struct admin_answer *answer)
{
    change_quota(request, ops, ctx, true, answer);
}

/* ---- circuits ---- */

static void show_breakers(const struct admin_request *request, const struct admin_ops *ops,
                          void *ctx, struct admin_answer *answer)
{
    struct error err;
    (void)request;
    answer_json(answer, 200);
    enum status status = ops->breakers(ctx, &answer->body, &err);
    if (status != STATUS_OK) {
        answer_error(answer, status_of(status), err.message);
    }
}

static void reset_breakers(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    char route[PARAMETER_MAX_BYTES];
    struct slice given;
    struct error err;
    /* A misspelt parameter must not mean all. */
    bool all = request->query == NULL || request->query[0] == '\0';
    if (!all && (!target_query_get(slice_from(request->query), SLICE("route"), &given) ||
                 !parameter(request, SLICE("route"), route) || route[0] == '\0')) {
        answer_error(answer, 400, "say which: ?route=NAME, or nothing for all routes");
        return;
    }
    answer_json(answer, 200);
    enum status status =
        ops->reset_breakers(ctx, all ? NULL : route, request->peer, &answer->body, &err);
    if (status != STATUS_OK) {
        answer_error(answer, status_of(status), err.message);
    }
}

/* ---- which is asked ---- */

static const struct endpoint {
    const char *path;
    bool changes; /* POST with the token; else GET and HEAD */
    void (*answer)(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                   struct admin_answer *answer);
} endpoints[] = {
    {"/", false, show_index},
    {"/livez", false, show_life},
    {"/readyz", false, show_readiness},
    {"/metrics", false, show_metrics},
    {"/api/v1/quotas", false, show_quotas},
    {"/api/v1/quotas/reset", true, reset_quota},
    {"/api/v1/quotas/raise", true, raise_quota},
    {"/api/v1/breakers", false, show_breakers},
    {"/api/v1/breakers/reset", true, reset_breakers},
};

static const struct endpoint *find_endpoint(const char *path)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (strcmp(path, endpoints[i].path) == 0) {
            return &endpoints[i];
        }
    }
    return NULL;
}

/* RFC 6750: "Bearer TOKEN". */
static bool has_token(const struct admin_request *request, const struct admin_ops *ops, void *ctx)
{
    struct slice field = slice_from(request->authorization);
    return slice_starts_with_nocase(field, SLICE("Bearer ")) &&
           ops->token_matches(ctx, slice_skip(field, SLICE("Bearer ").len));
}

static void answer_endpoint(const struct endpoint *endpoint, const struct admin_request *request,
                            const struct admin_ops *ops, void *ctx, struct admin_answer *ret)
{
    bool method_fits = endpoint->changes
                           ? request->method == ADMIN_POST
                           : request->method == ADMIN_GET || request->method == ADMIN_HEAD;
    if (!method_fits) {
        ret->allow = endpoint->changes ? "POST" : "GET, HEAD";
        answer_text(ret, 405, endpoint->changes ? SLICE("use POST\n") : SLICE("use GET or HEAD\n"));
    } else if (endpoint->changes && !has_token(request, ops, ctx)) {
        ops->refused(ctx, request->peer, endpoint->path);
        answer_error(ret, 401,
                     "changes need the token of admin.token_file: Authorization: Bearer TOKEN");
    } else {
        endpoint->answer(request, ops, ctx, ret);
    }
}

void endpoints_answer(const struct admin_request *request, const struct admin_hosts *hosts,
                      const struct admin_ops *ops, void *ctx, struct admin_answer *ret)
{
    *ret = (struct admin_answer){0};
    buffer_init(&ret->body, ADMIN_BODY_MAX_BYTES);
    if (request->host == NULL || !host_is_ours(request->host, hosts)) {
        answer_text(ret, 403,
                    SLICE("this Host is not answered: use localhost or an address, or "
                          "add the name to admin.hosts\n"));
        return;
    }
    if (request->origin != NULL && !origin_is_host(request->origin, request->host)) {
        answer_text(ret, 403, SLICE("requests from other origins are refused\n"));
        return;
    }
    const struct endpoint *endpoint = find_endpoint(request->path);
    if (endpoint == NULL) {
        answer_text(ret, 404, SLICE("no such page: / lists them\n"));
    } else {
        answer_endpoint(endpoint, request, ops, ctx, ret);
    }
}
