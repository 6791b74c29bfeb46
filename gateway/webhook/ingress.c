/* ingress: a webhook's way from its head to a whole body, and its end. */
#include "gateway/webhook/ingress.h"

#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/web/web_call.h"
#include "gateway/webhook/ingress_state.h"

#include <assert.h>
#include <stddef.h>

enum { UNCOUNTED_BYTES = 4096 }; /* a body in one piece that costs no more than a head */

#define BODY_TIME (30 * SEC) /* for all of a body: providers give up earlier */

#define INGRESS_OF(ptr, member) ((struct ingress *)((char *)(ptr)-offsetof(struct ingress, member)))

/* ---- receive ---- */

static void too_large(struct ingress *ingress)
{
    ingress_refuse_unverified(ingress, 413, "too_large");
}

static void overloaded(struct ingress *ingress)
{
    ingress_refuse(ingress, &(struct ingress_answer){.status = 503,
                                                     .reason = "overloaded",
                                                     .detail = "gateway.limits.buffered_bytes is "
                                                               "used up",
                                                     .retry_after = SEC});
}

/* Counts bytes of a body that is copied, or long: all of it at once where its length is known. */
static bool hold(struct ingress *ingress, size_t more)
{
    if (ingress->request->framing == HTTP1_LENGTH) {
        more = ingress->held_bytes == 0 ? (size_t)ingress->request->content_length : 0;
    }
    if (!exchange_side_hold(ingress->side->exchanges, more)) {
        return false;
    }
    ingress->held_bytes += more;
    return true;
}

static void received(struct ingress *ingress, struct slice body)
{
    ingress->body_slice = body;
    ingress->body_whole = true;
    timer_stop(&ingress->deadline);
    ingress_verify(ingress);
}

/* A piece that is all of the body stays where it is; others are gathered. False: it has ended. */
static bool take_piece(struct ingress *ingress, struct slice data)
{
    bool whole =
        ingress->request->framing == HTTP1_LENGTH && data.len == ingress->request->content_length;
    if ((!whole || data.len > UNCOUNTED_BYTES) && !hold(ingress, data.len)) {
        overloaded(ingress);
        return false;
    }
    if (whole) {
        ingress->in_one_piece = true;
        received(ingress, data);
        return false;
    }
    if (buffer_append(&ingress->body, data) != STATUS_OK) {
        too_large(ingress);
        return false;
    }
    connection_consume(ingress->connection, data.len);
    return true;
}

static void receive(struct ingress *ingress)
{
    struct http1_fault fault;
    struct slice data;
    for (;;) {
        switch (connection_read(ingress->connection, &data, &fault)) {
        case CONNECTION_BODY_DATA:
            if (!take_piece(ingress, data)) {
                return;
            }
            break;
        case CONNECTION_BODY_PENDING:
            return;
        case CONNECTION_BODY_END:
            received(ingress, buffer_bytes(&ingress->body));
            return;
        case CONNECTION_BODY_BAD:
            ingress_refuse_unverified(ingress, fault.status,
                                      fault.status == 408 ? "body_late" : "body_framing");
            return;
        }
    }
}

static void begin_to_receive(struct ingress *ingress)
{
    const struct http1_request *request = ingress->request;
    uint64_t most = ingress->hook->body_bytes;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (http1_field_encodes(&request->fields[i])) {
            ingress_refuse_unverified(ingress, 415, "encoded");
            return;
        }
    }
    if (request->framing == HTTP1_LENGTH && request->content_length > most) {
        too_large(ingress);
        return;
    }
    if (request->framing == HTTP1_NO_BODY) {
        received(ingress, slice_make("", 0));
        return;
    }
    ingress_wait(ingress, INGRESS_RECEIVE, BODY_TIME);
    connection_continue(ingress->connection);
    buffer_init(&ingress->body,
                (size_t)(request->framing == HTTP1_LENGTH ? request->content_length : most));
    receive(ingress);
}

/* ---- the head ---- */

static bool source_is_allowed(const struct ingress *ingress)
{
    const struct hook *hook = ingress->hook;
    uint8_t address[ADDRESS_BYTES];
    return hook->source_count == 0 ||
           (connection_source_address(ingress->connection, address) &&
            egress_networks_contain(hook->sources, hook->source_count, address));
}

static bool method_is_allowed(const struct ingress *ingress)
{
    return ingress->request->method == HTTP1_POST ||
           slice_equal(ingress->hook->scheme->challenge_method, ingress->request->method_text);
}

static bool has_place(const struct ingress *ingress)
{
    const struct ingress_side *side = ingress->side;
    return side->count + side->exchanges->count <= ingress->snapshot->gateway.limits.exchanges;
}

/* Where all count, it is counted before anything else is known of it. */
static bool count_if_all(struct ingress *ingress)
{
    if (ingress->hook->counting != HOOK_COUNT_ALL) {
        return true;
    }
    if (!ingress_source_has_room(ingress)) {
        return false;
    }
    ingress_count(ingress);
    return true;
}

