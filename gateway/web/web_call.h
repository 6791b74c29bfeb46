/*
 * web_call: one call of the gateway's own over https: to a URL that a message or a scheme names (a
 * key, a confirmation), under the config's egress; or to a site that the config names, wherever
 * that is. Belongs to one loop.
 */
#pragma once

#include "base/slice.h"
#include "gateway/upstream/fetch.h"

struct key_site;
struct snapshot;
struct web_call;

#define WEB_CALL_TIME (8 * SEC) /* at most; then it has failed */

struct web_call_request {
    struct loop *loop;               /* borrowed */
    struct upstream_side *upstreams; /* borrowed */
    struct snapshot *snapshot;       /* a reference is taken, for its egress */
    struct slice url;                /* https://HOST/PATH, no port or user; copied */
    const struct key_site *site;     /* in the snapshot; in place of `url`; NULL: `url` */
    struct slice body;               /* JSON, which is posted; empty: GET; copied, and wiped */
    size_t answer_bytes;
};

/* `done` is called once, from the loop, never within this call; the call is gone then. NULL, and
 * nothing is called: the URL is none, or too long. */
struct web_call *web_call_start(const struct web_call_request *request, void *ctx,
                                void (*done)(void *ctx, const struct fetch_result *result));
void web_call_cancel(struct web_call *call); /* takes NULL */
