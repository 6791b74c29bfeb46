/*
 * Connecting: names, the egress guard, certificates, deadlines; and that a name lookup that hangs
 * holds up nobody. The resolver is replaced by the one below.
 */
#include "gateway/upstream/connect_line.h"
#include "gateway/upstream/connector.h"
#include "tests/unit/gateway/upstream/certificates.h"
#include "tests/unit/gateway/upstream/rig.h"

#include <netdb.h>

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* ---- the resolver: what libcurl's thread calls ---- */

static atomic_uint lookups;       /* that were begun */
static atomic_uint lookups_ended; /* of names that hang */
static atomic_bool let_go;        /* those that hang end */

static struct addrinfo *new_address(const char *text, int port)
{
    struct addrinfo *info = MEMORY_NEW(struct addrinfo);
    struct sockaddr_in *address = MEMORY_NEW(struct sockaddr_in);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    (void)inet_pton(AF_INET, text, &address->sin_addr);
    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)address;
    info->ai_addrlen = sizeof(*address);
    return info;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    int port = service == NULL ? 0 : (int)strtol(service, NULL, 10);
    (void)hints;
    atomic_fetch_add(&lookups, 1);
    if (strstr(node, "hangs.test") != NULL) {
        for (int i = 0; i < 1000 && !atomic_load(&let_go); i++) {
            peer_sleep(5);
        }
        atomic_fetch_add(&lookups_ended, 1);
        return EAI_AGAIN;
    }
    if (strcmp(node, "metadata.test") == 0) {
        *ret = new_address("169.254.169.254", port);
        return 0;
    }
    if (strcmp(node, "both.test") == 0) { /* one that is refused, and one that is not */
        *ret = new_address("10.0.0.1", port);
        (*ret)->ai_next = new_address("127.0.0.1", port);
        return 0;
    }
    if (strcmp(node, "localhost") == 0 || strcmp(node, "api.test") == 0) {
        *ret = new_address("127.0.0.1", port);
        return 0;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        memory_free(info->ai_addr);
        memory_free(info);
        info = next;
    }
}

/* ---- the fixture ---- */

static struct rig rig;
static struct peer peer;
static struct call call;
static struct authority authority;

static void say_hello(struct peer_connection *connection)
{
    while (peer_head(connection)) {
        (void)peer_say(connection, HELLO);
    }
}

static void set_up(const char *alternatives)
{
    authority_init(&authority, "test CA");
    peer.at_once = true;
    peer_start(&peer, say_hello,
               alternatives == NULL ? NULL : authority_server(&authority, alternatives));
    rig_init(&rig);
}

static void tear_down(void)
{
    cr_assert_eq(upstream_side_counts(rig.side).connecting, 0);
    rig_fini(&rig);
    peer_stop(&peer);
    authority_fini(&authority);
}

static bool says(const struct call *of, const char *text)
{
    return strstr(of->failure.message, text) != NULL;
}

/* ---- names and addresses ---- */

