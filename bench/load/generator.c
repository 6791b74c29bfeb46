/*
 * generator: the load that every gateway gets. One thread, plain epoll, none of the product's code.
 *
 *   bench_generator --port N --key KEY [--path /bench/v1/x] [--connections N] [--seconds N]
 *       --rate N    open loop: requests are due at a fixed rate, and a latency counts from when a
 *                   request was due, not from when it could be sent; a stall is seen in full
 *       (no rate)   saturation: each connection sends the next request when it has its answer
 *       --sse PATH  streams: each connection reads one event stream after the other; latency is
 * from the event's own time stamp to its arrival
 *       --chat PATH streams, as --sse, each asked for by a POST of a chat with "stream": true
 *       --idle      opens the connections, sends one request on each, and holds them
 *       --warm N    seconds that are not counted
 *       --watch PID also tells what that process used while it counted
 *
 * Every answer's status, length and framing is checked. Prints one line of JSON.
 */
#include "bench/load/histogram.h"
#include "bench/load/process.h"
#include "bench/load/wire.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUEST_BODY_BYTES = 1024,
    ANSWER_BODY_BYTES = 2048,
    INPUT_BYTES = 64 << 10,
    REQUEST_BYTES = 4096,
    READY_MAX = 512,
    ERRORS_TOLD = 5,
};

enum mode { MODE_RATE, MODE_SATURATION, MODE_STREAMS, MODE_IDLE };

struct connection {
    int fd;
    bool busy;
    bool in_body;
    bool chunked;
    long long body_left; /* of the body, or of the chunk with its line end */
    size_t body_bytes;   /* so far */
    int64_t due;         /* ns: when the running request was due */
    size_t in_start, in_end;
    struct connection *next_free;
    char in[INPUT_BYTES];
};

static struct {
    enum mode mode;
    unsigned port;
    const char *key;
    const char *path;
    const char *sse;
    bool chat; /* sse is asked for by a POST */
    unsigned connections;
    double rate;
    double seconds;
    double warm;
    int watch;
} options = {.port = 0,
             .key = "",
             .path = "/v1/chat/completions",
             .connections = 32,
             .seconds = 3,
             .warm = 0.5,
             .mode = MODE_SATURATION};

static struct {
    int epoll;
    char request[REQUEST_BYTES];
    size_t request_len;
    struct connection *free;
    struct connection *all;
    int64_t begin, end; /* ns; what is due between them counts */
    unsigned running;
    bool begun;
    struct process_use before, first, last; /* at the start, at begin, at end */
    struct histogram latency;
    uint64_t done, events, event_bytes, streams, errors, late_start;
} load;

