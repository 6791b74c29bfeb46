#include "limiter/redis_link_dial.h"

#include "limiter/redis_link.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

/* Once one family has addresses, the other is waited for no longer than this. */
#define OTHER_FAMILY (50 * MSEC)

static struct redis_dial *dial_of(struct timer *timer)
{
    return (struct redis_dial *)((char *)timer - offsetof(struct redis_dial, timer));
}

static long long spent_ms(const struct redis_dial *dial)
{
    return (long long)((dial->settings.now() - dial->started) / MSEC);
}

static void drop_socket(struct redis_dial *dial)
{
    if (dial->connected != NULL) {
        event_free(dial->connected);
        dial->connected = NULL;
    }
    if (dial->fd >= 0) {
        (void)close(dial->fd);
        dial->fd = -1;
    }
}

static void forget(struct redis_dial *dial)
{
    timer_cancel(dial->settings.timers, &dial->timer);
    redis_lookup_free(dial->lookup);
    dial->lookup = NULL;
    drop_socket(dial);
}

static void fail(struct redis_dial *dial, const char *format, ...) PRINTF_LIKE(2, 3);
static void fail(struct redis_dial *dial, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(dial->why, sizeof(dial->why), format, args);
    va_end(args);
    forget(dial);
    dial->state = DIAL_FAILED;
    event_active(dial->step, EV_TIMEOUT, 0);
}

static void fail_connect(struct redis_dial *dial, int error)
{
    switch (error) {
    case ECONNREFUSED:
        fail(dial, "connection refused; is it running, and listening there?");
        return;
    case ENOENT:
        fail(dial, "there is no such socket; is it running, with that `unixsocket`?");
        return;
    case EACCES:
        fail(dial, "no permission to connect; look at %s",
             dial->settings.address->host == NULL ? "the socket's owner and `unixsocketperm`"
                                                  : "the firewall");
        return;
    case EAGAIN:
        fail(dial, "its backlog is full; is it overloaded or stopped?");
        return;
    case ETIMEDOUT:
        fail(dial, "no connection within %lld ms; is that the right host, and no firewall between?",
             spent_ms(dial));
        return;
    default:
        fail(dial, "cannot connect: %s", strerrordesc_np(error));
        return;
    }
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value)); /* it works without, but worse */
}

/* A peer that vanished is noticed within half a minute, although nobody waits for it. */
static void set_options(int fd, int family)
{
    if (family == AF_UNIX) {
        return;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 25000);
}

static void on_connected(evutil_socket_t fd, short what, void *ctx);

/* 0: it is under way. */
static int begin_connect(struct redis_dial *dial, const struct sockaddr_storage *address)
{
    dial->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        return errno;
    }
    set_options(dial->fd, address->ss_family);
    if (connect(dial->fd, (const struct sockaddr *)address, redis_address_len(address)) != 0 &&
        errno != EINPROGRESS) {
        return errno;
    }
    dial->connected = event_new(dial->settings.base, dial->fd, EV_WRITE, on_connected, dial);
    bool waits = dial->connected != NULL && event_add(dial->connected, NULL) == 0;
    return waits ? 0 : ENOMEM;
}

/* Each address gets an equal part of the time that is left. `error` is of the one before. */
static void try_next(struct redis_dial *dial, int error)
{
    drop_socket(dial);
    dial->state = DIAL_CONNECTING;
    while (dial->next < dial->addresses.count) {
        usec_t now = dial->settings.now();
        unsigned left = dial->addresses.count - dial->next;
        error = begin_connect(dial, &dial->addresses.list[dial->next++]);
        if (error == 0) {
            timer_set(dial->settings.timers, &dial->timer, now + (dial->deadline - now) / left);
            return;
        }
        drop_socket(dial);
    }
    fail_connect(dial, error);
}

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
    struct redis_dial *dial = ctx;
    int error = 0;
    socklen_t len = sizeof(error);
    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        try_next(dial, error);
        return;
    }
    int connected = dial->fd;
    dial->fd = -1;
    forget(dial);
    dial->state = DIAL_IDLE;
    dial->settings.done(dial->settings.ctx, connected, NULL);
}

