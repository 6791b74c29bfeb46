#include "gateway/upstream/connect_line.h"

#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/endpoint.h"

#include <assert.h>

/* What takes so long is taken for something that hangs. */
#define LONG_TIME (1 * SEC)
/* A lookup whose asker has gone runs on in libcurl's thread, and its end is not told. It keeps its
 * place for a while; one that hangs, for as long as the system's resolver usually tries: twice 5 s.
 */
#define LOOKUP_LINGERS      (1 * SEC)
#define LONG_LOOKUP_LINGERS (10 * SEC)

/* A place among the lookups that is held for one that was given up. */
struct lingering {
    struct timer timer; /* first: see on_lookup_over() */
    struct connect_line *line;
    struct endpoint *endpoint; /* in use */
    struct lingering *next, *previous;
};

/* ---- places ---- */

static bool has_place(const struct connect_places *taken, const struct connect_places *most,
                      bool looks_up)
{
    return taken->running < most->running && (!looks_up || taken->lookups < most->lookups);
}

static bool may_start_one(const struct endpoint *endpoint)
{
    static const struct connect_places most[] = {
        [false] = {CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT,
                   CONNECT_LINE_RUNNING_AN_UNPROVEN_ENDPOINT},
        [true] = {CONNECT_LINE_LOOKUPS_AN_ENDPOINT, CONNECT_LINE_RUNNING_AN_ENDPOINT},
    };
    return endpoint->first_waiting != NULL &&
           has_place(&endpoint->taken, &most[endpoint->proven], !endpoint->is_address);
}

static bool worker_has_place(const struct connect_line *line, const struct endpoint *endpoint)
{
    static const struct connect_places most[] = {
        [false] = {CONNECT_LINE_LOOKUPS_UNPROVEN, CONNECT_LINE_RUNNING_UNPROVEN},
        [true] = {CONNECT_LINE_LOOKUPS, CONNECT_LINE_RUNNING},
    };
    return has_place(&line->taken, &most[endpoint->proven], !endpoint->is_address);
}

/* ---- endpoints that have something to start ---- */

static void list_if_it_may(struct connect_line *line, struct endpoint *endpoint)
{
    if (endpoint->listed || !may_start_one(endpoint)) {
        return;
    }
    endpoint->listed = true;
    endpoint->next_listed = NULL;
    *(line->last_listed != NULL ? &line->last_listed->next_listed : &line->first_listed) = endpoint;
    line->last_listed = endpoint;
}

/* The first one that there is a place for, or NULL. */
static struct endpoint *take_listed(struct connect_line *line)
{
    struct endpoint *before = NULL;
    struct endpoint *at = line->first_listed;
    while (at != NULL && !worker_has_place(line, at)) {
        before = at;
        at = at->next_listed;
    }
    if (at == NULL) {
        return NULL;
    }
    *(before != NULL ? &before->next_listed : &line->first_listed) = at->next_listed;
    if (line->last_listed == at) {
        line->last_listed = before;
    }
    at->listed = false;
    return at;
}

/* ---- lookups ---- */

static void lookup_is_over(struct connect_line *line, struct endpoint *endpoint)
{
    line->taken.lookups--;
    endpoint->taken.lookups--;
    list_if_it_may(line, endpoint);
}

static void end_lingering(struct lingering *lingering)
{
    struct connect_line *line = lingering->line;
    *(lingering->previous != NULL ? &lingering->previous->next : &line->lingering) =
        lingering->next;
    if (lingering->next != NULL) {
        lingering->next->previous = lingering->previous;
    }
    endpoint_unuse(lingering->endpoint);
    lookup_is_over(line, lingering->endpoint);
    timer_cancel(&line->loop->timers, &lingering->timer);
    memory_free(lingering);
}

static void on_lookup_over(struct timer *timer)
{
    struct lingering *lingering = (struct lingering *)timer; /* its first member */
    struct connect_line *line = lingering->line;
    end_lingering(lingering);
    line->on_place(line->ctx);
}

static void let_linger(struct connect_line *line, struct endpoint *endpoint, usec_t time)
{
    struct lingering *lingering = MEMORY_NEW(struct lingering);
    timer_init(&lingering->timer, on_lookup_over);
    lingering->line = line;
    lingering->endpoint = endpoint;
    endpoint->users++;
    lingering->next = line->lingering;
    if (lingering->next != NULL) {
        lingering->next->previous = lingering;
    }
    line->lingering = lingering;
    loop_timer(line->loop, &lingering->timer, time);
}

