/*
 * webhooks: events as Stripe signs them, each with an id of its own, posted over N connections;
 * each sends the next one when the last was acknowledged. One thread, none of the product's code.
 *
 *   bench_webhooks --port N --path /hooks/x --secret S [--connections N] [--body BYTES]
 *       --events N    so many; or --seconds N
 *       --rate N      open loop: events are due at a fixed rate, and a latency counts from when one
 *                     was due
 *       --warm N      seconds that are not counted
 *       --watch PID   also tells what that process used while it counted
 *
 * Prints one line of JSON. What is not answered 200 counts as refused.
 */
#include "bench/load/histogram.h"
#include "bench/load/process.h"
#include "bench/load/wire.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { READY_MAX = 256, HEAD_BYTES = 1024, BODY_MAX_BYTES = 1 << 20, INPUT_BYTES = 4096 };

struct connection {
    int fd;
    int64_t due; /* ns */
    size_t in_len;
    char in[INPUT_BYTES];
    struct connection *next_free;
};

static struct {
    unsigned port, connections;
    const char *path, *secret;
    size_t body;
    uint64_t events;
    double seconds, rate, warm;
    int watch;
} options = {.path = "/hooks/bench", .secret = "", .connections = 64, .body = 1024};

static struct {
    int epoll;
    struct connection *all, *free;
    char *out; /* head and body of one event */
    uint64_t sent, done, refused, errors, number;
    unsigned running;
    int64_t start, begin, end; /* ns; what is due between the last two counts */
    bool begun;
    struct process_use first;
    struct histogram latency;
} load;

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_webhooks: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void open_connection(struct connection *connection)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)options.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        die("cannot connect");
    }
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    (void)epoll_ctl(load.epoll, EPOLL_CTL_ADD, connection->fd, &event);
    connection->in_len = 0;
}

/* ---- an event ---- */

static size_t write_body(char *body)
{
    size_t len = (size_t)snprintf(body, options.body + 256,
                                  "{\"id\":\"evt_%d_%llu\",\"object\":\"event\",\"type\":"
                                  "\"invoice.paid\",\"data\":{\"object\":{\"id\":\"in_%llu\","
                                  "\"note\":\"",
                                  (int)getpid(), (unsigned long long)load.number,
                                  (unsigned long long)(load.number % 1000));
    load.number++;
    while (len + 4 < options.body) {
        body[len++] = 'x';
    }
    memcpy(body + len, "\"}}}", 4);
    return len + 4;
}

/* Of "TIME.BODY"; `signed_bytes` are these. */
static void sign(const char *signed_bytes, size_t len, char hex[65])
{
    unsigned char mac[32];
    unsigned mac_len = 0;
    (void)HMAC(EVP_sha256(), options.secret, (int)strlen(options.secret),
               (const unsigned char *)signed_bytes, len, mac, &mac_len);
    for (unsigned i = 0; i < mac_len; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    }
}

static void send_event(struct connection *connection, int64_t due)
{
    static char signed_bytes[BODY_MAX_BYTES + 512];
    char hex[65] = "";
    long long now = (long long)time(NULL);
    int before = snprintf(signed_bytes, 32, "%lld.", now);
    size_t body = write_body(signed_bytes + before);
    sign(signed_bytes, (size_t)before + body, hex);
    int head = snprintf(load.out, HEAD_BYTES,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Stripe/1.0\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                        "Stripe-Signature: t=%lld,v1=%s\r\n\r\n",
                        options.path, body, now, hex);
    memcpy(load.out + head, signed_bytes + before, body);
    size_t len = (size_t)head + body;
    connection->due = due;
    connection->in_len = 0;
    load.sent++;
    load.running++;
    if (send(connection->fd, load.out, len, MSG_NOSIGNAL) != (ssize_t)len) {
        die("an event does not fit into the socket");
    }
}

/* ---- its answer ---- */

static bool more_to_send(int64_t now)
{
    return options.events > 0 ? load.sent < options.events : now < load.end;
}

static void count(const struct connection *connection, int64_t now)
{
    bool acknowledged = strncmp(connection->in, "HTTP/1.1 200 ", 13) == 0;
    bool counts = connection->due >= load.begin && connection->due < load.end;
    load.running--;
    if (!acknowledged && load.errors++ < 3) {
        (void)fprintf(stderr, "bench_webhooks: %.*s\n", (int)strcspn(connection->in, "\r\n"),
                      connection->in);
    }
    if (counts && acknowledged) {
        load.done++;
        histogram_add(&load.latency, (uint64_t)(now - connection->due));
    } else if (counts) {
        load.refused++;
    }
}

static void put_free(struct connection *connection)
{
    connection->next_free = load.free;
    load.free = connection;
}

