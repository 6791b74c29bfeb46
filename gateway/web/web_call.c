#include "gateway/web/web_call.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "routes/egress.h"
#include "routes/origin.h"
#include "routes/outbound_proxy.h"

#include <stddef.h>

enum { HEAD_MAX_BYTES = 8 * 1024, URL_MAX_BYTES = 4 * 1024, HTTPS_PORT = 443 };

struct web_call {
    struct reapable reapable; /* first: see reap() */
    struct arena arena;
    struct snapshot *snapshot; /* ref */
    struct loop *loop;         /* borrowed */
    struct origin origin;
    struct buffer body;  /* may hold a secret */
    struct fetch *fetch; /* NULL: it is over */
    void *ctx;
    void (*done)(void *ctx, const struct fetch_result *result);
};

static void reap(struct reapable *reapable)
{
    struct web_call *call = (struct web_call *)reapable;
    snapshot_unref(call->snapshot);
    buffer_wipe(&call->body);
    arena_fini(&call->arena);
    memory_free(call);
}

/* What the fetch has borrowed outlives it. */
static void on_done(void *ctx, const struct fetch_result *result)
{
    struct web_call *call = ctx;
    call->fetch = NULL;
    call->done(call->ctx, result);
    loop_reap(call->loop, &call->reapable, reap);
}

static enum status write_head(const struct web_call_request *request, struct slice host,
                              struct slice path, struct buffer *head)
{
    bool posts = request->body.len > 0;
    TRY(buffer_append(head, posts ? SLICE("POST ") : SLICE("GET ")));
    TRY(buffer_append(head, path.len == 0 ? SLICE("/") : path));
    TRY(buffer_append(head, SLICE(" HTTP/1.1\r\nHost: ")));
    TRY(buffer_append(head, host));
    TRY(buffer_append(head, SLICE("\r\nUser-Agent: sallyport\r\nAccept: */*\r\n")));
    if (posts) {
        TRY(buffer_append(head, SLICE("Content-Type: application/json\r\nContent-Length: ")));
        TRY(buffer_append_number(head, request->body.len));
        TRY(buffer_append(head, SLICE("\r\n")));
    }
    return buffer_append(head, SLICE("\r\n"));
}

/* "https://HOST/PATH?QUERY" taken apart. False: it is no such URL of visible ASCII. */
static bool take_apart(struct slice url, struct slice *ret_host, struct slice *ret_path)
{
    static const struct slice https = SLICE_INIT("https://");
    if (url.len > URL_MAX_BYTES || !slice_starts_with(url, https)) {
        return false;
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || url.ptr[i] == '#') {
            return false;
        }
    }
    struct slice rest = slice_skip(url, https.len);
    *ret_host = slice_make(rest.ptr, slice_find(rest, '/'));
    *ret_path = slice_skip(rest, ret_host->len);
    return http1_valid_host(*ret_host) && slice_find(*ret_host, ':') == ret_host->len;
}

/* The origin and the path that is called; false: the URL is none. */
static bool find_place(const struct web_call_request *request, struct arena *arena,
                       struct origin *ret_origin, struct slice *ret_path)
{
    struct slice host;
    if (request->site != NULL) {
        *ret_origin = request->site->origin;
        *ret_path = request->site->path;
        return true;
    }
    if (!take_apart(request->url, &host, ret_path)) {
        return false;
    }
    const struct outbound_proxy *proxy = request->snapshot->egress_proxy;
    const char *name = arena_copy(arena, host).ptr;
    *ret_origin = (struct origin){
        .tls = true,
        .host = name,
        .port = HTTPS_PORT,
        .authority = name,
        .proxy = proxy,
        .key =
            arena_print(arena, "https://%s:%d%s%s", name, HTTPS_PORT,
                        proxy == NULL ? "" : " web proxy=", proxy == NULL ? "" : proxy->authority),
    };
    return true;
}

struct web_call *web_call_start(const struct web_call_request *request, void *ctx,
                                void (*done)(void *ctx, const struct fetch_result *result))
{
    struct slice path;
    struct buffer head CLEANUP(buffer_fini);
    buffer_init(&head, HEAD_MAX_BYTES);
    struct web_call *call = MEMORY_NEW(struct web_call);
    if (!find_place(request, &call->arena, &call->origin, &path) ||
        write_head(request, slice_from(call->origin.authority), path, &head) != STATUS_OK) {
        arena_fini(&call->arena);
        memory_free(call);
        return NULL;
    }
    call->loop = request->loop;
    call->snapshot = snapshot_ref(request->snapshot);
    call->ctx = ctx;
    call->done = done;
    buffer_init(&call->body, request->body.len);
    enum status status = buffer_append(&call->body, request->body);
    (void)status; /* it has just that room */
    call->fetch = fetch_start(
        &(struct fetch_request){
            .loop = request->loop,
            .upstreams = request->upstreams,
            .origin = &call->origin,
            .egress = request->site != NULL ? egress_everywhere() : &call->snapshot->egress,
            .connect_timeout = WEB_CALL_TIME / 2,
            .timeout = WEB_CALL_TIME,
            .method = request->body.len > 0 ? HTTP1_POST : HTTP1_GET,
            .head = buffer_bytes(&head),
            .body = buffer_bytes(&call->body),
            .answer_bytes = request->answer_bytes,
            .repeatable = true,
        },
        call, on_done);
    return call;
}

void web_call_cancel(struct web_call *call)
{
    if (call != NULL) {
        fetch_cancel(TAKE(call->fetch));
        reap(&call->reapable);
    }
}
