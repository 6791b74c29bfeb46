/*
 * link_owner: the owner of a redis_link in a test: a loop, a clock that the test turns, and notes
 * of what was called back. And a peer on a raw socket that says exactly what a test wants.
 */
#pragma once

#include "base/memory.h"
#include "base/secret.h"
#include "limiter/redis_link.h"
#include "tests/support/redis_server.h"

#include <fcntl.h>
#include <poll.h>

#include <criterion/criterion.h>
#include <event2/event.h>

enum { OWNER_TEXTS = 8 };

struct owner {
    struct event_base *base;
    struct timer_queue timers;
    struct redis_address address;
    struct ssl_ctx_st *tls;
    struct redis_link *link;
    unsigned ups;
    unsigned replies;
    unsigned downs;
    struct redis_reply last; /* `text` is in `last_text` */
    char last_text[4096];    /* its first bytes */
    char why[1024];          /* of the last `down` */
    void (*in_up)(void);     /* what else to do in there; may be NULL */
    void (*in_reply)(void);
    void (*in_down)(void);
};

static struct owner owner;
static usec_t owner_clock = 1000 * SEC;

static inline usec_t owner_now(void)
{
    return owner_clock;
}

static inline void owner_up(void *ctx)
{
    cr_assert_eq(ctx, &owner);
    owner.ups++;
    if (owner.in_up != NULL) {
        owner.in_up();
    }
}

static inline void owner_reply(void *ctx, const struct redis_reply *reply)
{
    cr_assert_eq(ctx, &owner);
    owner.replies++;
    owner.last = *reply;
    (void)snprintf(owner.last_text, sizeof(owner.last_text), "%.*s", SLICE_ARG(reply->text));
    if (owner.in_reply != NULL) {
        owner.in_reply();
    }
}

static inline void owner_down(void *ctx, const char *why)
{
    cr_assert_eq(ctx, &owner);
    owner.downs++;
    (void)snprintf(owner.why, sizeof(owner.why), "%s", why);
    if (owner.in_down != NULL) {
        owner.in_down();
    }
}

/* `owner.address` has been filled in, `owner.tls` too where it is needed. */
static inline void owner_new_link(void)
{
    static const struct redis_link_ops ops = {owner_up, owner_reply, owner_down};
    owner.link = redis_link_new(&(struct redis_link_settings){
        .base = owner.base,
        .timers = &owner.timers,
        .now = owner_now,
        .address = &owner.address,
        .tls = owner.tls,
        .connect_timeout = 1 * SEC,
        .ops = &ops,
        .ctx = &owner,
    });
}

static inline void owner_set_up(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    owner.base = event_base_new();
}

static inline void owner_tear_down(void)
{
    redis_link_free(owner.link);
    event_base_free(owner.base);
    timer_queue_fini(&owner.timers);
}

static inline void owner_address_of(const struct redis_server *server)
{
    owner.address = (struct redis_address){
        .url_shown = "redis://SHOWN",
        .host = "127.0.0.1",
        .port = server->port,
    };
}

/* Turns that wait for nothing: what the kernel has is taken. */
static inline void owner_turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)event_base_loop(owner.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        (void)timer_queue_run(&owner.timers, owner_clock, 100);
    }
}

static inline void owner_too_late(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    *(bool *)ctx = true;
}

/* Turns until `*count` is at least `wanted`; the test fails if that takes 10 seconds. */
static inline void owner_until(const unsigned *count, unsigned wanted)
{
    bool late = false;
    struct timeval most = {.tv_sec = 10};
    struct event *alarm = evtimer_new(owner.base, owner_too_late, &late);
    (void)event_add(alarm, &most);
    while (*count < wanted && !late) {
        (void)event_base_loop(owner.base, EVLOOP_ONCE);
    }
    event_free(alarm);
    cr_assert_not(late, "still %u of %u; up %u, replies %u, down %u: %s", *count, wanted, owner.ups,
                  owner.replies, owner.downs, owner.why);
}

static inline void owner_open(void)
{
    redis_link_open(owner.link);
    cr_assert_eq(owner.ups + owner.downs, 0);
}

static inline void owner_come_up(void)
{
    unsigned ups = owner.ups;
    redis_link_open(owner.link);
    owner_until(&owner.ups, ups + 1);
}