static void on_input(struct connection *connection)
{
    ssize_t count_read = recv(connection->fd, connection->in + connection->in_len,
                              sizeof(connection->in) - 1 - connection->in_len, 0);
    if (count_read <= 0) {
        (void)close(connection->fd);
        load.running--;
        load.errors++;
        open_connection(connection);
        put_free(connection);
        return;
    }
    connection->in_len += (size_t)count_read;
    connection->in[connection->in_len] = '\0';
    const char *end = strstr(connection->in, "\r\n\r\n");
    const char *length = end == NULL ? NULL : wire_field(connection->in, "content-length");
    size_t whole = end == NULL ? SIZE_MAX
                               : (size_t)(end + 4 - connection->in) +
                                     (length == NULL ? 0 : strtoul(length, NULL, 10));
    if (connection->in_len < whole) {
        return;
    }
    int64_t now = wire_now_ns();
    count(connection, now);
    if (options.rate > 0 || !more_to_send(now)) {
        put_free(connection);
    } else {
        send_event(connection, now);
    }
}

/* ---- the loop ---- */

/* Open loop: all that are due and have a connection. Returns how long to wait, in ms. */
static int send_due(int64_t now)
{
    double gap = 1e9 / options.rate;
    while (more_to_send(now)) {
        int64_t due = load.start + (int64_t)(gap * (double)load.sent);
        if (due > now) {
            return due - now > 1000000 ? (int)((due - now) / 1000000) : 0;
        }
        struct connection *connection = load.free;
        if (connection == NULL) {
            return 1; /* what waits for a connection is late, and counts as that */
        }
        load.free = connection->next_free;
        send_event(connection, due);
    }
    return 1;
}

static void begin_counting(int64_t now)
{
    if (!load.begun && now >= load.begin) {
        load.begun = true;
        load.first = process_measure(options.watch);
    }
}

static void run(void)
{
    struct epoll_event ready[READY_MAX];
    load.start = wire_now_ns();
    load.begin = load.start + (int64_t)(options.warm * 1e9);
    load.end = options.events > 0 ? INT64_MAX : load.begin + (int64_t)(options.seconds * 1e9);
    for (unsigned i = 0; i < options.connections && options.rate == 0; i++) {
        send_event(&load.all[i], load.start);
    }
    for (;;) {
        int64_t now = wire_now_ns();
        begin_counting(now);
        int wait = options.rate > 0 ? send_due(now) : 100;
        if (load.running == 0 && !more_to_send(now)) {
            return;
        }
        int count_ready = epoll_wait(load.epoll, ready, READY_MAX, wait);
        for (int i = 0; i < count_ready; i++) {
            on_input(ready[i].data.ptr);
        }
    }
}

static void report(void)
{
    struct process_use last = process_measure(options.watch);
    double seconds = (double)(wire_now_ns() - load.begin) / 1e9;
    double cpu = (double)(last.cpu_us - load.first.cpu_us);
    (void)printf("{\"acknowledged\":%llu,\"refused\":%llu,\"errors\":%llu,\"seconds\":%.2f,"
                 "\"per_second\":%.0f,\"cpu_us\":%.1f,\"rss_kib\":%llu,",
                 (unsigned long long)load.done, (unsigned long long)load.refused,
                 (unsigned long long)load.errors, seconds, (double)load.done / seconds,
                 load.done == 0 ? 0 : cpu / (double)load.done, (unsigned long long)last.rss_kib);
    histogram_print(&load.latency, stdout);
    (void)printf("}\n");
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", 1, NULL, 'p'},        {"path", 1, NULL, 'a'}, {"secret", 1, NULL, 's'},
        {"connections", 1, NULL, 'c'}, {"body", 1, NULL, 'b'}, {"events", 1, NULL, 'e'},
        {"seconds", 1, NULL, 't'},     {"rate", 1, NULL, 'r'}, {"warm", 1, NULL, 'w'},
        {"watch", 1, NULL, 'x'},       {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p':
            options.port = (unsigned)atoi(optarg);
            break;
        case 'a':
            options.path = optarg;
            break;
        case 's':
            options.secret = optarg;
            break;
        case 'c':
            options.connections = (unsigned)atoi(optarg);
            break;
        case 'b':
            options.body = strtoul(optarg, NULL, 10);
            break;
        case 'e':
            options.events = strtoull(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'w':
            options.warm = atof(optarg);
            break;
        case 'x':
            options.watch = atoi(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (options.port == 0 || options.connections == 0 || options.body > BODY_MAX_BYTES ||
        (options.events == 0 && options.seconds <= 0)) {
        (void)fprintf(stderr, "bench_webhooks: --port, and --events or --seconds\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.all = calloc(options.connections, sizeof(struct connection));
    load.out = malloc(HEAD_BYTES + BODY_MAX_BYTES + 512);
    if (load.all == NULL || load.out == NULL || load.epoll < 0) {
        die("cannot start");
    }
    for (unsigned i = 0; i < options.connections; i++) {
        open_connection(&load.all[i]);
        if (options.rate > 0) {
            put_free(&load.all[i]);
        }
    }
    run();
    report();
    free(load.all);
    free(load.out);
    return load.done > 0 ? 0 : 1;
}