/* ---- public ---- */

void connect_line_init(struct connect_line *line, struct loop *loop, void (*on_place)(void *ctx),
                       void *ctx)
{
    *line = (struct connect_line){.loop = loop, .on_place = on_place, .ctx = ctx};
}

void connect_line_fini(struct connect_line *line)
{
    assert(line->waiting == 0 && line->taken.running == 0);
    while (line->lingering != NULL) {
        end_lingering(line->lingering);
    }
    while (take_listed(line) != NULL) { /* who was listed, and has left */
    }
}

void connect_line_join(struct connect_line *line, struct connect_ticket *ticket,
                       struct endpoint *endpoint)
{
    *ticket = (struct connect_ticket){
        .endpoint = endpoint, .previous = endpoint->last_waiting, .waiting = true};
    *(ticket->previous != NULL ? &ticket->previous->next : &endpoint->first_waiting) = ticket;
    endpoint->last_waiting = ticket;
    line->waiting++;
    list_if_it_may(line, endpoint);
}

void connect_line_leave(struct connect_line *line, struct connect_ticket *ticket)
{
    struct endpoint *endpoint = ticket->endpoint;
    assert(ticket->waiting);
    *(ticket->previous != NULL ? &ticket->previous->next : &endpoint->first_waiting) = ticket->next;
    *(ticket->next != NULL ? &ticket->next->previous : &endpoint->last_waiting) = ticket->previous;
    ticket->next = ticket->previous = NULL;
    ticket->waiting = false;
    line->waiting--;
}

static void begin(struct connect_line *line, struct connect_ticket *ticket)
{
    struct endpoint *endpoint = ticket->endpoint;
    ticket->started_at = line->loop->now;
    ticket->looking_up = !endpoint->is_address;
    line->taken.running++;
    endpoint->taken.running++;
    if (ticket->looking_up) {
        line->taken.lookups++;
        endpoint->taken.lookups++;
        endpoint->asked_at = endpoint->asked_at != 0 ? endpoint->asked_at : ticket->started_at;
    }
}

struct connect_ticket *connect_line_next(struct connect_line *line)
{
    struct endpoint *endpoint;
    while ((endpoint = take_listed(line)) != NULL) {
        if (may_start_one(endpoint)) { /* as it could when it was listed */
            struct connect_ticket *ticket = endpoint->first_waiting;
            connect_line_leave(line, ticket);
            begin(line, ticket);
            list_if_it_may(line, endpoint);
            return ticket;
        }
    }
    return NULL;
}

void connect_line_answered(struct connect_line *line, struct connect_ticket *ticket)
{
    if (ticket->looking_up) {
        ticket->looking_up = false;
        ticket->endpoint->asked_at = 0;
        lookup_is_over(line, ticket->endpoint);
    }
}

static void give_up(struct connect_line *line, struct connect_ticket *ticket)
{
    struct endpoint *endpoint = ticket->endpoint;
    /* Has it taken long; or, of a lookup, have this one and those before it? */
    usec_t since = ticket->looking_up ? endpoint->asked_at : ticket->started_at;
    bool hung = line->loop->now - since >= LONG_TIME;
    endpoint->proven = endpoint->proven && !hung;
    if (ticket->looking_up) {
        ticket->looking_up = false;
        let_linger(line, endpoint, hung ? LONG_LOOKUP_LINGERS : LOOKUP_LINGERS);
    }
}

void connect_line_end(struct connect_line *line, struct connect_ticket *ticket,
                      enum connect_outcome outcome)
{
    struct endpoint *endpoint = ticket->endpoint;
    line->taken.running--;
    endpoint->taken.running--;
    switch (outcome) {
    case CONNECT_DONE:
        endpoint->proven = true;
        connect_line_answered(line, ticket);
        break;
    case CONNECT_FAILED:
        connect_line_answered(line, ticket);
        break;
    case CONNECT_GIVEN_UP:
        give_up(line, ticket);
        break;
    }
    list_if_it_may(line, endpoint);
}