static void begin(struct ingress *ingress)
{
    if (ingress->hook == NULL) {
        ingress_refuse(ingress, &(struct ingress_answer){.status = 404, .reason = "no_hook"});
    } else if (!has_place(ingress)) {
        ingress_refuse(
            ingress, &(struct ingress_answer){.status = 503,
                                              .reason = "overloaded",
                                              .retry_after = SEC,
                                              .detail = "gateway.limits.exchanges are in flight"});
    } else if (!source_is_allowed(ingress)) {
        ingress_refuse(ingress, &(struct ingress_answer){.status = 403, .reason = "source"});
    } else if (count_if_all(ingress)) {
        if (method_is_allowed(ingress)) {
            begin_to_receive(ingress);
        } else {
            ingress_refuse_unverified(ingress, 405, "method");
        }
    }
}

/* ---- news ---- */

static void on_deadline(struct timer *timer)
{
    struct ingress *ingress = INGRESS_OF(timer, deadline);
    ingress->late = true;
    wake(&ingress->waiter);
}

static void on_news(struct waiter *waiter)
{
    struct ingress *ingress = INGRESS_OF(waiter, waiter);
    if (ingress->state != INGRESS_PUT && connection_gone(ingress->connection)) {
        ingress_end(ingress, INGRESS_CLIENT_LEFT);
        return;
    }
    switch (ingress->state) {
    case INGRESS_RECEIVE:
        if (ingress->late) {
            ingress_refuse_unverified(ingress, 408, "body_late");
        } else {
            receive(ingress);
        }
        break;
    case INGRESS_FETCH:
        ingress_fetch_resume(ingress);
        break;
    case INGRESS_CONFIRM:
        ingress_confirm_resume(ingress);
        break;
    case INGRESS_PUT:
        ingress_put_resume(ingress);
        break;
    case INGRESS_END:
        break;
    }
}

void ingress_wait(struct ingress *ingress, enum ingress_state state, usec_t most)
{
    ingress->state = state;
    ingress->late = false;
    loop_timer(ingress->side->exchanges->loop, &ingress->deadline, most);
}

/* ---- life ---- */

static struct ingress *new_ingress(struct ingress_side *side, struct connection *connection)
{
    struct ingress *ingress = MEMORY_NEW(struct ingress);
    waiter_init(&ingress->waiter, &side->exchanges->loop->ready, on_news);
    timer_init(&ingress->deadline, on_deadline);
    ingress->side = side;
    ingress->snapshot = snapshot_ref(side->exchanges->snapshot);
    ingress->connection = connection;
    ingress->request = connection_request(connection);
    ingress->started = connection_request_start(connection);
    ingress->started_wall = clock_wall();
    ingress->next = side->first;
    if (side->first != NULL) {
        side->first->prev = ingress;
    }
    side->first = ingress;
    side->count++;
    return ingress;
}

struct ingress *ingress_start(struct ingress_side *side, struct connection *connection,
                              const struct hook *hook)
{
    struct ingress *ingress = new_ingress(side, connection);
    ingress->hook = hook;
    begin(ingress);
    return ingress;
}

void ingress_refuse_head(struct ingress_side *side, struct connection *connection,
                         const struct http1_fault *fault)
{
    struct ingress *ingress = new_ingress(side, connection);
    ingress_refuse(ingress, &(struct ingress_answer){.status = fault->status,
                                                     .reason = "bad_head",
                                                     .detail = fault->reason});
}

void ingress_abort(struct ingress *ingress)
{
    if (ingress->state == INGRESS_PUT) { /* it was about to be resumed */
        assert(ingress->put_answered);
        ingress_put_resume(ingress);
    } else {
        ingress_end(ingress, INGRESS_CUT);
    }
}

static void reap(struct reapable *reapable)
{
    struct ingress *ingress = INGRESS_OF(reapable, reapable);
    buffer_fini(&ingress->body);
    buffer_fini(&ingress->fields);
    arena_fini(&ingress->arena);
    snapshot_unref(ingress->snapshot);
    memory_free(ingress);
}

static void unlink_from_side(struct ingress *ingress)
{
    struct ingress_side *side = ingress->side;
    if (ingress->prev != NULL) {
        ingress->prev->next = ingress->next;
    } else {
        side->first = ingress->next;
    }
    if (ingress->next != NULL) {
        ingress->next->prev = ingress->prev;
    }
    side->count--;
}

/* An answer that is whole leaves the connection to the next request, if that can come. */
static void let_go_of_connection(struct ingress *ingress)
{
    struct connection *connection = TAKE(ingress->connection);
    if (ingress->status == 0) {
        connection_cut(connection);
        return;
    }
    if (ingress->in_one_piece) {
        connection_consume(connection, ingress->body_slice.len);
    }
    connection_finish(connection, ingress->closes ? CONNECTION_CLOSE : CONNECTION_KEEP);
}

void ingress_end(struct ingress *ingress, enum ingress_outcome outcome)
{
    struct exchange_side *exchanges = ingress->side->exchanges;
    assert(ingress->state != INGRESS_END);
    ingress->outcome = outcome;
    ingress->state = INGRESS_END;
    ingress_record(ingress);
    let_go_of_connection(ingress);
    verify_key_leave(&ingress->key_wait);
    web_call_cancel(TAKE(ingress->confirmation));
    timer_cancel(&exchanges->loop->timers, &ingress->deadline);
    waiter_cancel(&ingress->waiter);
    exchange_side_release(exchanges, ingress->held_bytes);
    unlink_from_side(ingress);
    loop_reap(exchanges->loop, &ingress->reapable, reap);
}
