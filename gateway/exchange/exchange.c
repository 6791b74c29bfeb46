#include "gateway/exchange/exchange.h"

#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/steps.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define TO(state) (1U << EXCHANGE_##state)
#define EXCHANGE_OF(ptr, member)                                                                   \
    ((struct exchange *)((char *)(ptr)-offsetof(struct exchange, member)))

/* The whole life of an exchange, one row a state. */
/* clang-format off */
static const struct step {
    const char *name;
    enum step_result (*begin)(struct exchange *exchange);  /* on entering the state */
    enum step_result (*resume)(struct exchange *exchange); /* on news; NULL if it never waits */
    unsigned next;                                         /* states it may lead to */
} steps[EXCHANGE_STATES] = {
    [EXCHANGE_MATCH]    = {"match",    match_begin,    NULL,           TO(IDENTIFY)},
    [EXCHANGE_IDENTIFY] = {"identify", identify_begin, identify_resume, TO(ADMIT) | TO(RECEIVE)},
    [EXCHANGE_ADMIT]    = {"admit",    admit_begin,    admit_resume,   TO(RECEIVE) | TO(JOIN) | TO(CHOOSE) | TO(ADMIT) | TO(DELIVER)},
    [EXCHANGE_RECEIVE]  = {"receive",  receive_begin,  receive_resume, TO(INSPECT) | TO(ADMIT) | TO(JOIN)},
    [EXCHANGE_INSPECT]  = {"inspect",  inspect_begin,  NULL,           TO(ADMIT)},
    [EXCHANGE_JOIN]     = {"join",     join_begin,     join_resume,    TO(CHOOSE)},
    [EXCHANGE_CHOOSE]   = {"choose",   choose_begin,   choose_resume,  TO(MINT) | TO(PREPARE) | TO(ADMIT)},
    [EXCHANGE_MINT]     = {"mint",     mint_begin,     mint_resume,    TO(PREPARE) | TO(CHOOSE) | TO(ADMIT)},
    [EXCHANGE_PREPARE]  = {"prepare",  prepare_begin,  NULL,           TO(SEND)},
    [EXCHANGE_SEND]     = {"send",     send_begin,     send_resume,    TO(DELIVER) | TO(BACK_OFF) | TO(ADMIT)},
    [EXCHANGE_BACK_OFF] = {"back_off", back_off_begin, back_off_resume, TO(CHOOSE) | TO(DELIVER)},
    [EXCHANGE_DELIVER]  = {"deliver",  deliver_begin,  deliver_resume, 0},
    [EXCHANGE_REFUSE]   = {"refuse",   refuse_begin,   NULL,           0},
    [EXCHANGE_SETTLE]   = {"settle",   settle_begin,   NULL,           0},
};
/* clang-format on */

/* Where any state but settle may lead: to an error of our own, and to the end. */
static const unsigned always = TO(REFUSE) | TO(SETTLE);

const char *exchange_state_name(enum exchange_state state)
{
    return state < EXCHANGE_STATES ? steps[state].name : "none";
}

enum step_result exchange_go(struct exchange *exchange, enum exchange_state next)
{
    assert(exchange->state != EXCHANGE_SETTLE);
    assert(((steps[exchange->state].next | always) & (1U << next)) != 0);
    exchange->state = next;
    return STEP_NEXT;
}

void exchange_note_end(struct exchange *exchange, enum ended_by by)
{
    if (exchange->ended_by == ENDED_NORMALLY) {
        exchange->ended_by = by;
        exchange->ended_in = exchange->state;
    }
}

enum step_result exchange_fail(struct exchange *exchange, enum ended_by by, enum problem_code code,
                               const char *format, ...)
{
    exchange_note_end(exchange, by);
    if (!exchange->refused) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(exchange->refusal.why.message, sizeof(exchange->refusal.why.message),
                        format, args);
        va_end(args);
        exchange->refusal.code = code;
        exchange->refused = true;
    }
    /* Once our head is out the answer can only be cut: settle does that. */
    bool begun = exchange->facts.status != 0;
    return exchange_go(exchange, begun ? EXCHANGE_SETTLE : EXCHANGE_REFUSE);
}

enum step_result exchange_fail_request(struct exchange *exchange, const struct http1_fault *fault)
{
    exchange->refusal.close = true;
    exchange->refusal.status = fault->status;
    return exchange_fail(exchange, ENDED_BY_CLIENT, problem_from_status(fault->status), "%s",
                         fault->reason);
}

static void reap(struct reapable *reapable)
{
    memory_free(EXCHANGE_OF(reapable, reapable));
}

