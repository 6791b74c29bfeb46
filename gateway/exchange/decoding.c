#include "gateway/exchange/decoding.h"

#include "base/memory.h"
#include "gateway/exchange/clean_text.h"
#include "gateway/exchange/content_type.h"
#include "gateway/exchange/encoded_body.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/metrics.h"

enum {
    WORK_BYTES = 64 * 1024,  /* that are decoded before others are asked whether it is their turn */
    FIRST_BYTES = 32 * 1024, /* that are read before the head goes, if they are at hand */
};

struct decoding {
    struct encoded_body *body; /* owned */
    bool events;
};

/* ---- what is asked for ---- */

static bool wants_part(const struct http1_request *request)
{
    return http1_find_field(request->fields, request->field_count, SLICE("range")) != NULL;
}

enum coding_choice decoding_choice(const struct exchange *exchange)
{
    if (exchange_scrubber(exchange) == NULL && !metering_may_read(exchange)) {
        return CODINGS_ALL;
    }
    return wants_part(exchange->request) || metering_may_change(exchange) ? CODINGS_NONE
                                                                          : CODINGS_KNOWN;
}

/* ---- memory ---- */

static bool take_memory(void *ctx, size_t bytes)
{
    struct exchange *exchange = ctx;
    if (!exchange_side_hold(exchange->side, bytes)) {
        return false;
    }
    exchange->held_bytes += bytes;
    return true;
}

static void give_memory(void *ctx, size_t bytes)
{
    struct exchange *exchange = ctx;
    exchange_side_release(exchange->side, bytes);
    exchange->held_bytes -= bytes;
}

/* ---- begin and end ---- */

static enum step_result cannot_read(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_INVALID_RESPONSE, "%s",
                         exchange->response->status == 206
                             ? "the provider sent an encoded part of an answer, which cannot be "
                               "read"
                             : "the provider sent an answer in an encoding that was not asked for");
}

bool decoding_begin(struct exchange *exchange, enum step_result *ret)
{
    const struct http1_response *response = exchange->response;
    enum coding coding = coding_of(response->fields, response->field_count);
    if (coding == CODING_IDENTITY || response->framing == HTTP1_NO_BODY ||
        (exchange_scrubber(exchange) == NULL && !metering_reads(exchange))) {
        return true;
    }
    if (coding == CODING_OTHER || response->status == 206) {
        *ret = cannot_read(exchange);
        return false;
    }
    const struct decode_memory memory = {.take = take_memory, .give = give_memory, .ctx = exchange};
    struct encoded_body *body =
        encoded_body_new(coding, exchange_scrubber(exchange), &exchange->side->clean, &memory);
    if (body == NULL) {
        *ret = exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.buffered_bytes is used up: try again later");
        return false;
    }
    exchange->decoding = MEMORY_NEW(struct decoding);
    exchange->decoding->body = body;
    exchange->decoding->events =
        metering_streams(exchange) ||
        slice_starts_with_nocase(content_type_of(response), SLICE("text/event-stream"));
    return true;
}

void decoding_free(struct exchange *exchange)
{
    struct decoding *decoding = TAKE(exchange->decoding);
    if (decoding != NULL) {
        encoded_body_free(decoding->body);
        memory_free(decoding);
    }
}

bool decoding_keeps_head(const struct exchange *exchange)
{
    return exchange->decoding != NULL && !exchange->decoding->events;
}

uint64_t decoding_work(const struct exchange *exchange)
{
    return exchange->decoding == NULL ? 0 : encoded_body_work(exchange->decoding->body);
}

enum step_result decoding_refuse(struct exchange *exchange)
{
    const char *why = NULL;
    enum encoded_refusal refusal = encoded_body_refusal(exchange->decoding->body, &why);
    bool ours = refusal == ENCODED_NO_MEMORY;
    if (refusal == ENCODED_MATCH) {
        exchange->scrub.hits++;
    }
    if (exchange->facts.status != 0) {
        metrics_add(exchange->side->metrics, METRIC_responses_cut_total, 1);
    }
    return exchange_fail(exchange, ours ? ENDED_BY_GATEWAY : ENDED_BY_UPSTREAM,
                         ours ? PROBLEM_OVERLOADED : PROBLEM_UPSTREAM_INVALID_RESPONSE,
                         "the provider's answer is encoded, and %s", why);
}

/* ---- the steps ---- */

