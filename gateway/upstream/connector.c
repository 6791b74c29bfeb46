#include "gateway/upstream/connector.h"

#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/connect_fault.h"
#include "gateway/upstream/connect_group.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/intake.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/trust.h"
#include "routes/egress.h"
#include "routes/origin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* What takes so long is taken for something that hangs. */
#define LONG_TIME (1 * SEC)
/* A lookup whose asker has gone runs on in libcurl's thread, and its end is not told. It keeps its
 * place for a while; one that hangs, for as long as the system's resolver usually tries: twice 5 s.
 */
#define LOOKUP_LINGERS      (1 * SEC)
#define LONG_LOOKUP_LINGERS (10 * SEC)

/* To begin a connect costs up to 0.3 ms: a thread, or a TLS context. Not all of them in one turn.
 */
enum { MOST_STARTS_A_TURN = 4 };

struct connecting {
    struct connector *connector; /* borrowed */
    struct connect_settings settings;
    struct connecting *next; /* while it waits in line */
    bool waiting;
    bool looking_up;
    usec_t started_at;
    CURL *easy; /* owned; NULL while it waits */
    struct connect_group *group;
    struct trust *trust; /* used */
    struct link *link;   /* owned; opened at the end */
    unsigned allowed_addresses;
    unsigned refused_addresses;
    char refused_address[INET6_ADDRSTRLEN];
    char detail[CURL_ERROR_SIZE];
    struct error trust_error;
};

/* A place among the lookups that is held for one that was given up. */
struct lingering {
    struct timer timer; /* first: see on_lookup_over() */
    struct connector *connector;
    struct endpoint *endpoint; /* in use */
    struct lingering *next, *previous;
};

struct connector {
    struct timer next_turn;       /* first: see on_next_turn() */
    unsigned starts_left;         /* in this turn */
    struct loop *loop;            /* borrowed */
    struct connect_group *groups; /* owned */
    struct trust_list trusts;
    struct endpoint *first_listed; /* those that have something to start */
    struct endpoint *last_listed;
    struct lingering *lingering; /* owned */
    struct places taken;         /* of all endpoints */
    unsigned waiting;
    unsigned open_links;
    int adopting; /* a socket that libcurl is about to give up and shall not close; or -1 */
};

/* ---- who may start ---- */

static bool has_place(const struct places *taken, const struct places *most, bool looks_up)
{
    return taken->running < most->running && (!looks_up || taken->lookups < most->lookups);
}

static bool may_start_one(const struct endpoint *endpoint)
{
    static const struct places most[] = {
        [false] = {CONNECTOR_MOST_LOOKUPS_AN_UNPROVEN_ENDPOINT,
                   CONNECTOR_MOST_RUNNING_AN_UNPROVEN_ENDPOINT},
        [true] = {CONNECTOR_MOST_LOOKUPS_AN_ENDPOINT, CONNECTOR_MOST_RUNNING_AN_ENDPOINT},
    };
    return endpoint->first_waiting != NULL &&
           has_place(&endpoint->taken, &most[endpoint->proven], !endpoint->is_address);
}

static bool worker_has_place(const struct connector *connector, const struct endpoint *endpoint)
{
    static const struct places most[] = {
        [false] = {CONNECTOR_MOST_LOOKUPS_UNPROVEN, CONNECTOR_MOST_RUNNING_UNPROVEN},
        [true] = {CONNECTOR_MOST_LOOKUPS, CONNECTOR_MOST_RUNNING},
    };
    return has_place(&connector->taken, &most[endpoint->proven], !endpoint->is_address);
}

static void list_if_it_may(struct connector *connector, struct endpoint *endpoint)
{
    if (endpoint->listed || !may_start_one(endpoint)) {
        return;
    }
    endpoint->listed = true;
    endpoint->next_listed = NULL;
    *(connector->last_listed != NULL ? &connector->last_listed->next_listed
                                     : &connector->first_listed) = endpoint;
    connector->last_listed = endpoint;
}

/* The first one that there is a place for, or NULL. */
static struct endpoint *take_listed(struct connector *connector)
{
    struct endpoint *before = NULL;
    struct endpoint *at = connector->first_listed;
    while (at != NULL && !worker_has_place(connector, at)) {
        before = at;
        at = at->next_listed;
    }
    if (at == NULL) {
        return NULL;
    }
    *(before != NULL ? &before->next_listed : &connector->first_listed) = at->next_listed;
    if (connector->last_listed == at) {
        connector->last_listed = before;
    }
    at->listed = false;
    return at;
}

