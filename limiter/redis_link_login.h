/*
 * redis_link_login: the first commands on a connection (AUTH or PING, SELECT), and what it means
 * when one is refused. Of redis_link alone.
 */
#pragma once

#include "base/buffer.h"
#include "limiter/redis_link.h"

/* Into an empty buffer; grows once, so that no copy of the password is left behind. Returns how
 * many replies are due. */
unsigned redis_login_write(const struct redis_address *address, struct buffer *out);

/* Whether the reply, the `index`th, means that this connection is of no use. `why` is then what to
 * do; nothing of the reply is in it, for a server may give back what it got. */
bool redis_login_refused(const struct redis_address *address, unsigned index,
                         const struct redis_reply *reply, char *why, size_t size);
