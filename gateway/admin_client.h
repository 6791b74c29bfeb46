/*
 * admin_client: a command's call to the admin listener of the running gateway. Blocking.
 */
#pragma once

#include "base/status.h"

struct buffer;
struct snapshot;

enum admin_call {
    ADMIN_CALL_GET,
    ADMIN_CALL_GET_ALL, /* what not all may read who may read */
    ADMIN_CALL_POST,
};

/* `target` begins with "/". POST and GET_ALL carry the token that may do all, and so does GET where
 * the listener is not on loopback (or the one that reads). Over TLS the certificate has to be the
 * first name's of admin.hosts, by an authority of admin.tls.ca or the system's. The answer's body
 * is appended to `out`. Any answer but 200 is an error, with what the gateway said; so is none. */
MUST_USE enum status admin_client_call(const struct snapshot *snapshot, enum admin_call call,
                                       const char *target, struct buffer *out, struct error *err);
