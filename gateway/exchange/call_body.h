/*
 * call_body: the request's body as the route that it goes to wants it: with that upstream's name of
 * the model, and whatever else is put in. Only for gateway/exchange.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

struct exchange;
struct route;

/* Must the whole body be there before it is sent, because something in it is put in or replaced? */
bool call_body_is_edited(const struct exchange *exchange);
/* Sets exchange->call_body for this route: the request's own, or one of its fallback. False: it
 * cannot be made, or held; then nothing is changed. */
bool call_body_take(struct exchange *exchange, const struct route *to);
/* What goes upstream: with a limit of output or the wish for a stream's usage, and the idempotency
 * key, where they belong into it.
 * False: it cannot be held. */
bool call_body_finish(struct exchange *exchange);
/* Puts the credential of the attempt that runs into it, where the route says so. STATUS_TOO_LARGE:
 * it cannot be held. STATUS_INVALID: the credential cannot be put into this body; the error is for
 * the caller. */
MUST_USE enum status call_body_inject(struct exchange *exchange, struct error *err);
