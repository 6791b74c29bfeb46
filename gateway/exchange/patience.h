/*
 * patience: how long the caller itself will wait: X-Request-Timeout (seconds, with a fraction or a
 * unit: "30", "2.5", "500ms", "2m") or grpc-timeout ("100m"). The shorter one counts. It bounds the
 * request as a whole, as the route's timeouts.total does, and never lengthens that.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"

struct http1_request;

/* *ret is 0 where the caller says nothing. STATUS_INVALID: what it says is no time, or less than a
 * millisecond. */
MUST_USE enum status patience_read(const struct http1_request *request, usec_t *ret,
                                   struct error *err);
