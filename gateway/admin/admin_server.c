#include "gateway/admin/admin_server.h"

#include "base/memory.h"
#include "gateway/admin/endpoints.h"
#include "gateway/client/listener.h"

#include <stdio.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <evhtp.h>
#include <openssl/ssl.h>

enum {
    CLIENTS_MAX = 64,
    REMOTE_MAX = 48, /* of them from elsewhere: so that who is on this machine is always let in */
    FIELDS_MAX = 100,
    IDLE_SECONDS = 10,  /* between two reads or writes */
    TOTAL_SECONDS = 60, /* of a connection: the library's timeouts begin anew with each byte */
};

/* One connection. It serves one request: the library stalls on pipelined ones. */
struct admin_client {
    struct admin_client *next, *prev;
    struct admin_server *server; /* borrowed */
    evhtp_connection_t *connection;
    struct event *deadline;    /* owned */
    struct admin_later *later; /* borrowed; NULL unless its answer comes later */
    unsigned field_count;
    unsigned host_count;
    bool remote;
};

/* Owned by whoever answers it. */
struct admin_later {
    struct admin_client *client; /* borrowed; NULL: it is gone */
    evhtp_request_t *request;    /* borrowed; lives as long as the client */
};

struct admin_server {
    struct event_base *base;     /* borrowed */
    const struct admin_ops *ops; /* borrowed */
    void *ctx;
    struct arena hosts_memory;
    struct admin_hosts hosts;
    evhtp_t *evhtp; /* owned */
    unsigned port;
    struct admin_client *clients; /* owned by their connections */
    unsigned client_count;
    unsigned remote_count;
    struct access_failures failures;
};

static enum admin_method method_of(const evhtp_request_t *request)
{
    return request->method == htp_method_GET    ? ADMIN_GET
           : request->method == htp_method_HEAD ? ADMIN_HEAD
           : request->method == htp_method_POST ? ADMIN_POST
                                                : ADMIN_OTHER;
}

static void add_field(evhtp_request_t *request, const char *name, const char *value)
{
    evhtp_headers_add_header(request->headers_out, evhtp_header_new(name, value, 0, 1));
}

/* Nothing but what comes from here, no script in the page, no frame around it. */
static const char content_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void send_answer(evhtp_request_t *request, const struct admin_answer *answer)
{
    char length[24];
    char wait[16];
    struct slice body = buffer_bytes(&answer->body);
    (void)snprintf(length, sizeof(length), "%zu", body.len);
    add_field(request, "Content-Type", answer->content_type);
    add_field(request, "Content-Length", length);
    add_field(request, "Cache-Control", "no-store");
    add_field(request, "X-Content-Type-Options", "nosniff");
    add_field(request, "Content-Security-Policy", content_policy);
    add_field(request, "Referrer-Policy", "no-referrer");
    add_field(request, "Cross-Origin-Resource-Policy", "same-origin");
    if (answer->retry_after > 0) {
        (void)snprintf(wait, sizeof(wait), "%u", answer->retry_after);
        add_field(request, "Retry-After", wait);
    }
    if (answer->allow != NULL) {
        add_field(request, "Allow", answer->allow);
    }
    if (answer->status == 401) { /* RFC 9110, section 15.5.2 */
        add_field(request, "WWW-Authenticate", "Bearer realm=\"sallyport admin\"");
    }
    if (request->method != htp_method_HEAD) {
        (void)evbuffer_add(request->buffer_out, body.ptr, body.len);
    }
    /* evhtp_request_set_keepalive() of 1.2.18 can only switch it on. */
    request->flags &= (uint16_t)~EVHTP_REQ_FLAG_KEEPALIVE;
    evhtp_send_reply(request, (evhtp_res)answer->status);
}

/* What a proxy on this machine hands on is somebody else's. */
static bool is_forwarded(evhtp_request_t *request)
{
    return evhtp_header_find(request->headers_in, "Forwarded") != NULL ||
           evhtp_header_find(request->headers_in, "X-Forwarded-For") != NULL;
}

/* ---- answers that come later ---- */

