/*
 * h2_connection: one HTTP/2 connection to a provider with the streams on it: frames in and out over
 * a link, windows, and how streams end. nghttp2 knows the protocol; bytes are moved here.
 *
 * What is read goes to the streams at once, for their windows bound it, so that one slow caller
 * holds up nobody else. All work is done from the loop's ready list.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/timer.h"
#include "base/waiter.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

struct attempt_h2;
struct endpoint;
struct link;
struct upstream_side;

struct h2_connection {
    struct waiter work; /* first: see on_work() */
    struct timer idle;
    struct upstream_side *side; /* borrowed */
    struct endpoint *endpoint;  /* in use */
    struct link *link;          /* owned */
    nghttp2_session *session;   /* owned */
    struct buffer out;          /* frames that are not sent yet */
    struct attempt_h2 *streams;
    unsigned stream_count;
    unsigned served; /* streams so far */
    usec_t received_at;
    bool is_idle;      /* counted so */
    bool draining;     /* no new streams */
    bool told_limits;  /* the provider's SETTINGS have come */
    bool going_away;   /* the provider says so */
    bool send_lost;    /* it takes no more; it may have said something all the same */
    bool lost;         /* no more frames */
    const char *wrong; /* static; how the provider has broken the protocol; NULL: it has not */
    struct h2_connection *next; /* of the endpoint's */
};

/* Joins the endpoint's. */
struct h2_connection *h2_connection_new(struct upstream_side *side, struct endpoint *endpoint,
                                        struct link *take_link);
/* It may have no stream. Not from its own callbacks. */
void h2_connection_free(struct h2_connection *connection);

bool h2_connection_has_room(const struct h2_connection *connection);
/* Sends the request's head soon, then asks for its body. False: it cannot be said. */
bool h2_connection_submit(struct h2_connection *connection, struct attempt_h2 *attempt);
/* The stream ends now: cancelled, unless it is over. */
void h2_connection_leave(struct h2_connection *connection, struct attempt_h2 *attempt);
/* So many bytes of the answer were taken. */
void h2_connection_consumed(struct h2_connection *connection, int32_t stream_id, size_t count);
/* There is more of the body, or its end. */
void h2_connection_resume(struct h2_connection *connection, int32_t stream_id);
/* A stream had no answer in time: is anything coming at all? If not, no other one shall begin. */
void h2_connection_doubt(struct h2_connection *connection, usec_t since);
