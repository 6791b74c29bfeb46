/* Which protocol an attempt speaks, its origin says; here is nothing else. */
#include "gateway/upstream/attempt.h"

#include "gateway/upstream/attempt_ops.h"
#include "routes/origin.h"

struct attempt *attempt_start(struct upstream_side *side, const struct attempt_request *request)
{
    return request->origin->http2 ? attempt_h2_start(side, request)
                                  : attempt_h1_start(side, request);
}

enum attempt_result attempt_head(struct attempt *attempt, const struct http1_response **ret)
{
    return attempt->ops->head(attempt, ret);
}

void attempt_next_head(struct attempt *attempt)
{
    attempt->ops->next_head(attempt);
}

enum attempt_result attempt_read(struct attempt *attempt, struct slice *ret_data)
{
    return attempt->ops->read(attempt, ret_data);
}

void attempt_consume(struct attempt *attempt, size_t count)
{
    attempt->ops->consume(attempt, count);
}

struct slice attempt_trailers(const struct attempt *attempt)
{
    return attempt->ops->trailers(attempt);
}

size_t attempt_room(struct attempt *attempt)
{
    return attempt->ops->room(attempt);
}

void attempt_write(struct attempt *attempt, struct slice bytes)
{
    attempt->ops->write(attempt, bytes);
}

void attempt_write_end(struct attempt *attempt)
{
    attempt->ops->write_end(attempt);
}

const struct attempt_failure *attempt_failure(const struct attempt *attempt)
{
    return &attempt->failure;
}

const struct attempt_facts *attempt_facts(const struct attempt *attempt)
{
    return &attempt->facts;
}

void attempt_end(struct attempt *attempt)
{
    if (attempt != NULL) {
        attempt->ops->end(attempt);
    }
}