static struct admin_client *client_of(const struct admin_server *server,
                                      const evhtp_request_t *request)
{
    struct admin_client *client = server->clients;
    while (client != NULL && client->connection != request->conn) {
        client = client->next;
    }
    return client;
}

/* Nothing is read meanwhile; a client that leaves is noticed when it is answered. */
static void wait_for_answer(struct admin_later *later)
{
    later->client->later = later;
    evhtp_request_pause(later->request);
}

void admin_later_answer(struct admin_later *take_later, unsigned status, struct slice json)
{
    struct admin_answer answer = {.status = status, .content_type = "application/json"};
    struct admin_client *client = take_later->client;
    if (client != NULL) {
        /* What came behind the request is not for it. And it goes on before it is answered: else
         * the library does not close the connection behind the answer. If the client is gone, it
         * closes it now. */
        struct evbuffer *input = bufferevent_get_input(client->connection->bev);
        (void)evbuffer_drain(input, evbuffer_get_length(input));
        evhtp_request_resume(take_later->request);
    }
    if (take_later->client != NULL) {
        buffer_init(&answer.body, ADMIN_BODY_MAX_BYTES);
        answer.status = buffer_append(&answer.body, json) == STATUS_OK ? status : 500;
        client->later = NULL;
        send_answer(take_later->request, &answer);
        buffer_fini(&answer.body);
    }
    memory_free(take_later);
}

static void on_request(evhtp_request_t *request, void *ctx)
{
    struct admin_server *server = ctx;
    struct admin_later *later = NULL;
    char peer[ACCESS_PEER_SIZE];
    struct admin_request asked = {
        .method = method_of(request),
        .path = request->uri->path->full,
        .query = (const char *)request->uri->query_raw,
        .host = evhtp_header_find(request->headers_in, "Host"),
        .origin = evhtp_header_find(request->headers_in, "Origin"),
        .authorization = evhtp_header_find(request->headers_in, "Authorization"),
        .accept = evhtp_header_find(request->headers_in, "Accept"),
        .peer = access_peer(request->conn->saddr, peer),
        .local = access_peer_is_local(request->conn->saddr) && !is_forwarded(request),
        .now = clock_now(),
        .failures = &server->failures,
    };
    struct admin_answer answer;
    if (asked.method == ADMIN_POST) {
        later = MEMORY_NEW(struct admin_later);
        *later = (struct admin_later){.client = client_of(server, request), .request = request};
        asked.later = later;
    }
    endpoints_answer(&asked, &server->hosts, server->ops, server->ctx, &answer);
    if (answer.later) {
        wait_for_answer(later);
    } else {
        memory_free(later);
        send_answer(request, &answer);
    }
    buffer_fini(&answer.body);
}

/* Too many fields, or a second Host, end the connection: the library answers nothing then. */
static evhtp_res on_field(evhtp_request_t *request, evhtp_header_t *field, void *ctx)
{
    (void)request;
    struct admin_client *client = ctx;
    client->field_count++;
    client->host_count += slice_equal_nocase(slice_make(field->key, field->klen), SLICE("Host"));
    bool refused = client->field_count > FIELDS_MAX || client->host_count > 1;
    return refused ? EVHTP_RES_BADREQ : EVHTP_RES_OK;
}

static evhtp_res on_connection_end(evhtp_connection_t *connection, void *ctx)
{
    (void)connection;
    struct admin_client *client = ctx;
    struct admin_server *server = client->server;
    if (client->prev != NULL) {
        client->prev->next = client->next;
    } else {
        server->clients = client->next;
    }
    if (client->next != NULL) {
        client->next->prev = client->prev;
    }
    server->client_count--;
    server->remote_count -= client->remote;
    if (client->later != NULL) {
        client->later->client = NULL;
    }
    event_free(client->deadline);
    memory_free(client);
    return EVHTP_RES_OK;
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct admin_client *client = ctx;
    evhtp_connection_free(client->connection);
}

