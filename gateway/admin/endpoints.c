#include "gateway/admin/endpoints.h"

#include "base/encode.h"
#include "gateway/admin/dashboard.h"
#include "gateway/admin/endpoint_parts.h"
#include "gateway/admin/endpoints_ledger.h"
#include "gateway/admin/endpoints_webhooks.h"
#include "gateway/observe/openmetrics.h"
#include "limiter/limit.h"
#include "routes/target.h"

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

static struct access_request access_request_of(const struct admin_request *request)
{
    return (struct access_request){.authorization = request->authorization,
                                   .peer = request->peer,
                                   .local = request->local,
                                   .now = request->now};
}

/* ---- what is shown ---- */

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
    answer->status = 200;
    if (openmetrics_wanted(request->accept)) {
        answer->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ops->openmetrics(ctx, &answer->body);
        return;
    }
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    ops->metrics(ctx, &answer->body);
}

/* ---- quotas ---- */

static void show_quotas(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                        struct admin_answer *answer)
{
    char tenant[ENDPOINT_PARAMETER_MAX];
    struct error err;
    if (!endpoint_parameter(request, SLICE("tenant"), tenant)) {
        endpoint_answer_error(answer, 400, "tenant: percent-encoding is broken, or it is too long");
        return;
    }
    endpoint_answer_json(answer, 200);
    enum status status = ops->quotas(ctx, tenant[0] == '\0' ? NULL : tenant, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

static void change_quota(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, bool raise, struct admin_answer *answer)
{
    char tenant[ENDPOINT_PARAMETER_MAX];
    char quota[ENDPOINT_PARAMETER_MAX];
    char route[ENDPOINT_PARAMETER_MAX];
    char by[ENDPOINT_PARAMETER_MAX];
    struct error err;
    struct quota_change change = {
        .tenant = tenant, .quota = quota, .route = route, .raise = raise, .peer = request->peer};
    if (!endpoint_parameter(request, SLICE("tenant"), tenant) ||
        !endpoint_parameter(request, SLICE("quota"), quota) ||
        !endpoint_parameter(request, SLICE("route"), route) ||
        !endpoint_parameter(request, SLICE("by"), by) || quota[0] == '\0') {
        endpoint_answer_error(answer, 400,
                              "say which: ?quota=NAME, &tenant=NAME if it is a tenant's");
        return;
    }
    if (raise && (!slice_number(slice_from(by), LIMIT_AMOUNT_MAX, &change.by) || change.by == 0)) {
        endpoint_answer_error(answer, 400,
                              "by is no amount; write a whole number from 1 on in the quota's "
                              "unit, such as 1000; of cost in nano-USD: 1000000000 is 1 USD");
        return;
    }
    endpoint_answer_json(answer, 200);
    enum status status = ops->change_quota(ctx, &change, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
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
    endpoint_answer_json(answer, 200);
    enum status status = ops->breakers(ctx, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

static void reset_breakers(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    char route[ENDPOINT_PARAMETER_MAX];
    struct slice given;
    struct error err;
    /* A misspelt parameter must not mean all. */
    bool all = request->query == NULL || request->query[0] == '\0';
    if (!all && (!target_query_get(slice_from(request->query), SLICE("route"), &given) ||
                 !endpoint_parameter(request, SLICE("route"), route) || route[0] == '\0')) {
        endpoint_answer_error(answer, 400, "say which: ?route=NAME, or nothing for all routes");
        return;
    }
    endpoint_answer_json(answer, 200);
    enum status status =
        ops->reset_breakers(ctx, all ? NULL : route, request->peer, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

/* ---- the server as a whole ---- */

static void show_page(const struct admin_ops *ops, void *ctx, enum admin_page page,
                      struct admin_answer *answer)
{
    struct error err;
    endpoint_answer_json(answer, 200);
    enum status status = ops->page(ctx, page, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

#define PAGE(name, page)                                                                           \
    static void name(const struct admin_request *request, const struct admin_ops *ops, void *ctx,  \
                     struct admin_answer *answer)                                                  \
    {                                                                                              \
        (void)request;                                                                             \
        show_page(ops, ctx, (page), answer);                                                       \
    }
PAGE(show_status, ADMIN_STATUS)
PAGE(show_config, ADMIN_CONFIG)
PAGE(show_routes, ADMIN_ROUTES)
PAGE(show_tenants, ADMIN_TENANTS)
PAGE(show_secrets, ADMIN_SECRETS)
PAGE(show_live, ADMIN_LIVE)
PAGE(show_errors, ADMIN_ERRORS)
#undef PAGE

static void reload_config(const struct admin_request *request, const struct admin_ops *ops,
                          void *ctx, struct admin_answer *answer)
{
    enum admin_reload end = ops->reload(ctx, request->peer, &answer->body);
    endpoint_answer_json(answer, end == ADMIN_RELOADED          ? 200
                                 : end == ADMIN_RELOAD_CONFLICT ? 409
                                                                : 422);
}

/* What the one who asks may do; so that a page shows only what would work. */
static void show_rights(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                        struct admin_answer *answer)
{
    static const char *const tokens[] = {
        [ACCESS_GRANTED] = "all",         [ACCESS_TOKEN_MISSING] = "none",
        [ACCESS_TOKEN_WRONG] = "unknown", [ACCESS_TOKEN_READS] = "reads",
        [ACCESS_TOO_OFTEN] = "unknown",
    };
    const struct access_request asked = access_request_of(request);
    unsigned wait = 0;
    enum access_verdict verdict =
        access_decide(&asked, ADMIN_ALL, request->failures, ops, ctx, &wait);
    endpoint_answer_json(answer, 200);
    if (buffer_print(&answer->body, "{\"right\":\"%s\",\"token\":\"%s\"}\n",
                     verdict == ACCESS_GRANTED ? "all" : "reads", tokens[verdict]) != STATUS_OK) {
        answer->status = 500; /* not reached: nothing else is in the body */
    }
}

/* ---- which is asked ---- */

static const struct endpoint {
    const char *path;       /* one that ends with '/' has a name behind it */
    enum admin_right needs; /* ADMIN_ALL: it changes something, with POST; else GET and HEAD */
    void (*answer)(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                   struct admin_answer *answer);
} endpoints[] = {
    {"/livez", ADMIN_NOTHING, show_life},
    {"/readyz", ADMIN_NOTHING, show_readiness},
    {"/metrics", ADMIN_READS, show_metrics},
    {"/api/v1/status", ADMIN_READS, show_status},
    {"/api/v1/config", ADMIN_READS, show_config},
    {"/api/v1/routes", ADMIN_READS, show_routes},
    {"/api/v1/tenants", ADMIN_READS, show_tenants},
    {"/api/v1/secrets", ADMIN_READS, show_secrets},
    {"/api/v1/live", ADMIN_READS, show_live},
    {"/api/v1/errors", ADMIN_READS, show_errors},
    {"/api/v1/quotas", ADMIN_READS, show_quotas},
    {"/api/v1/quotas/reset", ADMIN_ALL, reset_quota},
    {"/api/v1/quotas/raise", ADMIN_ALL, raise_quota},
    {"/api/v1/breakers", ADMIN_READS, show_breakers},
    {"/api/v1/breakers/reset", ADMIN_ALL, reset_breakers},
    {"/api/v1/usage", ADMIN_READS, endpoint_show_usage},
    {"/api/v1/usage/objects", ADMIN_READS, endpoint_show_objects},
    {"/api/v1/usage/repriced", ADMIN_ALL, endpoint_note_repriced},
    {"/api/v1/requests", ADMIN_READS, endpoint_show_maker},
    {ENDPOINT_REQUESTS_PATH, ADMIN_READS, endpoint_show_request},
    {"/api/v1/webhooks", ADMIN_READS, endpoint_show_webhooks},
    {"/api/v1/webhooks/sums", ADMIN_READS, endpoint_show_webhook_sums},
    {"/api/v1/webhooks/replay", ADMIN_ALL, endpoint_replay_webhooks},
    {"/api/v1/webhooks/drop", ADMIN_ALL, endpoint_drop_webhooks},
    {ENDPOINT_WEBHOOKS_PATH, ADMIN_READS, endpoint_show_webhook},
    {"/api/v1/rights", ADMIN_READS, show_rights},
    {"/api/v1/reload", ADMIN_ALL, reload_config},
};

static const struct endpoint *find_endpoint(const char *path)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        const char *own = endpoints[i].path;
        size_t len = strlen(own);
        if (strncmp(path, own, len) == 0 && (path[len] == '\0') != (own[len - 1] == '/')) {
            return &endpoints[i];
        }
    }
    return NULL;
}

/* Plain /readyz is for load balancers; what it says in detail names routes and secrets. A webhook's
 * body is not for all who may read. */
static enum admin_right right_needed(const struct endpoint *endpoint,
                                     const struct admin_request *request)
{
    if (endpoint->answer == endpoint_show_webhook && endpoint_webhook_body_wanted(request)) {
        return ADMIN_ALL;
    }
    bool tells = endpoint->answer == show_readiness && request->query != NULL;
    return tells ? ADMIN_READS : endpoint->needs;
}

/* False: it was refused, and that is the answer. */
static bool may_ask(const struct endpoint *endpoint, const struct admin_request *request,
                    const struct admin_ops *ops, void *ctx, struct admin_answer *ret)
{
    const struct access_request asked = access_request_of(request);
    enum admin_right needed = right_needed(endpoint, request);
    enum access_verdict verdict =
        access_decide(&asked, needed, request->failures, ops, ctx, &ret->retry_after);
    switch (verdict) {
    case ACCESS_GRANTED:
        return true;
    case ACCESS_TOKEN_MISSING:
    case ACCESS_TOKEN_WRONG:
        endpoint_answer_error(ret, 401,
                              needed == ADMIN_ALL
                                  ? "changes and webhooks' bodies need the token of "
                                    "admin.token_file or admin.token: Authorization: Bearer TOKEN"
                                  : "elsewhere than on loopback reading needs a token: "
                                    "Authorization: Bearer TOKEN");
        break;
    case ACCESS_TOKEN_READS:
        endpoint_answer_error(
            ret, 403,
            "this token reads; changes and webhooks' bodies need the one that may do "
            "all");
        break;
    case ACCESS_TOO_OFTEN:
        endpoint_answer_error(ret, 429,
                              "too many wrong tokens came from this address; try again later");
        break;
    }
    /* A page that asks before anybody has given it a token is no attempt. */
    if (verdict != ACCESS_TOKEN_MISSING || needed == ADMIN_ALL) {
        ops->refused(ctx, request->peer, endpoint->path);
    }
    return false;
}

static void answer_endpoint(const struct endpoint *endpoint, const struct admin_request *request,
                            const struct admin_ops *ops, void *ctx, struct admin_answer *ret)
{
    bool changes = endpoint->needs == ADMIN_ALL;
    bool method_fits = changes ? request->method == ADMIN_POST
                               : request->method == ADMIN_GET || request->method == ADMIN_HEAD;
    if (!method_fits) {
        ret->allow = changes ? "POST" : "GET, HEAD";
        answer_text(ret, 405, changes ? SLICE("use POST\n") : SLICE("use GET or HEAD\n"));
    } else if (may_ask(endpoint, request, ops, ctx, ret)) {
        endpoint->answer(request, ops, ctx, ret);
    }
}

/* The dashboard's files show nothing by themselves: they ask the API, as whoever has the token. */
static bool answer_file(const struct admin_request *request, struct admin_answer *ret)
{
    struct dashboard_file file;
    if (!dashboard_find(request->path, &file)) {
        return false;
    }
    if (request->method != ADMIN_GET && request->method != ADMIN_HEAD) {
        ret->allow = "GET, HEAD";
        answer_text(ret, 405, SLICE("use GET or HEAD\n"));
        return true;
    }
    answer_text(ret, 200, file.bytes);
    ret->content_type = file.content_type;
    return true;
}

void endpoints_answer(const struct admin_request *request, const struct admin_hosts *hosts,
                      const struct admin_ops *ops, void *ctx, struct admin_answer *ret)
{
    *ret = (struct admin_answer){0};
    buffer_init(&ret->body, ADMIN_BODY_MAX_BYTES);
    if (request->host == NULL || !access_host_is_ours(request->host, hosts)) {
        answer_text(ret, 403,
                    SLICE("this Host is not answered: use localhost or an address, or "
                          "add the name to admin.hosts\n"));
        return;
    }
    if (!access_origin_is_ours(request->origin, request->host)) {
        answer_text(ret, 403, SLICE("requests from other origins are refused\n"));
        return;
    }
    if (answer_file(request, ret)) {
        return;
    }
    const struct endpoint *endpoint = find_endpoint(request->path);
    if (endpoint == NULL) {
        answer_text(ret, 404, SLICE("no such page\n"));
    } else {
        answer_endpoint(endpoint, request, ops, ctx, ret);
    }
}
