#include "gateway/upstream/h2_pool.h"

#include "gateway/upstream/attempt_h2.h"
#include "gateway/upstream/connector.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/h2_connection.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/upstream_side.h"

#include <stddef.h>

/* ---- the line ---- */

static void enlist(struct attempt_h2 *attempt)
{
    struct endpoint_h2 *h2 = &attempt->endpoint->h2;
    attempt->waiting = true;
    attempt->next_waiting = NULL;
    attempt->previous_waiting = h2->last_waiting;
    *(h2->last_waiting != NULL ? &h2->last_waiting->next_waiting : &h2->first_waiting) = attempt;
    h2->last_waiting = attempt;
}

static void unlist(struct attempt_h2 *attempt)
{
    struct endpoint_h2 *h2 = &attempt->endpoint->h2;
    *(attempt->previous_waiting != NULL ? &attempt->previous_waiting->next_waiting
                                        : &h2->first_waiting) = attempt->next_waiting;
    *(attempt->next_waiting != NULL ? &attempt->next_waiting->previous_waiting
                                    : &h2->last_waiting) = attempt->previous_waiting;
    attempt->waiting = false;
}

/* ---- connecting ---- */

static void attach(struct h2_connection *connection, struct attempt_h2 *attempt)
{
    attempt->base.facts.reused = connection->served > 0 && !attempt->base.facts.resent;
    attempt->base.facts.connected_at = clock_now();
    if (attempt->request.body_whole) { /* of a body that streams it is told when it waits for us */
        attempt_h2_set_deadline(attempt, ATTEMPT_TIMEOUT_IDLE, attempt->request.timeouts.idle);
    } else {
        timer_stop(&attempt->timer);
    }
    if (!h2_connection_submit(connection, attempt)) {
        attempt_h2_fail(attempt, ATTEMPT_INVALID, "the request cannot be said in HTTP/2");
    }
    wake(attempt->request.waiter);
}

static void on_connected(void *ctx, struct link *take_link, const struct attempt_failure *failure);

/* For the first in the line, whose origin is the others', too. */
static void connect_next(struct endpoint *endpoint)
{
    const struct attempt_h2 *first = endpoint->h2.first_waiting;
    struct connect_settings settings = {
        .origin = first->request.origin,
        .egress = first->request.egress,
        .endpoint = endpoint,
        .timeout = first->request.timeouts.connect,
        .done = on_connected,
        .ctx = endpoint,
    };
    endpoint->h2.generation = first->side->generation;
    endpoint->h2.connecting = connector_start(first->side->connector, &settings);
}

static void on_connected(void *ctx, struct link *take_link, const struct attempt_failure *failure)
{
    struct endpoint *endpoint = ctx;
    struct endpoint_h2 *h2 = &endpoint->h2;
    struct attempt_h2 *attempt;
    h2->connecting = NULL;
    if (take_link == NULL) {
        while ((attempt = h2->first_waiting) != NULL) {
            unlist(attempt);
            attempt->base.failure.lasting = failure->lasting;
            attempt_h2_fail(attempt, failure->fault, "%s", failure->message);
        }
        return;
    }
    take_link->generation = h2->generation;
    struct h2_connection *connection =
        h2_connection_new(h2->first_waiting->side, endpoint, take_link);
    do { /* one at least, also if there was a reload meanwhile */
        attempt = h2->first_waiting;
        unlist(attempt);
        attach(connection, attempt);
    } while (h2->first_waiting != NULL && h2_connection_has_room(connection));
    if (h2->first_waiting != NULL) {
        connect_next(endpoint);
    }
}

/* ---- public ---- */

void h2_pool_join(struct attempt_h2 *attempt)
{
    struct endpoint *endpoint = attempt->endpoint;
    struct h2_connection *connection = endpoint->h2.first;
    while (connection != NULL && !h2_connection_has_room(connection)) {
        connection = connection->next;
    }
    if (connection != NULL) {
        attach(connection, attempt);
        return;
    }
    enlist(attempt);
    attempt_h2_set_deadline(attempt, ATTEMPT_TIMEOUT_CONNECT, attempt->request.timeouts.connect);
    if (endpoint->h2.connecting == NULL) {
        connect_next(endpoint);
    }
}

void h2_pool_leave(struct attempt_h2 *attempt)
{
    struct endpoint_h2 *h2 = &attempt->endpoint->h2;
    if (!attempt->waiting) {
        return;
    }
    unlist(attempt);
    if (h2->connecting == NULL) {
        return;
    }
    const struct attempt_h2 *first = h2->first_waiting;
    if (first == NULL) {
        connector_cancel(TAKE(h2->connecting));
    } else { /* what it borrowed may go with the one that leaves */
        connector_move(h2->connecting, first->request.origin, first->request.egress);
    }
}

void h2_pool_close_idle(struct upstream_side *side)
{
    for (struct endpoint *endpoint = side->endpoints.first; endpoint != NULL;
         endpoint = endpoint->next) {
        struct h2_connection *connection = endpoint->h2.first;
        while (connection != NULL) {
            struct h2_connection *next = connection->next;
            if (connection->stream_count == 0) {
                h2_connection_free(connection);
            }
            connection = next;
        }
    }
}