/* What may leave. The last byte of an answer whose length is known completes it, and waits until
 * all of it is known to be good. */
static struct slice clear(const struct exchange *exchange)
{
    const struct encoded_body *body = exchange->decoding->body;
    const struct http1_response *response = exchange->response;
    struct slice data = encoded_body_clear(body);
    bool all = data.len == encoded_body_held(body) &&
               encoded_body_received(body) == response->content_length;
    if (response->framing == HTTP1_LENGTH && all && data.len > 0 &&
        encoded_body_wants(body) != ENCODED_OVER) {
        data.len--;
    }
    return data;
}

/* Is there something to be passed on? While nothing of the answer has left, what is wrong with it
 * can still be told: then as much is read first as there is at hand. */
static bool is_enough(const struct exchange *exchange)
{
    const struct encoded_body *body = exchange->decoding->body;
    bool may_wait = exchange->facts.status == 0 && decoding_keeps_head(exchange) &&
                    encoded_body_wants(body) != ENCODED_OVER &&
                    encoded_body_held(body) < FIRST_BYTES;
    return clear(exchange).len > 0 && !may_wait;
}

static enum decoding_result look(struct exchange *exchange)
{
    struct encoded_body *body = exchange->decoding->body;
    struct slice text = encoded_body_text(body);
    enum metering_pass pass = METERING_PASS;
    if (exchange->metering != NULL) {
        pass = metering_look_text(exchange, text, &text.len);
    }
    object_watch_look(exchange, text);
    encoded_body_seen(body, text.len);
    return pass == METERING_EXTEND ? DECODING_EXTEND : DECODING_BUSY;
}

/* Of an answer whose length is known, the end is known with its last byte. */
static bool is_all(const struct exchange *exchange)
{
    return exchange->response->framing == HTTP1_LENGTH &&
           encoded_body_received(exchange->decoding->body) == exchange->response->content_length;
}

static enum decoding_result read_more(struct exchange *exchange)
{
    struct slice data;
    struct encoded_body *body = exchange->decoding->body;
    if (is_all(exchange)) {
        encoded_body_end(body);
        return DECODING_BUSY;
    }
    switch (attempt_read(exchange->attempt, &data)) {
    case ATTEMPT_READY:
        attempt_consume(exchange->attempt, encoded_body_put(body, data));
        return DECODING_BUSY;
    case ATTEMPT_PENDING:
        return DECODING_PENDING;
    case ATTEMPT_END:
        encoded_body_end(body);
        return DECODING_BUSY;
    case ATTEMPT_FAILED:
        break;
    }
    return DECODING_FAILED;
}

/* All is looked at. Of an answer whose length is known the provider's end of it is still to come.
 */
static enum decoding_result read_end(struct exchange *exchange)
{
    struct slice data;
    switch (attempt_read(exchange->attempt, &data)) {
    case ATTEMPT_PENDING:
        return DECODING_PENDING;
    case ATTEMPT_END:
        return DECODING_END;
    case ATTEMPT_READY:
    case ATTEMPT_FAILED:
        break;
    }
    return DECODING_FAILED;
}

static enum decoding_result go_on(struct exchange *exchange)
{
    struct encoded_body *body = exchange->decoding->body;
    switch (encoded_body_wants(body)) {
    case ENCODED_STEP:
        encoded_body_step(body);
        return DECODING_BUSY;
    case ENCODED_TEXT:
        return look(exchange);
    case ENCODED_BYTES:
        return read_more(exchange);
    case ENCODED_OVER:
        return read_end(exchange);
    case ENCODED_REFUSED:
        break;
    }
    return DECODING_REFUSED;
}

enum decoding_result decoding_read(struct exchange *exchange, struct slice *ret_data)
{
    enum decoding_result result = DECODING_BUSY;
    uint64_t before = decoding_work(exchange);
    while (result == DECODING_BUSY && !is_enough(exchange) &&
           decoding_work(exchange) - before < WORK_BYTES) {
        result = go_on(exchange);
    }
    *ret_data = clear(exchange);
    if ((result == DECODING_BUSY && is_enough(exchange)) ||
        (result == DECODING_PENDING && ret_data->len > 0)) {
        return DECODING_READY;
    }
    return result;
}

void decoding_consume(struct exchange *exchange, size_t count)
{
    encoded_body_leave(exchange->decoding->body, count);
}
