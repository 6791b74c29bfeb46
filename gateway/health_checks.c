#include "gateway/health_checks.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/attempt.h"
#include "gateway/upstream/standing.h"

#include <stddef.h>
#include <string.h>

enum { HEAD_MAX_BYTES = 16 * 1024 };

#define ANSWER_MOST (10 * SEC) /* an upstream that needs longer is not well */
#define FIRST_MOST  SEC        /* after the start */

/* One route's. */
struct health_checker {
    struct waiter waiter; /* first: see on_news() */
    struct timer timer;   /* the next check; while one runs, its end at the latest */
    struct health_checks *checks;
    struct snapshot *snapshot; /* ref; of this route */
    const struct route *route;
    struct snapshot *running; /* ref; what the attempt was begun with */
    const struct route *running_route;
    struct attempt *attempt; /* NULL: none runs */
    usec_t due;              /* of the next check */
    struct health_checker *next;
};

struct health_checks {
    struct loop *loop;
    struct metrics_block *metrics;
    struct upstream_side *upstreams; /* owned */
    struct health_checker *first;
};

/* ±10 %, so that those of many gateways do not come together. */
static usec_t interval(const struct route *route)
{
    usec_t tenth = route->health.every / 10;
    return route->health.every - tenth + (usec_t)(random_number() % (uint64_t)(2 * tenth + 1));
}

static void await_next(struct health_checker *checker)
{
    usec_t now = checker->checks->loop->now;
    loop_timer(checker->checks->loop, &checker->timer, checker->due > now ? checker->due - now : 0);
}

static void end_attempt(struct health_checker *checker)
{
    waiter_cancel(&checker->waiter);
    attempt_end(TAKE(checker->attempt));
    snapshot_unref(TAKE(checker->running));
}

static void end_check(struct health_checker *checker, bool well)
{
    const struct route *route = checker->running_route;
    const char *const labels[] = {route->name, well ? "well" : "ill"};
    route_standing_health(route->standing, &route->breaker, well, checker->checks->loop->now,
                          random_number());
    /* What is counted has had its effect. */
    metrics_count(checker->checks->metrics, FAMILY_health_checks_total, labels, 1);
    end_attempt(checker);
    await_next(checker);
}

/* ---- one check ---- */

/* Any answer below 500 says that somebody is there who works. Its body is not read. */
static void look(struct health_checker *checker)
{
    const struct http1_response *response;
    for (;;) {
        switch (attempt_head(checker->attempt, &response)) {
        case ATTEMPT_PENDING:
            return;
        case ATTEMPT_READY:
            if (response->status >= 200) {
                end_check(checker, response->status < 500);
                return;
            }
            attempt_next_head(checker->attempt);
            break;
        case ATTEMPT_END:
        case ATTEMPT_FAILED:
            end_check(checker, false);
            return;
        }
    }
}

static void on_news(struct waiter *waiter)
{
    look((struct health_checker *)waiter);
}

static enum status write_head(const struct route *route, struct buffer *head)
{
    TRY(buffer_append(head, SLICE("GET ")));
    TRY(buffer_append(head, route->health.path));
    TRY(buffer_append(head, SLICE(" HTTP/1.1\r\nHost: ")));
    TRY(buffer_append(head, slice_from(route->origin.authority)));
    return buffer_append(head, SLICE("\r\nUser-Agent: sallyport-health\r\nAccept: */*\r\n"
                                     "Connection: close\r\n\r\n"));
}

static void begin_check(struct health_checker *checker)
{
    struct loop *loop = checker->checks->loop;
    const struct route *route = checker->route;
    const struct route_timeouts *timeouts = &route->timeouts;
    usec_t answer = timeouts->first_byte < ANSWER_MOST ? timeouts->first_byte : ANSWER_MOST;
    struct buffer head CLEANUP(buffer_fini);
    buffer_init(&head, HEAD_MAX_BYTES);
    checker->due = loop->now + interval(route);
    if (write_head(route, &head) != STATUS_OK) {
        log_warn("route %s: health.path is too long to be checked", route->name);
        return;
    }
    checker->running = snapshot_ref(checker->snapshot);
    checker->running_route = route;
    checker->attempt = attempt_start(
        checker->checks->upstreams,
        &(struct attempt_request){
            .origin = &route->origin,
            .egress = &checker->running->egress,
            .timeouts = {.connect = timeouts->connect, .first_byte = answer, .idle = answer},
            .method = HTTP1_GET,
            .head = buffer_bytes(&head),
            .framing = HTTP1_NO_BODY,
            .body_whole = true,
            .waiter = &checker->waiter,
        });
    loop_timer(loop, &checker->timer, timeouts->connect + answer);
    wake(&checker->waiter);
}