/* `enough`: what is known will do. */
static void look_at_answers(struct redis_dial *dial, bool enough)
{
    redis_lookup_found(dial->lookup, &dial->addresses);
    bool found = dial->addresses.count > 0;
    if (found && (enough || redis_lookup_done(dial->lookup))) {
        redis_lookup_free(dial->lookup);
        dial->lookup = NULL;
        try_next(dial, 0);
    } else if (redis_lookup_done(dial->lookup)) {
        fail(dial, "cannot resolve \"%.100s\": %s", dial->settings.address->host,
             redis_lookup_failure(dial->lookup));
    } else if (enough) {
        fail(dial,
             "cannot resolve \"%.100s\" within %lld ms; look at the name servers in "
             "/etc/resolv.conf",
             dial->settings.address->host, spent_ms(dial));
    } else if (found) {
        usec_t soon = dial->settings.now() + OTHER_FAMILY;
        timer_set(dial->settings.timers, &dial->timer,
                  soon < dial->deadline ? soon : dial->deadline);
    }
}

static void on_told(void *ctx)
{
    struct redis_dial *dial = ctx;
    event_active(dial->step, EV_TIMEOUT, 0);
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
    struct redis_dial *dial = ctx;
    (void)fd;
    (void)what;
    if (dial->state == DIAL_RESOLVING) {
        look_at_answers(dial, false);
    } else if (dial->state == DIAL_FAILED) {
        dial->state = DIAL_IDLE;
        dial->settings.done(dial->settings.ctx, -1, dial->why);
    }
}

static void on_timer(struct timer *timer)
{
    struct redis_dial *dial = dial_of(timer);
    if (dial->state == DIAL_RESOLVING) {
        look_at_answers(dial, true);
    } else if (dial->state == DIAL_CONNECTING) {
        try_next(dial, ETIMEDOUT);
    }
}

void redis_dial_init(struct redis_dial *dial, const struct redis_dial_settings *settings)
{
    *dial = (struct redis_dial){.settings = *settings, .fd = -1};
    timer_init(&dial->timer, on_timer);
    dial->step = event_new(settings->base, -1, 0, on_step, dial);
    assert(dial->step != NULL); /* fails for want of memory only */
}

void redis_dial_fini(struct redis_dial *dial)
{
    redis_dial_cancel(dial);
    event_free(dial->step);
}

void redis_dial_start(struct redis_dial *dial, usec_t timeout)
{
    const struct redis_address *address = dial->settings.address;
    assert(dial->state == DIAL_IDLE);
    dial->started = dial->settings.now();
    dial->deadline = dial->started + timeout;
    dial->next = 0;
    dial->addresses.count = 0;
    if (address->host == NULL) {
        struct sockaddr_un *path = (struct sockaddr_un *)&dial->addresses.list[0];
        *path = (struct sockaddr_un){.sun_family = AF_UNIX};
        (void)snprintf(path->sun_path, sizeof(path->sun_path), "%s", address->unix_path);
        dial->addresses.count = 1;
        try_next(dial, 0);
    } else if (redis_addresses_known(address->host, address->port, "/etc/hosts",
                                     &dial->addresses)) {
        try_next(dial, 0);
    } else {
        dial->state = DIAL_RESOLVING;
        timer_set(dial->settings.timers, &dial->timer, dial->deadline);
        dial->lookup = redis_lookup_new(&(struct redis_lookup_settings){
            .base = dial->settings.base,
            .host = address->host,
            .port = address->port,
            .name_server = dial->settings.name_server,
            .told = on_told,
            .ctx = dial,
        });
        if (redis_lookup_done(dial->lookup)) { /* it could not even ask */
            on_told(dial);
        }
    }
}

void redis_dial_cancel(struct redis_dial *dial)
{
    forget(dial);
    (void)event_del(dial->step);
    dial->state = DIAL_IDLE;
}
