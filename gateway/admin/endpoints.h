/*
 * endpoints: what the admin listener answers to a request. Knows no socket and no HTTP library.
 */
#pragma once

#include "base/buffer.h"
#include "gateway/admin/access.h"
#include "gateway/admin/admin_server.h"

enum { ADMIN_BODY_MAX_BYTES = 64 * 1024 * 1024 };

enum admin_method { ADMIN_GET, ADMIN_HEAD, ADMIN_POST, ADMIN_OTHER };

struct admin_request {
    enum admin_method method;
    const char *path;
    const char *query;         /* may be NULL */
    const char *host;          /* the field's value; NULL: none */
    const char *origin;        /* likewise */
    const char *authorization; /* likewise */
    const char *accept;        /* likewise */
    const char *peer;          /* an address, or "unix" */
    bool local;                /* of this machine, and nobody's proxy */
    usec_t now;
    struct access_failures *failures; /* borrowed; of the listener */
    struct admin_later *later;        /* of POST; borrowed unless the answer says that it is kept */
};

struct admin_answer {
    unsigned status;
    const char *content_type;
    const char *allow;    /* of 405: the methods; else NULL */
    unsigned retry_after; /* of 429: seconds */
    struct buffer body;   /* also of an answer to HEAD: it tells the length */
    bool later;           /* nothing of this counts: request->later is answered by who keeps it */
};

/* Fills *ret; the caller frees the body. */
void endpoints_answer(const struct admin_request *request, const struct admin_hosts *hosts,
                      const struct admin_ops *ops, void *ctx, struct admin_answer *ret);
