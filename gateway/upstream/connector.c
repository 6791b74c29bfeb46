#include "gateway/upstream/connector.h"

#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/connect_fault.h"
#include "gateway/upstream/connect_group.h"
#include "gateway/upstream/connect_line.h"
#include "gateway/upstream/connect_proxy.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/intake.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/trust.h"
#include "routes/egress.h"
#include "routes/origin.h"
#include "routes/outbound_proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* To begin a connect costs up to 0.3 ms: a thread, or a TLS context. Not all of them in one turn.
 */
enum { MOST_STARTS_A_TURN = 4 };

struct connecting {
    struct connect_ticket ticket; /* first: see start_those_that_may() */
    struct connector *connector;  /* borrowed */
    struct connect_settings settings;
    CURL *easy; /* owned; NULL while it waits */
    struct connect_group *group;
    struct trust *trust; /* used */
    struct link *link;   /* owned; opened at the end */
    unsigned allowed_addresses;
    unsigned refused_addresses;
    char refused_address[INET6_ADDRSTRLEN];
    bool lacks_http2;   /* the peer's TLS */
    bool refused_host;  /* by its name, for a proxy would look it up */
    bool login_missing; /* that the proxy's secret should have */
    char detail[CURL_ERROR_SIZE];
    struct error trust_error;
};

struct connector {
    struct timer next_turn;       /* first: see on_next_turn() */
    unsigned starts_left;         /* in this turn */
    struct loop *loop;            /* borrowed */
    struct connect_group *groups; /* owned */
    struct trust_list trusts;
    struct connect_line line;
    unsigned open_links;
    int adopting; /* a socket that libcurl is about to give up and shall not close; or -1 */
};

/* ---- what libcurl asks ---- */

/* CURLOPT_OPENSOCKETFUNCTION: the egress guard, for each address after the lookup. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct connecting *connecting = ctx;
    (void)purpose;
    connect_line_answered(&connecting->connector->line, &connecting->ticket);
    if (connecting->refused_host || connecting->login_missing) {
        return CURL_SOCKET_BAD;
    }
    const struct egress_policy *egress = connecting->settings.origin->proxy != NULL
                                             ? egress_everywhere() /* the proxy's own address */
                                             : connecting->settings.egress;
    if (!egress_allows(egress, &address->addr)) {
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
    if (connecting->settings.origin->http2) {
        static const unsigned char protocols[] = "\x02h2";
        (void)SSL_CTX_set_alpn_protos(ssl_ctx, protocols, sizeof(protocols) - 1);
    }
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
    /* Knowing of HTTP/2, libcurl would frame what it only shall send: set_up_tls() asks for it. */
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, connecting->settings.origin->http2 ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, connecting->settings.origin->pins);
}

static void set_proxy(struct connecting *connecting)
{
    const struct origin *origin = connecting->settings.origin;
    bool by_proxy = origin->proxy != NULL;
    connecting->refused_host =
        by_proxy && !egress_allows_host(connecting->settings.egress, origin->host);
    connecting->login_missing = connect_proxy_set(connecting->easy, origin->proxy) != STATUS_OK;
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
    set_proxy(connecting);
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
    connecting->easy = curl_easy_init();
    assert(connecting->easy != NULL); /* only for want of memory */
    connecting->trust = trust_take(&connector->trusts, connecting->settings.origin);
    connecting->link = link_new(connector->loop, &connector->open_links);
    set_options(connecting);
    connecting->group = group_with_room(connector);
    connect_group_add(connecting->group, connecting->easy);
}

/* Never from libcurl's callbacks. */
static void start_those_that_may(void *ctx)
{
    struct connector *connector = ctx;
    struct connect_ticket *ticket;
    while (connector->starts_left > 0 && (ticket = connect_line_next(&connector->line)) != NULL) {
        connector->starts_left--;
        loop_timer(connector->loop, &connector->next_turn, 0);
        start((struct connecting *)ticket); /* its first member */
    }
}

