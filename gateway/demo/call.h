/*
 * call: one request to the pretend provider and its answer, on a libevhtp connection.
 *
 * A handler reads the request's parts and answers once: at once with call_answer(), or in pieces
 * with call_begin(), call_write() and call_end(), from call_later() and call_when_drained(). Heads
 * are written here, since libevhtp knows few reasons and sends a body to HEAD. One thread.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct evbuffer;
struct evhtp_connection;
struct evhtp_request;

typedef void call_function(struct call *call);

enum call_length { CALL_CHUNKED = -1 }; /* in place of a body's length */

struct call {
    void *service; /* borrowed: what all calls share */
    const char *method;
    struct slice path; /* as it came, still percent-encoded */
    struct slice query;
    struct buffer body;
    bool body_too_large; /* what came beyond the maximum was dropped */

    void *state; /* owned: the handler's, freed when the call is over */

    /* The rest belongs to call.c and front.c. */
    struct evhtp_connection *connection; /* borrowed: outlives the call */
    struct evhtp_request *request;       /* borrowed: while the call runs */
    struct evbuffer *head;               /* owned: header lines for the answer */
    struct event *timer;                 /* owned */
    call_function *on_time;
    call_function *on_drained;
    bool chunked;
    bool ended;
    bool broken; /* to be closed once what was written has left */
};

/* Empty if there is none; the first of several. */
struct slice call_header(const struct call *call, const char *name);
/* Goes over the header fields in their order: NULL begins, and NULL ends. */
struct evhtp_kv;
const struct evhtp_kv *call_next_header(const struct call *call, const struct evhtp_kv *before);
/* A number in the query, or `fallback` if it is not there or above `max`. */
uint64_t call_number(const struct call *call, const char *name, uint64_t fallback, uint64_t max);
bool call_is(const struct call *call, const char *method);

/* For the answer's head; before call_answer() or call_begin(). */
void call_add_header(struct call *call, const char *name, const char *value);

/* The whole answer; `body` is emptied. */
void call_answer(struct call *call, unsigned status, const char *type, struct evbuffer *body);

/* The head, with a Content-Length or CALL_CHUNKED. HEAD, 204 and 304 end the call here: ask
 * call->ended before writing more. */
void call_begin(struct call *call, unsigned status, const char *type, int64_t length);
void call_write(struct call *call, struct slice bytes);
void call_end(struct call *call);
/* Sends what was written and closes the connection, so that the answer stays incomplete. */
void call_break(struct call *call);

/* Calls back once after `delay`; a call has one timer. */
void call_later(struct call *call, usec_t delay, call_function *on_time);
/* Calls back whenever all that was written has left; NULL ends that. */
void call_when_drained(struct call *call, call_function *on_drained);
/* Bytes that were written and have not left yet. */
size_t call_pending(const struct call *call);