Test(connector, resolves_a_name)
{
    set_up(NULL);
    call_prepare(&call, &rig, "api.test", peer.port, NULL);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

Test(connector, says_that_a_name_does_not_resolve)
{
    set_up(NULL);
    call_prepare(&call, &rig, "no.such.test", peer.port, NULL);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(says(&call, "no.such.test does not resolve"), "%s", call.failure.message);
    cr_assert_not(call.failure.sent);
    cr_assert_not(call.failure.lasting);
    tear_down();
}

Test(connector, says_that_nobody_listens)
{
    set_up(NULL);
    struct peer other = {0};
    peer_start(&other, say_hello, NULL);
    unsigned port = other.port;
    peer_stop(&other);
    call_prepare(&call, &rig, "127.0.0.1", port, NULL);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(says(&call, "Connection refused"), "%s", call.failure.message);
    cr_assert_not(call.failure.lasting);
    tear_down();
}

Test(connector, ignores_the_environments_proxy)
{
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    set_up(NULL);
    call_prepare(&call, &rig, "127.0.0.1", peer.port, NULL);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

/* ---- the egress guard ---- */

static void is_refused(const char *host, const char *address)
{
    static const struct egress_policy nothing_private = {0};
    call_prepare(&call, &rig, host, peer.port, NULL);
    call.request.egress = &nothing_private;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_EGRESS_REFUSED);
    cr_assert(call.failure.lasting);
    cr_assert(says(&call, address), "%s", call.failure.message);
    cr_assert(says(&call, "egress.allow_private"), "%s", call.failure.message);
    cr_assert_not(call.failure.sent);
}

Test(connector, refuses_addresses_that_are_not_allowed)
{
    set_up(NULL);
    is_refused("127.0.0.1", "127.0.0.1");
    is_refused("localhost", "1, which"); /* ::1 or 127.0.0.1: libcurl knows this name itself */
    is_refused("metadata.test", "169.254.169.254");
    cr_assert_eq(atomic_load(&peer.connections), 0);
    tear_down();
}

Test(connector, takes_the_address_that_is_allowed)
{
    set_up(NULL);
    call_prepare(&call, &rig, "both.test", peer.port, NULL);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

/* ---- TLS ---- */

Test(connector, verifies_with_the_routes_own_ca)
{
    set_up("DNS:localhost");
    call_prepare(&call, &rig, "localhost", peer.port, authority.file);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

/* In a directory as c_rehash(1) makes it. */
Test(connector, verifies_with_the_systems_certificates)
{
    char folder[] = "/tmp/sallyport-certs-XXXXXX";
    char link[64];
    set_up("DNS:localhost");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(link, sizeof(link), "%s/%08lx.0", folder,
                   X509_subject_name_hash(authority.certificate));
    cr_assert_eq(symlink(authority.file, link), 0);
    (void)setenv("SSL_CERT_DIR", folder, 1);
    call_prepare(&call, &rig, "localhost", peer.port, NULL);
    call.origin.tls = true;
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    (void)unlink(link);
    (void)rmdir(folder);
    tear_down();
}

Test(connector, verifies_with_the_file_that_the_environment_names)
{
    set_up("DNS:localhost");
    (void)setenv("SSL_CERT_FILE", authority.file, 1);
    call_prepare(&call, &rig, "localhost", peer.port, NULL);
    call.origin.tls = true;
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    tear_down();
}

Test(connector, refuses_a_certificate_that_nobody_believed_signed)
{
    set_up("DNS:localhost");
    call_prepare(&call, &rig, "localhost", peer.port, NULL); /* the system's certificates */
    call.origin.tls = true;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(says(&call, "certificate of localhost does not verify: "), "%s",
              call.failure.message);
    cr_assert(says(&call, "tls.ca"), "%s", call.failure.message);
    cr_assert_eq(atomic_load(&peer.requests), 0);
    cr_assert(call.failure.lasting);
    tear_down();
}

Test(connector, refuses_a_certificate_for_another_name)
{
    set_up("DNS:other.test");
    call_prepare(&call, &rig, "localhost", peer.port, authority.file);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(says(&call, "certificate of localhost does not verify: "), "%s",
              call.failure.message);
    cr_assert_eq(atomic_load(&peer.requests), 0);
    cr_assert(call.failure.lasting);
    tear_down();
}

Test(connector, says_that_a_ca_file_is_of_no_use)
{
    set_up("DNS:localhost");
    call_prepare(&call, &rig, "localhost", peer.port, "/nonexistent/ca.pem");
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    cr_assert(says(&call, "/nonexistent/ca.pem: no certificates"), "%s", call.failure.message);
    cr_assert(call.failure.lasting);
    tear_down();
}

Test(connector, does_not_share_links_between_ca_files)
{
    struct authority other;
    authority_init(&other, "other CA");
    set_up("DNS:localhost");
    call_prepare(&call, &rig, "localhost", peer.port, authority.file);
    call_perform(&call);
    ASSERT_ANSWER(call, 200, "hello");
    call_prepare(&call, &rig, "localhost", peer.port, other.file);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE);
    authority_fini(&other);
    tear_down();
}

/* Connections one after the other, none kept. */
static void connect_again_and_again(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        call_prepare(&call, &rig, "localhost", peer.port, authority.file);
        call_perform(&call);
        cr_assert_eq(call.result, ATTEMPT_END, "%s", call.failure.message);
        rig_pass(&rig, 10 * MSEC);
        upstream_side_close_idle(rig.side);
    }
}

static void say_goodbye(struct peer_connection *connection)
{
    if (peer_head(connection)) {
        (void)peer_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                                   "Connection: close\r\n\r\n");
    }
}

Test(connector, resumes_tls_sessions)
{
    authority_init(&authority, "test CA");
    peer_start(&peer, say_goodbye, authority_server(&authority, "DNS:localhost"));
    rig_init(&rig);
    for (int i = 0; i < 4; i++) {
        call_prepare(&call, &rig, "localhost", peer.port, authority.file);
        call_perform(&call);
        ASSERT_ANSWER(call, 200, "");
    }
    cr_assert_eq(atomic_load(&peer.connections), 4);
    cr_assert_eq(atomic_load(&peer.resumed), 3);
    tear_down();
}

Test(connector, reads_the_ca_file_again_when_it_has_changed)
{
    struct authority other;
    authority_init(&other, "other CA");
    set_up("DNS:localhost");
    connect_again_and_again(2);
    cr_assert_eq(rename(other.file, authority.file), 0);
    call_prepare(&call, &rig, "localhost", peer.port, authority.file);
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_UNREACHABLE); /* no session of before helps */
    authority_fini(&other);
    tear_down();
}

