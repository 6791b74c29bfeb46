#include "gateway/admin/endpoints.h"

#include "base/address.h"

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

static void show_index(const char *query, const struct admin_ops *ops, void *ctx,
                       struct admin_answer *answer)
{
    (void)query;
    (void)ops;
    (void)ctx;
    answer_text(answer, 200,
                SLICE("Sallyport's admin listener\n"
                      "\n"
                      "/livez      200 while the process lives\n"
                      "/readyz     200 while it takes requests, else 503; ?verbose says more\n"
                      "/metrics    for Prometheus\n"));
}

static void show_life(const char *query, const struct admin_ops *ops, void *ctx,
                      struct admin_answer *answer)
{
    (void)query;
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

static void show_readiness(const char *query, const struct admin_ops *ops, void *ctx,
                           struct admin_answer *answer)
{
    struct buffer news CLEANUP(buffer_fini);
    buffer_init(&news, NEWS_MAX_BYTES);
    bool ready = ops->ready(ctx, &news);
    answer_text(answer, ready ? 200 : 503, ready ? SLICE("ready\n") : SLICE("not ready\n"));
    if (is_verbose(query) && buffer_len(&news) == 0) {
        answer_text(answer, answer->status, SLICE("every route has its credential\n"));
    }
    answer_text(answer, answer->status, buffer_bytes(&news));
}

static void show_metrics(const char *query, const struct admin_ops *ops, void *ctx,
                         struct admin_answer *answer)
{
    (void)query;
    answer->status = 200;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    ops->metrics(ctx, &answer->body);
}

static const struct endpoint {
    const char *path;
    void (*show)(const char *query, const struct admin_ops *ops, void *ctx,
                 struct admin_answer *answer);
} endpoints[] = {
    {"/", show_index},
    {"/livez", show_life},
    {"/readyz", show_readiness},
    {"/metrics", show_metrics},
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
    } else if (request->method == ADMIN_OTHER) {
        answer_text(ret, 405, SLICE("use GET or HEAD\n"));
    } else {
        endpoint->show(request->query, ops, ctx, ret);
    }
}
