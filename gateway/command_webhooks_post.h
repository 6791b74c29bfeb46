/*
 * command_webhooks_post: one POST of a command's own, as a provider would make it. Blocking.
 */
#pragma once

#include "base/http1.h"
#include "base/status.h"

struct buffer;

struct webhooks_post {
    const char *url;  /* http or https */
    const char *host; /* of the Host field; NULL: the URL's */
    const struct http1_field *fields;
    unsigned field_count;
    struct slice body;
};

struct webhooks_posted {
    unsigned status;
    uint64_t took_ms;
    bool cut; /* there was more of the answer's body */
};

/* The answer's body is appended to `out`, as much as it takes. Any status is an answer; none is an
 * error. */
MUST_USE enum status webhooks_post(const struct webhooks_post *post, struct webhooks_posted *ret,
                                   struct buffer *out, struct error *err);