static void run(struct exchange *exchange, enum step_result result)
{
    while (result == STEP_NEXT) {
        result = steps[exchange->state].begin(exchange);
    }
    if (result == STEP_WAIT) {
        exchange->facts.waits_since = clock_now();
        exchange->facts.overhead += exchange->facts.waits_since - exchange->facts.running_since;
    } else {
        loop_reap(exchange->side->loop, &exchange->reapable, reap);
    }
}

static enum step_result client_left(struct exchange *exchange)
{
    exchange_note_end(exchange, ENDED_BY_CLIENT);
    return exchange_go(exchange, EXCHANGE_SETTLE);
}

static enum step_result out_of_time(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_RECEIVE) {
        static const struct http1_fault late = {
            .status = 408,
            .reason = "the request's body took longer than the route's timeouts.total"};
        return exchange_fail_request(exchange, &late);
    }
    if (exchange->state == EXCHANGE_SEND) {
        way_out_of_time(exchange);
    }
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_TIMEOUT,
                         exchange->patience > 0 ? "the request took longer than the caller's own "
                                                  "deadline, or the route's timeouts.total"
                                                : "the request took longer than the route's "
                                                  "timeouts.total");
}

static void on_news(struct waiter *waiter)
{
    struct exchange *exchange = EXCHANGE_OF(waiter, waiter);
    const struct step *step = &steps[exchange->state];
    assert(step->resume != NULL);
    exchange->facts.running_since = clock_now();
    exchange->facts.waited[exchange->state] +=
        exchange->facts.running_since - exchange->facts.waits_since;
    if (connection_gone(exchange->connection)) {
        run(exchange, client_left(exchange));
    } else if (exchange->timed_out) {
        run(exchange, out_of_time(exchange));
    } else {
        run(exchange, step->resume(exchange));
    }
}

static void on_room(struct timer *timer)
{
    wake(&EXCHANGE_OF(timer, room)->waiter);
}

static void on_hedge(struct timer *timer)
{
    struct exchange *exchange = EXCHANGE_OF(timer, hedge_timer);
    exchange->hedge_due = true;
    wake(&exchange->waiter);
}

/* What is left of the caller's own deadline. */
static usec_t patience_left(const struct exchange *exchange, usec_t now)
{
    usec_t ends = exchange->facts.started + exchange->patience;
    return ends > now ? ends - now : 0;
}

void exchange_limit_time(struct exchange *exchange)
{
    usec_t now = exchange->side->loop->now;
    usec_t waited = exchange->waiting_since == 0 ? 0 : now - exchange->waiting_since;
    usec_t total = exchange->way.asked->timeouts.total;
    usec_t left = total > waited ? total - waited : 0;
    if (exchange->patience > 0 && patience_left(exchange, now) < left) {
        left = patience_left(exchange, now);
    }
    loop_timer(exchange->side->loop, &exchange->total, left);
}

static void on_total(struct timer *timer)
{
    struct exchange *exchange = EXCHANGE_OF(timer, total);
    exchange->timed_out = true;
    wake(&exchange->waiter);
}

static struct exchange *new_exchange(struct exchange_side *side, struct connection *connection)
{
    struct exchange *exchange = MEMORY_NEW_UPTO(struct exchange, refusal.why.message[1]);
    waiter_init(&exchange->waiter, &side->loop->ready, on_news);
    timer_init(&exchange->total, on_total);
    timer_init(&exchange->room, on_room);
    timer_init(&exchange->hedge_timer, on_hedge);
    exchange->side = side;
    exchange->snapshot = snapshot_ref(side->snapshot);
    exchange->connection = connection;
    exchange->request = connection_request(connection);
    exchange->facts.started = connection_request_start(connection);
    exchange->facts.started_wall = clock_wall();
    exchange->facts.running_since = clock_now();
    exchange_side_new_id(side, exchange->id);
    exchange->next = side->first;
    if (side->first != NULL) {
        side->first->prev = exchange;
    }
    side->first = exchange;
    side->count++;
    return exchange;
}

struct exchange *exchange_start(struct exchange_side *side, struct connection *connection)
{
    struct exchange *exchange = new_exchange(side, connection);
    run(exchange, STEP_NEXT);
    return exchange;
}

void exchange_refuse_head(struct exchange_side *side, struct connection *connection,
                          const struct http1_fault *fault)
{
    struct exchange *exchange = new_exchange(side, connection);
    run(exchange, exchange_fail_request(exchange, fault));
}

void exchange_abort(struct exchange *exchange)
{
    exchange_note_end(exchange, ENDED_BY_GATEWAY);
    run(exchange, exchange_go(exchange, EXCHANGE_SETTLE));
}