static void enqueue(struct connecting *connecting)
{
    struct endpoint *endpoint = connecting->settings.endpoint;
    connecting->waiting = true;
    connecting->connector->waiting++;
    *(endpoint->last_waiting != NULL ? &endpoint->last_waiting->next : &endpoint->first_waiting) =
        connecting;
    endpoint->last_waiting = connecting;
}

/* From anywhere in the line: deadlines come in about its order, so it is near the front. */
static void dequeue(struct connecting *connecting)
{
    struct endpoint *endpoint = connecting->settings.endpoint;
    struct connecting *before = NULL;
    for (struct connecting *at = endpoint->first_waiting; at != connecting; at = at->next) {
        before = at;
    }
    *(before != NULL ? &before->next : &endpoint->first_waiting) = connecting->next;
    if (endpoint->last_waiting == connecting) {
        endpoint->last_waiting = before;
    }
    connecting->next = NULL;
    connecting->waiting = false;
    connecting->connector->waiting--;
}

static void lookup_is_over(struct connector *connector, struct endpoint *endpoint)
{
    connector->taken.lookups--;
    endpoint->taken.lookups--;
    list_if_it_may(connector, endpoint);
}

static void lookup_was_answered(struct connecting *connecting)
{
    if (connecting->looking_up) {
        connecting->looking_up = false;
        connecting->settings.endpoint->asked_at = 0;
        lookup_is_over(connecting->connector, connecting->settings.endpoint);
    }
}

/* ---- what libcurl asks ---- */

/* CURLOPT_OPENSOCKETFUNCTION: the egress guard, for each address after the lookup. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct connecting *connecting = ctx;
    (void)purpose;
    lookup_was_answered(connecting);
    if (!egress_allows(connecting->settings.egress, &address->addr)) {
        const struct sockaddr *sockaddr = &address->addr;
        const void *bytes = sockaddr->sa_family == AF_INET6
                                ? (const void *)&((const struct sockaddr_in6 *)sockaddr)->sin6_addr
                                : (const void *)&((const struct sockaddr_in *)sockaddr)->sin_addr;
        connecting->refused_addresses++;
        (void)inet_ntop(sockaddr->sa_family, bytes, connecting->refused_address,
                        sizeof(connecting->refused_address));
        return CURL_SOCKET_BAD;
    }
    connecting->allowed_addresses++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* CURLOPT_CLOSESOCKETFUNCTION */
static int close_socket(void *ctx, curl_socket_t fd)
{
    struct connector *connector = ctx;
    if (fd == connector->adopting) {
        connector->adopting = -1;
        return 0;
    }
    return close(fd);
}

/* CURLOPT_SSL_CTX_FUNCTION */
static CURLcode set_up_tls(CURL *easy, void *ssl_ctx, void *ctx)
{
    struct connecting *connecting = ctx;
    (void)easy;
    enum status status =
        trust_apply(connecting->trust, ssl_ctx, connecting->link, &connecting->trust_error);
    return status == STATUS_OK ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* ---- starting ---- */

static void set_tls_options(struct connecting *connecting)
{
    CURL *easy = connecting->easy;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* libcurl loads nothing; set_up_tls() puts the certificates in. Without them, nothing
     * verifies. The cache must be off: libcurl 7.88 would put the store that the multi's first
     * connection was given into all later ones. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, connecting);
}

static void set_options(struct connecting *connecting)
{
    CURL *easy = connecting->easy;
    const struct origin *origin = connecting->settings.origin;
    char url[512];
    (void)snprintf(url, sizeof(url), "%s://%s/", origin->tls ? "https" : "http", origin->authority);

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* for ALPN */
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not the environment's either */
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for getaddrinfo() */
    curl_easy_setopt(easy, CURLOPT_SHARE, trust_share(connecting->trust));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L); /* allocated, but not used here */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)((connecting->settings.timeout + MSEC - 1) / MSEC));
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, connecting);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, connecting->connector);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connecting->detail);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, connecting);
    if (origin->tls) {
        set_tls_options(connecting);
    }
}

static void on_worked(void *ctx, struct connect_group *group);

static struct connect_group *group_with_room(struct connector *connector)
{
    struct connect_group **place = &connector->groups;
    while (*place != NULL && (*place)->handles >= CONNECT_GROUP_HANDLES) {
        place = &(*place)->next;
    }
    if (*place == NULL) {
        *place = connect_group_new(connector->loop, on_worked, connector);
    }
    return *place;
}

