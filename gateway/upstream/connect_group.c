#include "gateway/upstream/connect_group.h"

#include "base/memory.h"
#include "gateway/loop/loop.h"

#include <assert.h>

#include <event2/event.h>
#include <event2/event_struct.h>

/* A socket that libcurl waits for. Kept for the next one: libcurl gives a socket up from within
 * the event's own callback, where nothing is freed. */
struct connect_watch {
    struct event event;
    struct connect_group *group; /* borrowed */
    struct connect_watch *next;
};

static void act(struct connect_group *group, curl_socket_t fd, int what)
{
    int running;
    loop_woken(group->loop);
    CURLMcode code = curl_multi_socket_action(group->multi, fd, what, &running);
    assert(code == CURLM_OK);
    (void)code;
    group->worked(group->ctx, group);
}

/* A handshake costs as much as hundreds of requests. When many are due in one turn, most have to
 * wait for the next: their sockets stay ready. */
static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct connect_watch *watch = ctx;
    if (loop_used_up(watch->group->loop)) {
        return;
    }
    int action = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                 ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    act(watch->group, fd, action);
}

static void on_timer(struct timer *timer)
{
    struct connect_group *group = (struct connect_group *)timer; /* its first member */
    act(group, CURL_SOCKET_TIMEOUT, 0);
}

static struct connect_watch *take_watch(struct connect_group *group)
{
    struct connect_watch *watch = group->free_watches;
    if (watch == NULL) {
        watch = MEMORY_NEW(struct connect_watch);
        watch->group = group;
        return watch;
    }
    group->free_watches = watch->next;
    return watch;
}

static void give_back(struct connect_group *group, struct connect_watch *watch)
{
    watch->next = group->free_watches;
    group->free_watches = watch;
}

/* CURLMOPT_SOCKETFUNCTION */
static int set_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct connect_group *group = ctx;
    struct connect_watch *watch = socket_ctx;
    (void)easy;
    if (watch != NULL) {
        (void)event_del(&watch->event);
    }
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            (void)curl_multi_assign(group->multi, fd, NULL);
            give_back(group, watch);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = take_watch(group);
        (void)curl_multi_assign(group->multi, fd, watch);
    }
    int events = EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0);
    int failed = event_assign(&watch->event, group->loop->base, fd, (short)events, on_event, watch);
    return failed != 0 || event_add(&watch->event, NULL) != 0 ? -1 : 0;
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
    while (group->free_watches != NULL) {
        struct connect_watch *watch = group->free_watches;
        group->free_watches = watch->next;
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

void connect_group_remove(struct connect_group *group, CURL *easy)
{
    CURLMcode code = curl_multi_remove_handle(group->multi, easy);
    assert(code == CURLM_OK);
    (void)code;
    group->handles--;
}
