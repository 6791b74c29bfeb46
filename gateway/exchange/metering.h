/*
 * metering: what one exchange may use and has used: of calls that the profile knows, and where a
 * quota counts tokens, cost or bytes, or names a model. Estimates before, watches while the answer
 * streams, says the true figures at the end.
 *
 * Where no quota asks, it only watches: it refuses nothing, holds up nothing and reserves nothing.
 * exchange->metering is NULL where there is nothing to be found.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "routes/usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct call;
struct demand;
struct event_drop;
struct exchange;
struct http1_response;
struct metering;
struct price;
struct reservation;

/* METERING_CONTENT reads what the quotas need of the (whole) body, and finds call, model and price;
 * METERING_LENGTH is for quotas of bytes alone. STATUS_INVALID: the request is to be refused with
 * 400, the error is for the caller. */
enum metering_reading { METERING_LENGTH, METERING_CONTENT };
MUST_USE enum status metering_start(struct exchange *exchange, enum metering_reading reading,
                                    struct error *err);
/* Before an attempt, where no quota has read the body: if the profile knows the call, its usage is
 * watched. What is held of the body is read as far as it can be. */
void metering_watch(struct exchange *exchange);
void metering_free(struct metering *metering); /* takes NULL */

/* The call, as its profile knows it; NULL: it does not, or nobody asked. */
const struct call *metering_call(const struct exchange *exchange);
/* The model that the body names; empty: none. */
struct slice metering_model(const struct metering *metering);
/* False: there is a body that may use a model, but it cannot be told which. */
bool metering_model_known(const struct metering *metering);

/* Sets `fixed` and `per_output` of one demand of tokens, cost or bytes; and, once all are set, what
 * output the reservation wants and how it may be cut (reservation.h). */
void metering_demand(const struct exchange *exchange, struct demand *demand);
void metering_want(const struct exchange *exchange, struct reservation *reservation);
/* The reservation is held: decides whether a limit of output must be written into the body. */
void metering_held(struct exchange *exchange);
/* That limit, for X-Sallyport-Output-Limit; 0: none is written. */
uint64_t metering_output_limit(const struct exchange *exchange);

/* Before the body is read: may the gateway have to ask in it that a stream tells its usage? Then it
 * is to be held, if there is room. */
bool metering_wants_body(const struct exchange *exchange);
/* Does what goes upstream differ from the exchange's call_body, so that a copy is held? */
bool metering_edits_body(const struct exchange *exchange);
/* There is no room for a copy. False: it is needed. */
bool metering_spare_copy(struct exchange *exchange);
/* The provider has refused the request, which may be for what the gateway has put in: it goes
 * without from now on. False: nothing was, that can be left out. */
bool metering_take_back(struct exchange *exchange);
/* The body as it goes upstream; in the exchange's memory. */
struct slice metering_body(struct exchange *exchange);

/* The final answer's head is here: decides what will have to be looked at. True: more has to be
 * reserved before it goes to the client: metering_extend(). */
bool metering_head(struct exchange *exchange, const struct http1_response *response);

/* Behind metering_head(): is a usage looked for in this answer, and it is a plain one, so that it
 * is known at its end? Or an event stream? */
bool metering_tells(const struct exchange *exchange);
bool metering_streams(const struct exchange *exchange);

/* Is what the body says looked at? Before the answer is here: may it be? */
bool metering_reads(const struct exchange *exchange);
bool metering_may_read(const struct exchange *exchange);
/* May the stream that is asked for have to be changed: ended, because a quota has no more, or freed
 * of an event? */
bool metering_may_change(const struct exchange *exchange);

/* Behind metering_head(): takes the event of usage that the caller did not ask for out of the
 * answer's body; NULL: there can be none. */
struct event_drop *metering_drop(const struct exchange *exchange);

enum metering_pass {
    METERING_PASS,   /* *ret_count bytes may go to the client */
    METERING_EXTEND, /* so may they, but before any more: metering_extend() */
};
/* Looks at the next bytes of the answer; if it is decoded, at their number only. */
enum metering_pass metering_look(struct exchange *exchange, struct slice data, size_t *ret_count);
/* At what an encoded answer decodes to: *ret_count of it was looked at. */
enum metering_pass metering_look_text(struct exchange *exchange, struct slice text,
                                      size_t *ret_count);
/* The answer has come to its end. */
void metering_complete(struct exchange *exchange);

/* The attempt is lost, and the request will be sent again: what it may have used is charged, and as
 * much asked for again; see metering_extended(), then metering_held(). */
void metering_lose(struct exchange *exchange);
/* An attempt begins. */
void metering_sent(struct exchange *exchange);
/* The request may go to another route, which meters by itself: sets `used` of every demand that
 * settles, with the attempt that runs as lost. Should it come back, it goes on as if nothing were.
 */
void metering_leave(struct exchange *exchange);
/* It went: what was used so far is kept for the log. */
void metering_carry(struct exchange *exchange, const struct metering *metering);

/* Asks for the next slice; the exchange's waiter is woken, unless it is answered at once. */
void metering_extend(struct exchange *exchange);
enum metering_extension { METERING_ASKED, METERING_GRANTED, METERING_REFUSED };
/* What became of it. */
enum metering_extension metering_extended(struct exchange *exchange);
/* After a refusal: what ends the stream in the provider's grammar; empty: it can only be cut. */
MUST_USE enum status metering_write_end(struct exchange *exchange, struct buffer *out);

/* What was used is found, from the usage that was told, or the estimate; it does not change any
 * more. Sets `used` of every demand that settles. When the answer is complete, and at the end. */
void metering_close(struct exchange *exchange);
bool metering_closed(const struct exchange *exchange);
/* For receipt, log, ledger and metrics, after metering_close(): false if nothing was metered. */
struct metering_result {
    struct slice model;
    struct usage usage;
    uint64_t cost_nanousd;
    uint64_t last_nanousd;     /* of it: of the attempt that was answered */
    const struct price *price; /* in the snapshot; NULL: the provider has no prices */
    bool estimated;            /* the answer did not tell */
    bool price_fallback;       /* the model has no price: the dearest of the provider stood in */
    bool exact;                /* the cost is that price times that usage: one attempt's, told */
};
bool metering_result(const struct exchange *exchange, struct metering_result *ret);