static void start(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    struct endpoint *endpoint = connecting->settings.endpoint;
    connecting->easy = curl_easy_init();
    assert(connecting->easy != NULL); /* only for want of memory */
    connecting->trust =
        trust_take(&connector->trusts,
                   connecting->settings.origin->tls ? connecting->settings.origin->ca_file : NULL);
    connecting->link = link_new(connector->loop, &connector->open_links);
    set_options(connecting);
    connecting->started_at = connector->loop->now;
    connector->taken.running++;
    endpoint->taken.running++;
    connecting->looking_up = !endpoint->is_address;
    if (connecting->looking_up) {
        connector->taken.lookups++;
        endpoint->taken.lookups++;
        endpoint->asked_at = endpoint->asked_at != 0 ? endpoint->asked_at : connecting->started_at;
    }
    connecting->group = group_with_room(connector);
    connect_group_add(connecting->group, connecting->easy);
}

/* Endpoints take turns. Never from libcurl's callbacks. */
static void start_those_that_may(struct connector *connector)
{
    struct endpoint *endpoint;
    while (connector->starts_left > 0 && (endpoint = take_listed(connector)) != NULL) {
        if (may_start_one(endpoint)) {
            connector->starts_left--;
            loop_timer(connector->loop, &connector->next_turn, 0);
            struct connecting *connecting = endpoint->first_waiting;
            dequeue(connecting);
            start(connecting);
            list_if_it_may(connector, endpoint);
        }
    }
}

static void on_next_turn(struct timer *timer)
{
    struct connector *connector = (struct connector *)timer; /* its first member */
    connector->starts_left = MOST_STARTS_A_TURN;
    start_those_that_may(connector);
}

/* ---- ending ---- */

static void end_lingering(struct lingering *lingering)
{
    struct connector *connector = lingering->connector;
    *(lingering->previous != NULL ? &lingering->previous->next : &connector->lingering) =
        lingering->next;
    if (lingering->next != NULL) {
        lingering->next->previous = lingering->previous;
    }
    endpoint_unuse(lingering->endpoint);
    lookup_is_over(connector, lingering->endpoint);
    timer_cancel(&connector->loop->timers, &lingering->timer);
    memory_free(lingering);
}

static void on_lookup_over(struct timer *timer)
{
    struct lingering *lingering = (struct lingering *)timer; /* its first member */
    struct connector *connector = lingering->connector;
    end_lingering(lingering);
    start_those_that_may(connector);
}

static void let_linger(struct connecting *connecting, usec_t time)
{
    struct connector *connector = connecting->connector;
    struct lingering *lingering = MEMORY_NEW(struct lingering);
    timer_init(&lingering->timer, on_lookup_over);
    lingering->connector = connector;
    lingering->endpoint = connecting->settings.endpoint;
    lingering->endpoint->users++;
    lingering->next = connector->lingering;
    if (lingering->next != NULL) {
        lingering->next->previous = lingering;
    }
    connector->lingering = lingering;
    loop_timer(connector->loop, &lingering->timer, time);
}

enum outcome {
    CONNECT_DONE,
    CONNECT_FAILED, /* with an answer: from the resolver or the host */
    CONNECT_GIVEN_UP,
};

/* Has it taken long; or, of a lookup, have this and those before it? */
static bool has_hung(const struct connecting *connecting)
{
    usec_t since =
        connecting->looking_up ? connecting->settings.endpoint->asked_at : connecting->started_at;
    return connecting->connector->loop->now - since >= LONG_TIME;
}

static void stop_running(struct connecting *connecting, enum outcome outcome)
{
    struct connector *connector = connecting->connector;
    struct endpoint *endpoint = connecting->settings.endpoint;
    connector->taken.running--;
    endpoint->taken.running--;
    switch (outcome) {
    case CONNECT_DONE:
        endpoint->proven = true;
        lookup_was_answered(connecting);
        break;
    case CONNECT_FAILED:
        lookup_was_answered(connecting);
        break;
    case CONNECT_GIVEN_UP: {
        bool hung = has_hung(connecting);
        endpoint->proven = endpoint->proven && !hung;
        if (connecting->looking_up) {
            let_linger(connecting, hung ? LONG_LOOKUP_LINGERS : LOOKUP_LINGERS);
        }
        break;
    }
    }
    list_if_it_may(connector, endpoint);
}

/* libcurl's part is over, and with it an unused connection. */
static void drop_easy(struct connecting *connecting)
{
    connect_group_remove(connecting->group, connecting->easy);
    curl_easy_cleanup(connecting->easy);
    trust_give_back(connecting->trust);
}

static void adopt_plain(struct connecting *connecting, curl_socket_t fd)
{
    struct connector *connector = connecting->connector;
    connector->adopting = fd;
    drop_easy(connecting);
    assert(connector->adopting == -1); /* close_socket() was called */
    link_open_plain(connecting->link, fd);
}