static bool counts(int64_t at)
{
    return at >= load.begin && at < load.end;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void complain(const char *what, const struct connection *connection)
{
    if (load.errors++ < ERRORS_TOLD) {
        (void)fprintf(stderr, "bench_generator: %s: %.*s\n", what,
                      (int)strcspn(connection->in + connection->in_start, "\r\n"),
                      connection->in + connection->in_start);
    }
}

static void open_connection(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("cannot connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    connection->fd = fd;
    connection->busy = false;
    connection->in_body = false;
    connection->in_start = 0;
    connection->in_end = 0;
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void put_free(struct connection *connection)
{
    connection->next_free = load.free;
    load.free = connection;
}

static void reopen(struct connection *connection)
{
    bool was_busy = connection->busy;
    close(connection->fd);
    open_connection(connection);
    if (was_busy) {
        load.running--;
        put_free(connection);
    }
}

static void send_request(struct connection *connection, int64_t due)
{
    connection->busy = true;
    load.running++;
    connection->due = due;
    connection->body_bytes = 0;
    if (send(connection->fd, load.request, load.request_len, MSG_NOSIGNAL) !=
        (ssize_t)load.request_len) {
        complain("a request could not be sent", connection);
        reopen(connection);
    }
}

static void finish_answer(struct connection *connection)
{
    int64_t at = wire_now_ns();
    connection->busy = false;
    connection->in_body = false;
    load.running--;
    if (options.mode == MODE_STREAMS) {
        load.streams += counts(at);
    } else if (connection->body_bytes != ANSWER_BODY_BYTES) {
        complain("an answer has the wrong length", connection);
    } else if (counts(options.mode == MODE_RATE ? connection->due : at)) {
        load.done++;
        histogram_add(&load.latency, (uint64_t)(at - connection->due));
    }
    put_free(connection);
}

/* False: not whole yet. */
static bool take_head(struct connection *connection)
{
    char *head = connection->in + connection->in_start;
    connection->in[connection->in_end] = '\0';
    char *end = strstr(head, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    end[2] = '\0';
    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0) {
        complain("an answer is not 200", connection);
    }
    const char *length = wire_field(head, "Content-Length");
    connection->chunked = length == NULL;
    connection->body_left = length == NULL ? 0 : strtoll(length, NULL, 10);
    connection->in_body = true;
    connection->in_start += (size_t)(end - head) + 4;
    return true;
}

/* Each event carries the time at which it was written. */
static void note_events(const char *bytes, size_t len)
{
    int64_t at = wire_now_ns();
    load.event_bytes += counts(at) ? len : 0;
    for (const char *rest = bytes; len > 0;) {
        const char *mark = memmem(rest, len, "\"t\":", 4);
        if (mark == NULL) {
            return;
        }
        if (counts(at)) {
            int64_t written = strtoll(mark + 4, NULL, 10) * 1000;
            load.events++;
            histogram_add(&load.latency, at > written ? (uint64_t)(at - written) : 0);
        }
        len -= (size_t)(mark + 4 - rest);
        rest = mark + 4;
    }
}

static void take_bytes(struct connection *connection, size_t len)
{
    if (options.mode == MODE_STREAMS) {
        note_events(connection->in + connection->in_start, len);
    }
    connection->body_bytes += len;
    connection->body_left -= (long long)len;
    connection->in_start += len;
}

/* The size line of a chunk; false: not whole yet. A chunk's line end is read with the next size. */
static bool take_chunk_size(struct connection *connection)
{
    char *line = connection->in + connection->in_start;
    connection->in[connection->in_end] = '\0';
    size_t skip = connection->body_bytes > 0 && line[0] == '\r' ? 2 : 0;
    if (connection->in_start + skip >= connection->in_end) {
        return false;
    }
    char *end = strstr(line + skip, "\r\n");
    if (end == NULL) {
        return false;
    }
    connection->body_left = strtoll(line + skip, NULL, 16);
    if (connection->body_left > 0) {
        connection->in_start += (size_t)(end - line) + 2;
        return true;
    }
    if (connection->in_start + (size_t)(end - line) + 4 > connection->in_end) {
        return false; /* the empty line behind the last chunk; no one sends trailers here */
    }
    connection->in_start += (size_t)(end - line) + 4;
    finish_answer(connection);
    return true;
}

/* Goes over what has come; an event may be split only between two reads, never in a chunk. */
static void take_input(struct connection *connection)
{
    while (connection->in_start < connection->in_end && connection->busy) {
        size_t have = connection->in_end - connection->in_start;
        if (!connection->in_body) {
            if (!take_head(connection)) {
                break;
            }
        } else if (connection->body_left > 0) {
            bool whole = (long long)have >= connection->body_left;
            if (!whole && options.mode == MODE_STREAMS && have < INPUT_BYTES / 2) {
                break; /* wait for the rest of the chunk, so that each time stamp is whole */
            }
            take_bytes(connection, whole ? (size_t)connection->body_left : have);
        } else if (connection->chunked && !take_chunk_size(connection)) {
            break;
        }
        if (connection->busy && connection->in_body && !connection->chunked &&
            connection->body_left == 0) {
            finish_answer(connection);
        }
    }
    size_t left = connection->in_end - connection->in_start;
    memmove(connection->in, connection->in + connection->in_start, left);
    connection->in_start = 0;
    connection->in_end = left;
}

static void on_readable(struct connection *connection)
{
    size_t room = sizeof(connection->in) - 1 - connection->in_end;
    ssize_t got = recv(connection->fd, connection->in + connection->in_end, room, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        if (connection->busy || options.mode == MODE_IDLE) {
            complain("a connection was closed", connection);
        }
        reopen(connection);
        return;
    }
    connection->in_end += (size_t)got;
    take_input(connection);
}

static void poll_for(int64_t wait)
{
    if (!load.begun && wire_now_ns() >= load.begin) {
        load.begun = true;
        load.first = process_measure(options.watch);
    }
    struct epoll_event ready[READY_MAX];
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    int count = epoll_pwait2(load.epoll, ready, READY_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        on_readable(ready[i].data.ptr);
    }
}

static struct connection *take_free(void)
{
    struct connection *connection = load.free;
    load.free = connection->next_free;
    return connection;
}

/* Request i is due at begin + i / rate, whether or not a connection is free then. */
static void run_rate(int64_t start)
{
    double gap = 1e9 / options.rate;
    uint64_t sent = 0;
    for (;;) {
        int64_t time = wire_now_ns();
        int64_t due = start + (int64_t)((double)sent * gap);
        while (due <= time && due < load.end && load.free != NULL) {
            load.late_start += time - due > 1000000;
            send_request(take_free(), due);
            due = start + (int64_t)((double)++sent * gap);
        }
        if (due >= load.end && (load.running == 0 || time > load.end + 2000000000)) {
            load.errors += load.running;
            return;
        }
        int64_t wait = load.free == NULL || due >= load.end ? 10000000 : due - wire_now_ns();
        poll_for(wait > 0 ? wait : 0);
    }
}

static void run_closed(void)
{
    while (wire_now_ns() < load.end) {
        while (load.free != NULL) {
            send_request(take_free(), wire_now_ns());
        }
        poll_for(10000000);
    }
}

static void run_idle(void)
{
    for (unsigned i = 0; i < options.connections; i++) {
        struct connection *connection = take_free();
        send_request(connection, wire_now_ns());
        while (connection->busy) {
            poll_for(10000000);
        }
        (void)take_free(); /* the one that has just answered */
    }
    load.end = wire_now_ns() + (int64_t)(options.seconds * 1e9);
    while (wire_now_ns() < load.end) {
        poll_for(10000000);
    }
}

static void prepare_request(void)
{
    char body[REQUEST_BODY_BYTES + 1];
    bool streams = options.mode == MODE_STREAMS;
    bool gets = streams && !options.chat;
    int used =
        snprintf(body, sizeof(body),
                 "{\"model\":\"gpt-4o\",%s\"messages\":[{\"role\":\"user\","
                 "\"content\":\"",
                 streams ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "");
    memset(body + used, 'y', sizeof(body) - (size_t)used);
    memcpy(body + REQUEST_BODY_BYTES - 4, "\"}]}", 4);
    int len = snprintf(load.request, sizeof(load.request),
                       "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\n"
                       "User-Agent: bench/1.0\r\nAccept: application/json\r\n",
                       gets ? "GET" : "POST", streams ? options.sse : options.path, options.port,
                       options.key);
    size_t room = sizeof(load.request) - (size_t)len;
    len += gets ? snprintf(load.request + len, room, "\r\n")
                : snprintf(load.request + len, room,
                           "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s",
                           REQUEST_BODY_BYTES, REQUEST_BODY_BYTES, body);
    load.request_len = (size_t)len;
}

static void open_all(void)
{
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.all = calloc(options.connections, sizeof(*load.all));
    for (unsigned i = 0; i < options.connections; i++) {
        open_connection(&load.all[i]);
        put_free(&load.all[i]);
    }
}

static void print_result(void)
{
    double seconds = (double)(load.end - load.begin) / 1e9;
    uint64_t count = options.mode == MODE_STREAMS ? load.events : load.done;
    (void)printf("{\"count\":%llu,\"per_second\":%.1f,\"streams\":%llu,\"errors\":%llu,"
                 "\"late\":%llu,\"seconds\":%.2f,",
                 (unsigned long long)count, (double)count / seconds,
                 (unsigned long long)load.streams, (unsigned long long)load.errors,
                 (unsigned long long)load.late_start, seconds);
    (void)printf("\"cpu_us\":%llu,\"rss_before_kib\":%llu,\"rss_kib\":%llu,",
                 (unsigned long long)(load.last.cpu_us - load.first.cpu_us),
                 (unsigned long long)load.before.rss_kib, (unsigned long long)load.last.rss_kib);
    histogram_print(&load.latency, stdout);
    (void)printf("}\n");
}

static bool parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"key", required_argument, NULL, 'k'},
        {"path", required_argument, NULL, 'a'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'},
        {"sse", required_argument, NULL, 'e'},     {"chat", required_argument, NULL, 'h'},
        {"warm", required_argument, NULL, 'w'},    {"idle", no_argument, NULL, 'i'},
        {"watch", required_argument, NULL, 'x'},   {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p':
            options.port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            options.key = optarg;
            break;
        case 'a':
            options.path = optarg;
            break;
        case 'c':
            options.connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'r':
            options.rate = strtod(optarg, NULL);
            options.mode = MODE_RATE;
            break;
        case 'h':
        case 'e':
            options.sse = optarg;
            options.chat = option == 'h';
            options.mode = MODE_STREAMS;
            break;
        case 'w':
            options.warm = strtod(optarg, NULL);
            break;
        case 'x':
            options.watch = (int)strtol(optarg, NULL, 10);
            break;
        case 'i':
            options.mode = MODE_IDLE;
            break;
        default:
            return false;
        }
    }
    return options.port != 0 && options.connections > 0;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        (void)fputs("usage: see the head of generator.c\n", stderr);
        return 2;
    }
    prepare_request();
    load.before = process_measure(options.watch);
    open_all();
    int64_t start = wire_now_ns();
    load.begin = start + (int64_t)(options.warm * 1e9);
    load.end = load.begin + (int64_t)(options.seconds * 1e9);
    switch (options.mode) {
    case MODE_RATE:
        run_rate(start);
        break;
    case MODE_SATURATION:
    case MODE_STREAMS:
        run_closed();
        break;
    case MODE_IDLE:
        run_idle();
        break;
    }
    load.last = process_measure(options.watch);
    print_result();
    return load.errors == 0 ? 0 : 1;
}
