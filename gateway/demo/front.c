#include "gateway/demo/front.h"

#include "base/memory.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <evhtp.h>

enum {
    CONNECTIONS_MAX = 2000,
    FIELDS_MAX = 200,
    BODY_MAX_BYTES = 32 << 20,
    AHEAD_MAX_BYTES = 64 << 10, /* kept of what a client sends while its request is answered */
    REQUEST_SECONDS = 75,       /* from the end of an answer to the end of the next request */
    WRITE_SECONDS = 30,         /* without a byte of an answer taken */
    BACKLOG = 1024,
};

/* One connection; it answers one call after the other. */
struct visitor {
    struct visitor *next, *prev;
    struct front *front; /* borrowed */
    evhtp_connection_t *connection;
    unsigned field_count;
    struct call call;
    /* libevhtp's own, while a call runs and they are replaced. */
    bufferevent_data_cb read_cb;
    bufferevent_data_cb write_cb;
    bufferevent_event_cb event_cb;
    void *callback_ctx;
};

struct front {
    struct event_base *base; /* borrowed */
    call_function *answer;
    void *service;            /* borrowed */
    evhtp_t *evhtp;           /* owned */
    struct visitor *visitors; /* owned by their connections */
    unsigned visitor_count;
    char address[NI_MAXHOST + 16];
};

static struct bufferevent *stream_of(const struct visitor *visitor)
{
    return evhtp_connection_get_bev(visitor->connection);
}

static void await_request(struct visitor *visitor)
{
    const struct timeval deadline = {.tv_sec = REQUEST_SECONDS};
    visitor->field_count = 0;
    (void)evtimer_add(visitor->call.timer, &deadline);
}

static void finish_call(struct visitor *visitor)
{
    struct call *call = &visitor->call;
    struct bufferevent *stream = stream_of(visitor);
    (void)evtimer_del(call->timer);
    memory_free(TAKE(call->state));
    buffer_reset(&call->body);
    (void)evbuffer_drain(call->head, evbuffer_get_length(call->head));
    call->request = NULL;
    call->on_time = NULL;
    call->on_drained = NULL;
    call->chunked = false;
    call->ended = false;
    call->body_too_large = false;
    bufferevent_setcb(stream, visitor->read_cb, visitor->write_cb, visitor->event_cb,
                      visitor->callback_ctx);
    evhtp_connection_resume(visitor->connection); /* it reads what has come already */
    await_request(visitor);
}

static void on_gone(struct bufferevent *stream, short what, void *ctx)
{
    (void)stream;
    (void)what;
    struct visitor *visitor = ctx;
    evhtp_connection_free(visitor->connection);
}

/* All that was written has left. */
static void on_drained(struct bufferevent *stream, void *ctx)
{
    (void)stream;
    struct visitor *visitor = ctx;
    struct call *call = &visitor->call;
    if (!call->ended && !call->broken && call->on_drained != NULL) {
        call->on_drained(call);
    }
    if (call_pending(call) > 0 || (!call->ended && !call->broken)) {
        return;
    }
    if (call->broken || (call->request->flags & EVHTP_REQ_FLAG_KEEPALIVE) == 0) {
        evhtp_connection_free(visitor->connection);
    } else {
        finish_call(visitor);
    }
}

/* While a call runs, libevhtp is paused, else it stalls or closes at the next request; and its
 * callbacks are replaced, else a client that leaves is not noticed. What that sends meanwhile stays
 * in the input, up to its watermark. */
static void begin_call(struct visitor *visitor, evhtp_request_t *request)
{
    const char *method = htparser_get_methodstr_m(request->method);
    struct call *call = &visitor->call;
    struct bufferevent *stream = stream_of(visitor);
    (void)evtimer_del(call->timer);
    evhtp_request_pause(request);
    bufferevent_getcb(stream, &visitor->read_cb, &visitor->write_cb, &visitor->event_cb,
                      &visitor->callback_ctx);
    bufferevent_setcb(stream, NULL, on_drained, on_gone, visitor);
    (void)bufferevent_enable(stream, EV_READ);
    call->request = request;
    call->method = method == NULL ? "UNKNOWN" : method;
    call->path = slice_from(request->uri->path->full);
    call->query = slice_from((const char *)request->uri->query_raw);
}

static void on_request(evhtp_request_t *request, void *ctx)
{
    struct front *front = ctx;
    struct visitor *visitor = evhtp_connection_get_hooks(request->conn)->on_read_arg;
    begin_call(visitor, request);
    front->answer(&visitor->call);
}

static evhtp_res on_field(evhtp_request_t *request, evhtp_header_t *field, void *ctx)
{
    (void)request;
    (void)field;
    struct visitor *visitor = ctx;
    return ++visitor->field_count > FIELDS_MAX ? EVHTP_RES_BADREQ : EVHTP_RES_OK;
}

static evhtp_res on_body(evhtp_request_t *request, struct evbuffer *bytes, void *ctx)
{
    (void)request;
    struct visitor *visitor = ctx;
    struct call *call = &visitor->call;
    size_t len = evbuffer_get_length(bytes);
    if (!call->body_too_large && buffer_reserve(&call->body, len) == STATUS_OK) {
        (void)evbuffer_remove(bytes, buffer_tail(&call->body), len);
        buffer_commit(&call->body, len);
    } else {
        call->body_too_large = true;
        (void)evbuffer_drain(bytes, len);
    }
    return EVHTP_RES_OK;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct visitor *visitor = ctx;
    if (visitor->call.on_time == NULL) {
        evhtp_connection_free(visitor->connection); /* it waited for a request */
        return;
    }
    visitor->call.on_time(&visitor->call);
}

