/*
 * web_call: one call of the gateway's own to an https URL that a message or a scheme names: a key,
 * a confirmation. Egress is as the config says. Belongs to one loop.
 */
#pragma once

#include "base/slice.h"
#include "gateway/upstream/fetch.h"

struct snapshot;
struct web_call;

#define WEB_CALL_TIME (8 * SEC) /* at most; then it has failed */

struct web_call_request {
    struct loop *loop;               /* borrowed */
    struct upstream_side *upstreams; /* borrowed */
    struct snapshot *snapshot;       /* a reference is taken, for its egress */
    struct slice url;                /* https://HOST/PATH, no port or user; copied */
    struct slice body;               /* JSON, which is posted; empty: GET; copied, and wiped */
    size_t answer_bytes;
};

/* `done` is called once, from the loop, never within this call; the call is gone then. NULL, and
 * nothing is called: the URL is none, or too long. */
struct web_call *web_call_start(const struct web_call_request *request, void *ctx,
                                void (*done)(void *ctx, const struct fetch_result *result));
void web_call_cancel(struct web_call *call); /* takes NULL */