/* Makes libcurl see the connection as in use, for it closes unused ones that have become readable,
 * as with a session ticket. Nothing else is there to be read. */
static bool hold_on(CURL *easy)
{
    char byte;
    size_t count;
    return curl_easy_recv(easy, &byte, sizeof(byte), &count) == CURLE_AGAIN;
}

static void adopt_tls(struct connecting *connecting, curl_socket_t fd)
{
    CURL *easy = connecting->easy;
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)INTAKE_BYTES); /* most that one read gives */
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
    link_open_tls(connecting->link, easy, connecting->group, connecting->trust, fd);
}

static void fail(struct connecting *connecting, CURLcode code)
{
    struct attempt_failure failure;
    struct connect_report report = {
        .code = code,
        .detail = connecting->detail,
        .allowed_addresses = connecting->allowed_addresses,
        .refused_addresses = connecting->refused_addresses,
        .refused_address = connecting->refused_address,
        .trust_error = connecting->trust_error.message,
    };
    (void)curl_easy_getinfo(connecting->easy, CURLINFO_OS_ERRNO, &report.os_errno);
    connect_fault_describe(connecting->settings.origin, &report, &failure);
    drop_easy(connecting);
    link_close(connecting->link);
    connecting->settings.done(connecting->settings.ctx, NULL, &failure);
}

static enum outcome outcome_of(CURLcode code)
{
    if (code == CURLE_OK) {
        return CONNECT_DONE;
    }
    return code == CURLE_OPERATION_TIMEDOUT ? CONNECT_GIVEN_UP : CONNECT_FAILED;
}

static void finish(struct connecting *connecting, CURLcode code)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    stop_running(connecting, outcome_of(code));
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(connecting->easy, CURLINFO_ACTIVESOCKET, &fd);
        bool tls = connecting->settings.origin->tls;
        if (fd == CURL_SOCKET_BAD || (tls && !hold_on(connecting->easy))) {
            code = CURLE_RECV_ERROR;
        }
    }
    if (code != CURLE_OK) {
        fail(connecting, code);
    } else {
        if (connecting->settings.origin->tls) {
            adopt_tls(connecting, fd);
        } else {
            adopt_plain(connecting, fd);
        }
        connecting->settings.done(connecting->settings.ctx, connecting->link, NULL);
    }
    memory_free(connecting);
}

static void on_worked(void *ctx, struct connect_group *group)
{
    struct connector *connector = ctx;
    struct CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(group->multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish((struct connecting *)private, code);
    }
    start_those_that_may(connector);
}

/* ---- public ---- */

static bool is_address(const char *host)
{
    struct in6_addr ignored; /* room for either kind */
    return inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
}

struct connector *connector_new(struct loop *loop)
{
    struct connector *connector = MEMORY_NEW(struct connector);
    timer_init(&connector->next_turn, on_next_turn);
    connector->starts_left = MOST_STARTS_A_TURN;
    connector->loop = loop;
    connector->adopting = -1;
    return connector;
}

void connector_free(struct connector *connector)
{
    assert(connector->taken.running == 0 && connector->waiting == 0 && connector->open_links == 0);
    while (connector->lingering != NULL) {
        end_lingering(connector->lingering);
    }
    on_next_turn(&connector->next_turn); /* starts none; but it empties the list */
    timer_cancel(&connector->loop->timers, &connector->next_turn);
    while (connector->groups != NULL) {
        struct connect_group *group = connector->groups;
        connector->groups = group->next;
        connect_group_free(group);
    }
    trust_list_fini(&connector->trusts);
    memory_free(connector);
}

struct connecting *connector_start(struct connector *connector,
                                   const struct connect_settings *settings)
{
    struct connecting *connecting = MEMORY_NEW(struct connecting);
    connecting->connector = connector;
    connecting->settings = *settings;
    settings->endpoint->is_address = is_address(settings->origin->host);
    enqueue(connecting);
    list_if_it_may(connector, settings->endpoint);
    start_those_that_may(connector);
    return connecting;
}

void connector_cancel(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    if (connecting->waiting) {
        dequeue(connecting);
    } else {
        stop_running(connecting, CONNECT_GIVEN_UP);
        drop_easy(connecting);
        link_close(connecting->link);
    }
    memory_free(connecting);
    start_those_that_may(connector);
}

void connector_refresh(struct connector *connector)
{
    trust_list_retire(&connector->trusts);
}

unsigned connector_running(const struct connector *connector)
{
    return connector->taken.running + connector->waiting;
}

unsigned connector_open_links(const struct connector *connector)
{
    return connector->open_links;
}
