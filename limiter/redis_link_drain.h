/* redis_link_drain: sends what waits, without the loop: for an end that does not run it any more.
 * Of redis_link alone. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"

struct bufferevent;

/* What waits in the stream, then `rest`; then waits until the server has taken all. At most `most`
 * in all, as `now` says. The stream is only to be freed afterwards. */
void redis_drain(struct bufferevent *stream, struct buffer *rest, usec_t (*now)(void), usec_t most);