/* Without flushing; words up to NULL. */
__attribute__((sentinel)) static inline void owner_write(const char *word, ...)
{
    struct buffer *out = redis_link_output(owner.link);
    const char *words[16];
    unsigned count = 0;
    va_list rest;
    va_start(rest, word);
    for (; word != NULL; word = va_arg(rest, const char *)) {
        words[count++] = word;
    }
    va_end(rest);
    cr_assert_eq(buffer_print(out, "*%u\r\n", count), STATUS_OK);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(buffer_print(out, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]), STATUS_OK);
    }
    redis_link_expect(owner.link, 1);
}

#define owner_send(...)                                                                            \
    do {                                                                                           \
        owner_write(__VA_ARGS__, NULL);                                                            \
        redis_link_flush(owner.link);                                                              \
    } while (0)

static inline void owner_saw_why(const char *part)
{
    cr_assert_eq(owner.downs, 1, "down %u times", owner.downs);
    cr_assert(strstr(owner.why, part) != NULL, "\"%s\" is not in \"%s\"", part, owner.why);
    cr_assert_eq(strncmp(owner.why, owner.address.url_shown, strlen(owner.address.url_shown)), 0,
                 "%s", owner.why);
    cr_assert(strstr(owner.why, "pass-word") == NULL, "%s", owner.why);
}

/* How often the bytes are in memory that can be written, without this function's own. Nobody else
 * runs here, so nothing moves. ASan keeps freed memory as it was. */
static inline unsigned copies_in_memory(const char *bytes, size_t len)
{
    enum { PIECE = 1024 * 1024 };
    char *piece = memory_alloc(PIECE);
    unsigned copies = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start;
        unsigned long end;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3 || mode[1] != 'w' ||
            end - start > 1UL << 30) { /* the sanitizer's shadow */
            continue;
        }
        for (unsigned long at = start; at < end; at += PIECE - len) {
            size_t want = end - at < PIECE ? end - at : PIECE;
            ssize_t count = pread(memory, piece, want, (off_t)at);
            const char *found = piece;
            while (count > 0 &&
                   (found = memmem(found, (size_t)(piece + count - found), bytes, len)) != NULL) {
                uintptr_t real = at + (uintptr_t)(found - piece);
                copies += real < (uintptr_t)piece || real >= (uintptr_t)piece + PIECE;
                found += len;
            }
        }
    }
    (void)fclose(maps);
    (void)close(memory);
    secret_wipe(piece, PIECE);
    memory_free(piece);
    return copies;
}

/* A listener of the test's own. */
struct peer {
    int listener;
    int fd; /* accepted, or -1 */
};

static inline void peer_listen(struct peer *peer, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    peer->fd = -1;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(peer->listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(peer->listener, backlog), 0);
    cr_assert_eq(getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
    owner.address = (struct redis_address){
        .url_shown = "redis://SHOWN", .host = "127.0.0.1", .port = ntohs(address.sin_port)};
}

static inline void peer_accept(struct peer *peer)
{
    peer->fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(peer->fd, 0);
}

static inline void peer_close(struct peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
        peer->fd = -1;
    }
}

/* All of it, while the link reads. */
static inline void peer_say(struct peer *peer, const void *bytes, size_t len)
{
    for (size_t sent = 0; sent < len && owner.downs == 0;) {
        ssize_t count = send(peer->fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        owner_turns(1);
    }
}

static inline void peer_say_text(struct peer *peer, const char *text)
{
    peer_say(peer, text, strlen(text));
}

/* Waits for bytes, while the loop turns; returns what there is, NUL-terminated. */
static inline const char *peer_hear(struct peer *peer, char *out, size_t size)
{
    ssize_t count = -1;
    for (unsigned i = 0; i < 5000 && count < 0; i++) {
        struct pollfd look = {.fd = peer->fd, .events = POLLIN};
        owner_turns(1);
        (void)poll(&look, 1, 2);
        count = recv(peer->fd, out, size - 1, 0);
    }
    out[count > 0 ? count : 0] = '\0';
    return out;
}

/* Opens the link and answers its login (a PING). */
static inline void peer_come_up(struct peer *peer)
{
    char heard[256];
    owner_open();
    owner_turns(3);
    peer_accept(peer);
    cr_assert_str_eq(peer_hear(peer, heard, sizeof(heard)), "*1\r\n$4\r\nPING\r\n");
    peer_say_text(peer, "+PONG\r\n");
    owner_until(&owner.ups, 1);
}