static void on_timer(struct timer *timer)
{
    struct health_checker *checker =
        (struct health_checker *)((char *)timer - offsetof(struct health_checker, timer));
    if (checker->attempt != NULL) { /* however slowly it drips */
        end_check(checker, false);
    } else {
        begin_check(checker);
    }
}

/* ---- which there are ---- */

static struct health_checker *new_checker(struct health_checks *checks, struct snapshot *snapshot,
                                          const struct route *route)
{
    struct health_checker *checker = MEMORY_NEW(struct health_checker);
    usec_t most = route->health.every < FIRST_MOST ? route->health.every : FIRST_MOST;
    waiter_init(&checker->waiter, &checks->loop->ready, on_news);
    timer_init(&checker->timer, on_timer);
    checker->checks = checks;
    checker->snapshot = snapshot_ref(snapshot);
    checker->route = route;
    /* At the start the loop has no time yet. */
    timer_set(&checks->loop->timers, &checker->timer,
              clock_now() + 1 + (usec_t)(random_number() % (uint64_t)(most + 1)));
    return checker;
}

static void free_checker(struct health_checker *checker)
{
    end_attempt(checker);
    timer_cancel(&checker->checks->loop->timers, &checker->timer);
    snapshot_unref(checker->snapshot);
    memory_free(checker);
}

/* Out of the list; NULL: there is none. */
static struct health_checker *take_checker(struct health_checks *checks, const char *route)
{
    for (struct health_checker **place = &checks->first; *place != NULL; place = &(*place)->next) {
        struct health_checker *checker = *place;
        if (strcmp(checker->route->name, route) == 0) {
            *place = checker->next;
            return checker;
        }
    }
    return NULL;
}

/* Its next check is not later than one of a new route with the same interval might be. */
static void move_to(struct health_checker *checker, struct snapshot *snapshot,
                    const struct route *route)
{
    usec_t now = checker->checks->loop->now;
    struct snapshot *old = checker->snapshot;
    checker->snapshot = snapshot_ref(snapshot);
    checker->route = route;
    snapshot_unref(old);
    if (checker->due > now + route->health.every) {
        checker->due = now + interval(route);
        if (checker->attempt == NULL) {
            await_next(checker);
        }
    }
}

static void free_all(struct health_checks *checks)
{
    while (checks->first != NULL) {
        struct health_checker *checker = checks->first;
        checks->first = checker->next;
        free_checker(checker);
    }
}

void health_checks_adopt(struct health_checks *checks, struct snapshot *snapshot)
{
    struct health_checker *kept = NULL;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        if (route->health.path.len == 0) {
            continue;
        }
        struct health_checker *checker = take_checker(checks, route->name);
        if (checker == NULL) {
            checker = new_checker(checks, snapshot, route);
        } else {
            move_to(checker, snapshot, route);
        }
        checker->next = kept;
        kept = checker;
    }
    free_all(checks); /* those whose routes have none any more */
    checks->first = kept;
    upstream_side_close_idle(checks->upstreams); /* certificates may be new */
}

struct health_checks *health_checks_start(struct loop *loop, struct metrics_block *metrics,
                                          struct snapshot *snapshot)
{
    struct health_checks *checks = MEMORY_NEW(struct health_checks);
    checks->loop = loop;
    checks->metrics = metrics;
    checks->upstreams = upstream_side_new(loop);
    health_checks_adopt(checks, snapshot);
    return checks;
}

void health_checks_stop(struct health_checks *checks)
{
    if (checks == NULL) {
        return;
    }
    free_all(checks);
    upstream_side_free(checks->upstreams);
    memory_free(checks);
}