static evhtp_res on_close(evhtp_connection_t *connection, void *ctx)
{
    (void)connection;
    struct visitor *visitor = ctx;
    struct front *front = visitor->front;
    if (visitor->prev != NULL) {
        visitor->prev->next = visitor->next;
    } else {
        front->visitors = visitor->next;
    }
    if (visitor->next != NULL) {
        visitor->next->prev = visitor->prev;
    }
    front->visitor_count--;
    event_free(visitor->call.timer);
    evbuffer_free(visitor->call.head);
    buffer_fini(&visitor->call.body);
    memory_free(visitor->call.state);
    memory_free(visitor);
    return EVHTP_RES_OK;
}

static void set_hooks(struct visitor *visitor)
{
    evhtp_connection_t *connection = visitor->connection;
    const struct {
        evhtp_hook_type type;
        evhtp_hook function;
    } hooks[] = {
        {evhtp_hook_on_header, (evhtp_hook)on_field},
        {evhtp_hook_on_read, (evhtp_hook)on_body},
        {evhtp_hook_on_connection_fini, (evhtp_hook)on_close},
    };
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
        (void)evhtp_connection_set_hook(connection, hooks[i].type, hooks[i].function, visitor);
    }
}

static evhtp_res on_accept(evhtp_connection_t *connection, void *ctx)
{
    struct front *front = ctx;
    const struct timeval write_idle = {.tv_sec = WRITE_SECONDS};
    if (front->visitor_count >= CONNECTIONS_MAX) {
        return EVHTP_RES_ERROR; /* it is closed */
    }
    struct visitor *visitor = MEMORY_NEW(struct visitor);
    visitor->front = front;
    visitor->connection = connection;
    visitor->call.service = front->service;
    visitor->call.connection = connection;
    visitor->call.timer = evtimer_new(front->base, on_timer, visitor);
    visitor->call.head = evbuffer_new();
    buffer_init(&visitor->call.body, BODY_MAX_BYTES);
    visitor->next = front->visitors;
    if (front->visitors != NULL) {
        front->visitors->prev = visitor;
    }
    front->visitors = visitor;
    front->visitor_count++;
    set_hooks(visitor);
    bufferevent_setwatermark(stream_of(visitor), EV_READ, 0, AHEAD_MAX_BYTES);
    evhtp_connection_set_timeouts(connection, NULL, &write_idle);
    await_request(visitor);
    return EVHTP_RES_OK;
}

/* Splits at the last colon; brackets around an IPv6 address are taken off. */
static enum status split_address(const char *address, char *host, size_t size,
                                 const char **ret_port, struct error *err)
{
    const char *colon = strrchr(address, ':');
    struct slice name = slice_make(address, colon == NULL ? 0 : (size_t)(colon - address));
    if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        name = slice_make(name.ptr + 1, name.len - 2);
    }
    if (name.len == 0 || name.len >= size || colon[1] == '\0') {
        FAIL(err, STATUS_INVALID, "\"%s\" is no address; write host:port, as in 127.0.0.1:9902",
             address);
    }
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *ret_port = colon + 1;
    return STATUS_OK;
}

static void note_address(struct front *front)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char host[NI_MAXHOST] = "?";
    char port[8] = "?";
    if (getsockname(evconnlistener_get_fd(front->evhtp->server), (struct sockaddr *)&bound, &len) ==
        0) {
        (void)getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    }
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(front->address, sizeof(front->address), v6 ? "[%s]:%s" : "%s:%s", host, port);
}

static enum status listen_on(struct front *front, const char *address, struct error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *port = NULL;
    char host[NI_MAXHOST];
    TRY(split_address(address, host, sizeof(host), &port, err));
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        FAIL(err, STATUS_INVALID, "cannot listen on %s: %s; write host:port", address,
             gai_strerror(code));
    }
    errno = 0;
    int bound = evhtp_bind_sockaddr(front->evhtp, found->ai_addr, found->ai_addrlen, BACKLOG);
    int reason = errno;
    freeaddrinfo(found);
    if (bound != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "cannot listen on %s: %s; choose another one with --listen",
             address, strerrordesc_np(reason));
    }
    note_address(front);
    return STATUS_OK;
}

enum status front_start(const struct front_settings *settings, struct front **ret,
                        struct error *err)
{
    struct front *front = MEMORY_NEW(struct front);
    front->base = settings->base;
    front->answer = settings->answer;
    front->service = settings->service;
    front->evhtp = evhtp_new(settings->base, NULL);
    evhtp_enable_flag(front->evhtp, EVHTP_FLAG_ENABLE_NODELAY);
    evhtp_set_post_accept_cb(front->evhtp, on_accept, front);
    evhtp_set_gencb(front->evhtp, on_request, front);
    enum status status = listen_on(front, settings->listen, err);
    if (status != STATUS_OK) {
        front_stop(front);
        return status;
    }
    *ret = front;
    return STATUS_OK;
}

void front_stop(struct front *front)
{
    if (front == NULL) {
        return;
    }
    while (front->visitors != NULL) {
        evhtp_connection_free(front->visitors->connection);
    }
    evhtp_unbind_socket(front->evhtp);
    evhtp_free(front->evhtp);
    memory_free(front);
}

const char *front_address(const struct front *front)
{
    return front->address;
}
