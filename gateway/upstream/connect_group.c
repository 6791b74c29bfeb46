#include "gateway/upstream/connect_group.h"

#include "base/memory.h"
#include "gateway/loop/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

/*
 * A socket that libcurl waits for. Kept for the next one: libcurl gives a socket up from within
 * the event's own callback, where nothing is freed.
 *
 * libcurl 7.88 closes a socket that is still connecting before it gives it up here, when its number
 * may be another thread's already. So a descriptor of our own is watched.
 */
struct connect_watch {
    struct event event;
    CURL *easy;                  /* whose it is; borrowed; NULL: it has ended */
    curl_socket_t socket;        /* libcurl's */
    int fd;                      /* a duplicate of it; -1: watches nothing */
    struct connect_group *group; /* borrowed */
    struct connect_watch *next;
};

/*
 * libcurl 7.88 that was refused by one of a host's addresses, or has waited for it long enough,
 * gives its socket up and turns to the next address when it is called again: for which it asks much
 * later, or not at all. Any change of what is paused makes it look at the handle in the next turn.
 */
static void go_on(struct connect_group *group)
{
    for (struct connect_watch *watch = group->watches; watch != NULL; watch = watch->next) {
        CURL *easy = watch->fd < 0 ? TAKE(watch->easy) : NULL;
        if (easy != NULL) {
            (void)curl_easy_pause(easy, CURLPAUSE_RECV);
            (void)curl_easy_pause(easy, CURLPAUSE_CONT);
        }
    }
}

static void act(struct connect_group *group, curl_socket_t socket, int what)
{
    int running;
    loop_woken(group->loop);
    CURLMcode code = curl_multi_socket_action(group->multi, socket, what, &running);
    assert(code == CURLM_OK);
    (void)code;
    group->worked(group->ctx, group);
    go_on(group);
}

/* A handshake costs as much as hundreds of requests. When many are due in one turn, most have to
 * wait for the next: their sockets stay ready. */
static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct connect_watch *watch = ctx;
    (void)fd;
    if (loop_used_up(watch->group->loop)) {
        return;
    }
    int action = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                 ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    act(watch->group, watch->socket, action);
}

static void on_timer(struct timer *timer)
{
    struct connect_group *group = (struct connect_group *)timer; /* its first member */
    act(group, CURL_SOCKET_TIMEOUT, 0);
}

static struct connect_watch *free_watch(struct connect_group *group)
{
    struct connect_watch *watch = group->watches;
    while (watch != NULL && watch->fd >= 0) {
        watch = watch->next;
    }
    if (watch == NULL) {
        watch = MEMORY_NEW(struct connect_watch);
        *watch = (struct connect_watch){.fd = -1, .group = group, .next = group->watches};
        group->watches = watch;
    }
    return watch;
}

static void watch_nothing(struct connect_watch *watch)
{
    if (watch->fd >= 0) {
        (void)event_del(&watch->event);
        if (watch->fd != watch->socket) {
            (void)close(watch->fd);
        }
        watch->fd = -1;
    }
}

/* Where there is no descriptor left, the socket itself has to do. */
static int watch_socket(struct connect_watch *watch, curl_socket_t socket, short events)
{
    if (watch->fd < 0) {
        int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
        watch->fd = fd >= 0 ? fd : socket;
        watch->socket = socket;
    } else {
        (void)event_del(&watch->event);
    }
    int failed =
        event_assign(&watch->event, watch->group->loop->base, watch->fd, events, on_event, watch);
    return failed != 0 || event_add(&watch->event, NULL) != 0 ? -1 : 0;
}

/* CURLMOPT_SOCKETFUNCTION */
static int set_watch(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
    struct connect_group *group = ctx;
    struct connect_watch *watch = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            (void)curl_multi_assign(group->multi, socket, NULL);
            watch_nothing(watch);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = free_watch(group);
        watch->easy = easy;
        (void)curl_multi_assign(group->multi, socket, watch);
    }
    int events = EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0);
    return watch_socket(watch, socket, (short)events);
}

/* CURLMOPT_TIMERFUNCTION */
static int set_timer(CURLM *multi, long after_ms, void *ctx)
{
    struct connect_group *group = ctx;
    (void)multi;
    if (after_ms < 0) {
        timer_stop(&group->timer);
    } else {
        loop_timer(group->loop, &group->timer, after_ms * MSEC);
    }
    return 0;
}

struct connect_group *connect_group_new(struct loop *loop,
                                        void (*worked)(void *ctx, struct connect_group *group),
                                        void *ctx)
{
    struct connect_group *group = MEMORY_NEW(struct connect_group);
    timer_init(&group->timer, on_timer);
    group->loop = loop;
    group->worked = worked;
    group->ctx = ctx;
    group->multi = curl_multi_init();
    assert(group->multi != NULL); /* only for want of memory */
    curl_multi_setopt(group->multi, CURLMOPT_SOCKETFUNCTION, set_watch);
    curl_multi_setopt(group->multi, CURLMOPT_SOCKETDATA, group);
    curl_multi_setopt(group->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(group->multi, CURLMOPT_TIMERDATA, group);
    curl_multi_setopt(group->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(group->multi, CURLMOPT_MAXCONNECTS, 2L * CONNECT_GROUP_HANDLES);
    return group;
}

void connect_group_free(struct connect_group *group)
{
    assert(group->handles == 0);
    (void)curl_multi_cleanup(group->multi);
    timer_cancel(&group->loop->timers, &group->timer);
    while (group->watches != NULL) {
        struct connect_watch *watch = group->watches;
        group->watches = watch->next;
        assert(watch->fd < 0);
        memory_free(watch);
    }
    memory_free(group);
}

void connect_group_add(struct connect_group *group, CURL *easy)
{
    CURLMcode code = curl_multi_add_handle(group->multi, easy);
    assert(code == CURLM_OK);
    (void)code;
    group->handles++;
}

void connect_group_ended(struct connect_group *group, const CURL *easy)
{
    for (struct connect_watch *watch = group->watches; watch != NULL; watch = watch->next) {
        watch->easy = watch->easy == easy ? NULL : watch->easy;
    }
}

void connect_group_remove(struct connect_group *group, CURL *easy)
{
    CURLMcode code = curl_multi_remove_handle(group->multi, easy);
    assert(code == CURLM_OK);
    (void)code;
    connect_group_ended(group, easy);
    group->handles--;
}
