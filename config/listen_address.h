/*
 * listen_address: an address to listen on, as the config has it: "host:port", "[v6]:port" or
 * "unix:/path".
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

/* `*ret_host` is its host, without brackets; empty for a unix socket. The error says what to write.
 */
MUST_USE enum status listen_address_check(struct slice text, struct slice *ret_host,
                                          struct error *err);
/* Can only this machine reach it? */
bool listen_address_is_loopback(struct slice host);
