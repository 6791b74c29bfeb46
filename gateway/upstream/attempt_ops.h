/*
 * attempt_ops: what an attempt is over HTTP/1.1 and over HTTP/2. attempt.c asks the table, so that
 * callers see one interface; attempt_h1 and attempt_h2 begin with struct attempt.
 */
#pragma once

#include "gateway/upstream/attempt.h"

struct attempt_ops {
    enum attempt_result (*head)(struct attempt *attempt, const struct http1_response **ret);
    void (*next_head)(struct attempt *attempt);
    enum attempt_result (*read)(struct attempt *attempt, struct slice *ret_data);
    void (*consume)(struct attempt *attempt, size_t count);
    struct slice (*trailers)(const struct attempt *attempt);
    size_t (*room)(struct attempt *attempt);
    void (*write)(struct attempt *attempt, struct slice bytes);
    void (*write_end)(struct attempt *attempt);
    void (*end)(struct attempt *attempt);
};

struct attempt {
    const struct attempt_ops *ops;
    struct attempt_failure failure;
    struct attempt_facts facts;
};

struct attempt *attempt_h1_start(struct upstream_side *side, const struct attempt_request *request);
struct attempt *attempt_h2_start(struct upstream_side *side, const struct attempt_request *request);

enum {
    ATTEMPT_MOST_INTERIM_ANSWERS = 32,
    ATTEMPT_MOST_FIELDS = 256,
    ATTEMPT_HEAD_BYTES = 64 * 1024,
};

/* Of an answer's head. */
static const struct http1_limits attempt_answer_limits = {
    .head_bytes = ATTEMPT_HEAD_BYTES,
    .field_count = ATTEMPT_MOST_FIELDS,
};
