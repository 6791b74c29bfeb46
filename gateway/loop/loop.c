#include "gateway/loop/loop.h"

#include <assert.h>
#include <sys/time.h>

#include <event2/event.h>

enum { AT_ONCE = 2 };

#define MOST_OF_A_TURN (2 * MSEC)

static void on_alarm(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    ((struct loop *)ctx)->alarm_at = 0; /* the turn runs what is due */
}

/* Without a timerfd, for that is a system call at every change, and without a lock. EV_CLOSED must
 * work, for it is how a client that leaves is noticed. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    struct event_base *base = NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
        event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0) {
        base = event_base_new_with_config(config);
    }
    event_config_free(config);
    return base;
}

enum status loop_init(struct loop *loop, struct error *err)
{
    *loop = (struct loop){.base = new_base(), .now = clock_now()};
    if (loop->base != NULL) {
        loop->alarm = evtimer_new(loop->base, on_alarm, loop);
    }
    if (loop->alarm == NULL) {
        loop_fini(loop);
        FAIL(err, STATUS_UNAVAILABLE,
             "cannot make an event loop (epoll): raise the limit of open files (ulimit -n)");
    }
    loop->scratch = memory_resize(NULL, LOOP_SCRATCH_BYTES);
    return STATUS_OK;
}

static void reap_dead(struct loop *loop)
{
    while (loop->dead != NULL) {
        struct reapable *reapable = loop->dead;
        loop->dead = reapable->next;
        reapable->reap(reapable);
    }
}

void loop_fini(struct loop *loop)
{
    reap_dead(loop);
    if (loop->alarm != NULL) {
        event_free(loop->alarm);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    timer_queue_fini(&loop->timers);
    memory_free(loop->scratch);
    *loop = (struct loop){0};
}

void loop_woken(struct loop *loop)
{
    if (loop->woken_at == 0) {
        loop->now = clock_now();
        loop->woken_at = loop->now;
    }
}

/* Only when the next timer comes earlier than the alarm: a later one lets it ring in vain once.
 * libevent keeps timeouts in a heap of its own, so this is no system call. */
static void set_alarm(struct loop *loop)
{
    usec_t next = timer_queue_next(&loop->timers);
    if (next == 0 || (loop->alarm_at != 0 && loop->alarm_at <= next)) {
        return;
    }
    usec_t after = next > loop->now ? next - loop->now : 0;
    struct timeval delay = {.tv_sec = after / SEC, .tv_usec = after % SEC};
    int failed = event_add(loop->alarm, &delay);
    assert(failed == 0);
    (void)failed;
    loop->alarm_at = next;
}

bool loop_used_up(struct loop *loop)
{
    loop_woken(loop);
    return clock_now() - loop->woken_at > MOST_OF_A_TURN;
}

/* When hundreds are due or have news at once, most have to wait for the next turns, so that each is
 * short and events come in between. */
static void fire_due(struct loop *loop)
{
    bool more = true;
    while (more) {
        more = timer_queue_run(&loop->timers, loop->now, AT_ONCE) && !loop_used_up(loop);
    }
}

static void resume_ready(struct loop *loop)
{
    bool more = true;
    while (more) {
        more = ready_list_run(&loop->ready, AT_ONCE) && !loop_used_up(loop);
    }
}

void loop_turn(struct loop *loop, enum loop_patience patience)
{
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    if (patience == LOOP_POLL || loop->ready.first != NULL) {
        flags |= EVLOOP_NONBLOCK;
    }
    set_alarm(loop);
    loop->woken_at = 0;
    int failed = event_base_loop(loop->base, flags);
    assert(failed >= 0);
    (void)failed;

    loop->now = clock_now();
    usec_t began = loop->woken_at != 0 ? loop->woken_at : loop->now;
    loop->woken_at = began;
    fire_due(loop);
    resume_ready(loop);
    if (loop->after_turn != NULL) {
        loop->after_turn(loop->after_turn_ctx);
    }
    reap_dead(loop);

    usec_t worked = clock_now() - began;
    if (worked > loop->longest_turn) {
        loop->longest_turn = worked;
    }
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping) {
        loop_turn(loop, LOOP_WAIT);
    }
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