/* More links than one multi holds. */
Test(connector, holds_many_tls_links_at_once)
{
    enum { LINKS = 50 };
    struct call *calls = memory_alloc(LINKS * sizeof(struct call));
    set_up("DNS:localhost");
    for (int i = 0; i < LINKS; i++) {
        call_prepare(&calls[i], &rig, "localhost", peer.port, authority.file);
        call_start(&calls[i]);
    }
    for (int i = 0; i < LINKS; i++) {
        cr_assert(call_await_head(&calls[i]));
    }
    cr_assert_eq(upstream_side_counts(rig.side).open, LINKS);
    for (int i = 0; i < LINKS; i++) {
        while (call_read(&calls[i], SIZE_MAX)) {
        }
        call_end(&calls[i]);
        ASSERT_ANSWER(calls[i], 200, "hello");
    }
    memory_free(calls);
    tear_down();
}

/* ---- what hangs ---- */

/* Lets the lookups end, so that their threads leave nothing behind. */
static void await_lookups(unsigned hanging)
{
    atomic_store(&let_go, true);
    for (int i = 0; i < 400 && atomic_load(&lookups_ended) < hanging; i++) {
        peer_sleep(5);
    }
    peer_sleep(50);
}

Test(connector, a_lookup_that_hangs_is_a_timeout_and_stalls_nobody)
{
    static struct call other;
    set_up(NULL);
    call_prepare(&call, &rig, "hangs.test", 80, NULL);
    call.request.timeouts.connect = 300 * MSEC;
    call_start(&call);
    const struct http1_response *response;
    rig.loop.longest_turn = 0;
    usec_t start = clock_now();
    for (int i = 0; i < 20; i++) {
        call_prepare(&other, &rig, "api.test", peer.port, NULL);
        call_perform(&other);
        ASSERT_ANSWER(other, 200, "hello");
    }
    cr_assert_eq(attempt_head(call.attempt, &response), ATTEMPT_PENDING);
    cr_assert_not(call_await_head(&call));
    ASSERT_FAULT(call, ATTEMPT_TIMEOUT_CONNECT);
    cr_assert_lt(clock_now() - start, 2 * SEC);
    call_end(&call);
    cr_assert_lt(rig.loop.longest_turn, 100 * MSEC);
    cr_assert_eq(atomic_load(&lookups_ended), 0, "it has waited for the lookup");
    await_lookups(1);
    tear_down();
}

Test(connector, a_lookup_can_be_cancelled_at_once)
{
    set_up(NULL);
    call_prepare(&call, &rig, "hangs.test", 80, NULL);
    call_start(&call);
    rig_pass(&rig, 50 * MSEC);
    cr_assert_eq(atomic_load(&lookups), 1);
    usec_t start = clock_now();
    call_end(&call);
    cr_assert_lt(clock_now() - start, 50 * MSEC);
    await_lookups(1);
    tear_down();
}

Test(connector, hanging_lookups_of_one_name_are_few)
{
    enum { CALLS = 40 };
    struct call *calls = memory_alloc(CALLS * sizeof(struct call));
    static struct call other;
    set_up(NULL);
    for (int i = 0; i < CALLS; i++) {
        call_prepare(&calls[i], &rig, "hangs.test", 80, NULL);
        call_start(&calls[i]);
    }
    rig_pass(&rig, 50 * MSEC);
    cr_assert_eq(atomic_load(&lookups), CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
    cr_assert_eq(upstream_side_counts(rig.side).connecting, CALLS);
    call_prepare(&other, &rig, "api.test", peer.port, NULL);
    call_perform(&other);
    ASSERT_ANSWER(other, 200, "hello");

    for (int i = CALLS; i-- > 0;) { /* those that wait in line, first */
        call_end(&calls[i]);
    }
    cr_assert_eq(upstream_side_counts(rig.side).connecting, 0);
    await_lookups(atomic_load(&lookups) - 1);
    memory_free(calls);
    tear_down();
}

/* A listener whose queue is full: the handshake gets no answer. */
Test(connector, a_connect_that_hangs_is_a_timeout)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fillers[4];
    set_up(NULL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 0), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    call_prepare(&call, &rig, "127.0.0.1", ntohs(address.sin_port), NULL);
    call.request.timeouts.connect = 200 * MSEC;
    call_perform(&call);
    ASSERT_FAULT(call, ATTEMPT_TIMEOUT_CONNECT);
    cr_assert_not(call.failure.sent);
    for (int i = 0; i < 4; i++) {
        (void)close(fillers[i]);
    }
    (void)close(listener);
    tear_down();
}