static evhtp_res on_accept(evhtp_connection_t *connection, void *ctx)
{
    struct admin_server *server = ctx;
    struct event *deadline = NULL;
    struct admin_client *client = NULL;
    bool remote = !access_peer_is_local(connection->saddr);
    if (server->client_count >= CLIENTS_MAX || (remote && server->remote_count >= REMOTE_MAX)) {
        return EVHTP_RES_ERROR; /* it is closed */
    }
    client = MEMORY_NEW(struct admin_client);
    deadline = evtimer_new(server->base, on_deadline, client);
    if (deadline == NULL) {
        memory_free(client);
        return EVHTP_RES_ERROR;
    }
    *client = (struct admin_client){
        .server = server,
        .connection = connection,
        .deadline = deadline,
        .remote = remote,
        .next = server->clients,
    };
    if (server->clients != NULL) {
        server->clients->prev = client;
    }
    server->clients = client;
    server->client_count++;
    server->remote_count += remote;
    (void)evtimer_add(deadline, &(struct timeval){.tv_sec = TOTAL_SECONDS});
    (void)evhtp_connection_set_hook(connection, evhtp_hook_on_header, (evhtp_hook)on_field, client);
    (void)evhtp_connection_set_hook(connection, evhtp_hook_on_connection_fini,
                                    (evhtp_hook)on_connection_end, client);
    return EVHTP_RES_OK;
}

static enum status listen_on(struct admin_server *server, const char *address, struct error *err)
{
    int fd = -1;
    if (listen_socket_open(address, true, &fd, err) != STATUS_OK) {
        error_prefix(err, "admin.listen");
        return STATUS_UNAVAILABLE;
    }
    server->port = listen_socket_port(fd);
    if (evhtp_accept_socket(server->evhtp, fd, 0) != 0) { /* 0: it listens already */
        FAIL(err, STATUS_UNAVAILABLE, "admin.listen: cannot accept connections on %s", address);
    }
    return STATUS_OK;
}

enum status admin_server_start(const struct admin_server_settings *settings,
                               struct admin_server **ret, struct error *err)
{
    struct admin_server *server = MEMORY_NEW(struct admin_server);
    server->base = settings->base;
    server->ops = settings->ops;
    server->ctx = settings->ctx;
    admin_server_set_hosts(server, settings->hosts, settings->host_count);
    server->evhtp = evhtp_new(settings->base, NULL);
    admin_server_set_tls(server, settings->tls);
    if (listen_on(server, settings->listen, err) != STATUS_OK) {
        admin_server_stop(server);
        return STATUS_UNAVAILABLE;
    }
    const struct timeval idle = {.tv_sec = IDLE_SECONDS};
    evhtp_set_timeouts(server->evhtp, &idle, &idle);
    evhtp_set_max_body_size(server->evhtp, 1024); /* no request needs one */
    evhtp_set_gencb(server->evhtp, on_request, server);
    evhtp_set_post_accept_cb(server->evhtp, on_accept, server);
    *ret = server;
    return STATUS_OK;
}

void admin_server_stop(struct admin_server *server)
{
    if (server == NULL) {
        return;
    }
    evhtp_unbind_socket(server->evhtp);
    while (server->clients != NULL) {
        evhtp_connection_free(server->clients->connection); /* on_connection_end() unlinks it */
    }
    admin_server_set_tls(server, NULL);
    evhtp_free(server->evhtp);
    arena_fini(&server->hosts_memory);
    memory_free(server);
}

void admin_server_set_hosts(struct admin_server *server, const char *const *hosts, unsigned count)
{
    arena_fini(&server->hosts_memory);
    const char **names = ARENA_ARRAY(&server->hosts_memory, const char *, count);
    for (unsigned i = 0; i < count; i++) {
        names[i] = arena_copy(&server->hosts_memory, slice_from(hosts[i])).ptr;
    }
    server->hosts = (struct admin_hosts){.names = names, .count = count};
}

void admin_server_set_tls(struct admin_server *server, SSL_CTX *tls)
{
    if (tls != NULL) {
        (void)SSL_CTX_up_ref(tls);
        /* libevent waits for the socket where a record waits inside OpenSSL. */
        SSL_CTX_set_read_ahead(tls, 0);
    }
    SSL_CTX_free(server->evhtp->ssl_ctx);
    server->evhtp->ssl_ctx = tls;
}

unsigned admin_server_port(const struct admin_server *server)
{
    return server->port;
}