static void on_next_turn(struct timer *timer)
{
    struct connector *connector = (struct connector *)timer; /* its first member */
    connector->starts_left = MOST_STARTS_A_TURN;
    start_those_that_may(connector);
}

/* ---- ending ---- */

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
 * as with a session ticket. Nothing else is there to be read, but over HTTP/2, where a server may
 * speak first: that byte is kept. */
static bool hold_on(struct connecting *connecting)
{
    struct link *link = connecting->link;
    size_t count = 0;
    CURLcode code =
        curl_easy_recv(connecting->easy, &link->first_byte, sizeof(link->first_byte), &count);
    link->has_first_byte = code == CURLE_OK && count == 1 && connecting->settings.origin->http2;
    return code == CURLE_AGAIN || link->has_first_byte;
}

static bool has_http2(const struct link *link)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    if (link->ssl != NULL) {
        SSL_get0_alpn_selected(link->ssl, &chosen, &len);
    }
    return len == 2 && memcmp(chosen, "h2", 2) == 0;
}

/* Of a TLS connection that libcurl has opened. */
static CURLcode check_tls(struct connecting *connecting)
{
    connecting->lacks_http2 = connecting->settings.origin->http2 && !has_http2(connecting->link);
    if (connecting->lacks_http2) {
        return CURLE_UNSUPPORTED_PROTOCOL;
    }
    return hold_on(connecting) ? CURLE_OK : CURLE_RECV_ERROR;
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
        .alert = connecting->link->alert,
        .lacks_http2 = connecting->lacks_http2,
        .refused_host = connecting->refused_host,
        .login_missing = connecting->login_missing,
        .trust_error = connecting->trust_error.message,
    };
    (void)curl_easy_getinfo(connecting->easy, CURLINFO_OS_ERRNO, &report.os_errno);
    (void)curl_easy_getinfo(connecting->easy, CURLINFO_HTTP_CONNECTCODE, &report.proxy_status);
    connect_fault_describe(connecting->settings.origin, &report, &failure);
    drop_easy(connecting);
    link_close(connecting->link);
    connecting->settings.done(connecting->settings.ctx, NULL, &failure);
}

static enum connect_outcome outcome_of(CURLcode code)
{
    if (code == CURLE_OK) {
        return CONNECT_DONE;
    }
    return code == CURLE_OPERATION_TIMEDOUT ? CONNECT_GIVEN_UP : CONNECT_FAILED;
}

static void finish(struct connecting *connecting, CURLcode code)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    connect_line_end(&connecting->connector->line, &connecting->ticket, outcome_of(code));
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(connecting->easy, CURLINFO_ACTIVESOCKET, &fd);
        if (fd == CURL_SOCKET_BAD) {
            code = CURLE_RECV_ERROR;
        } else if (connecting->settings.origin->tls) {
            code = check_tls(connecting);
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
        connect_group_ended(group, message->easy_handle);
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
    connect_line_init(&connector->line, loop, start_those_that_may, connector);
    connector->starts_left = MOST_STARTS_A_TURN;
    connector->loop = loop;
    connector->adopting = -1;
    return connector;
}

void connector_free(struct connector *connector)
{
    assert(connector->open_links == 0);
    connect_line_fini(&connector->line);
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
    const struct outbound_proxy *proxy = settings->origin->proxy;
    settings->endpoint->is_address =
        is_address(proxy != NULL ? proxy->host : settings->origin->host);
    connect_line_join(&connector->line, &connecting->ticket, settings->endpoint);
    start_those_that_may(connector);
    return connecting;
}

void connector_move(struct connecting *connecting, const struct origin *origin,
                    const struct egress_policy *egress)
{
    connecting->settings.origin = origin;
    connecting->settings.egress = egress;
}

void connector_cancel(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    if (connecting->ticket.waiting) {
        connect_line_leave(&connector->line, &connecting->ticket);
    } else {
        connect_line_end(&connector->line, &connecting->ticket, CONNECT_GIVEN_UP);
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
    return connector->line.taken.running + connector->line.waiting;
}

unsigned connector_open_links(const struct connector *connector)
{
    return connector->open_links;
}
