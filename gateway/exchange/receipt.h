/*
 * receipt: what the call cost and used, as fields of its answer: X-Sallyport-Cost-USD and
 * X-Sallyport-Usage. In the head where it is known in time; behind an event stream as trailers.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct exchange;

/* Both fields, or nothing, if it is not known (yet): see metering_close(). */
MUST_USE enum status receipt_write(const struct exchange *exchange, struct buffer *out);

/* Will the answer, whose framing is decided, have them as trailers? */
bool receipt_trails(const struct exchange *exchange);
/* "Trailer: ..." for its head. */
MUST_USE enum status receipt_announce(struct buffer *out);

/* "12.000123450": USD of nano-USD. */
MUST_USE enum status receipt_put_usd(uint64_t nanousd, struct buffer *out);
