/* The reading half of an attempt over HTTP/1.1: the answer's head, its body, and its end. */
#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/attempt_h1.h"
#include "gateway/upstream/link.h"
#include "routes/origin.h"

#include <assert.h>

/* Reads behind the unread bytes. */
static enum link_io fill(struct attempt_h1 *attempt)
{
    size_t size;
    size_t count = 0;
    char *into = intake_reserve(&attempt->intake, &size);
    assert(size > 0); /* heads and trailers are limited below it */
    enum link_io io = link_read(attempt->link, into, size, &count);
    if (io == LINK_OK) {
        intake_commit(&attempt->intake, count);
        attempt->base.facts.received_bytes += count;
        attempt->link_received_bytes += count;
        if (attempt->base.facts.first_byte_at == 0) {
            attempt->base.facts.first_byte_at = clock_now();
        }
    }
    return io;
}

/* ---- the answer's head ---- */

static void on_head(struct attempt_h1 *attempt, const struct http1_response *response)
{
    timer_stop(&attempt->timer);
    attempt->seen_bytes = 0;
    if (response->status == 100) { /* was sent without being asked for: nothing to tell */
        intake_consume(&attempt->intake, response->head_len);
        attempt_h1_await_answer(attempt);
        return;
    }
    attempt->head = kept_head_new(response, attempt->intake.unread.ptr);
    intake_consume(&attempt->intake, response->head_len);
    if (response->status >= 200) {
        attempt->sending_over = true;
        http1_body_init(&attempt->body, response->framing, response->content_length);
        attempt->over = http1_body_ended(&attempt->body);
    }
}

/* Looks for a head in the unread bytes. */
static enum http1_result parse_head(struct attempt_h1 *attempt)
{
    struct http1_field fields[ATTEMPT_MOST_FIELDS];
    struct http1_response response = {.fields = fields};
    struct http1_fault fault = {0};
    struct slice unread = attempt->intake.unread;
    if (unread.len == attempt->seen_bytes ||
        !http1_head_grew(unread, attempt->seen_bytes, &attempt_answer_limits)) {
        attempt->seen_bytes = unread.len;
        return HTTP1_PARTIAL;
    }
    enum http1_result result = http1_read_response(unread, &attempt_answer_limits,
                                                   attempt->request.method, &response, &fault);
    const char *host = attempt->request.origin->host;
    switch (result) {
    case HTTP1_DONE:
        if (response.status < 200 && ++attempt->interim_answers > ATTEMPT_MOST_INTERIM_ANSWERS) {
            attempt_h1_fail(attempt, ATTEMPT_INVALID,
                            "invalid answer from %s: too many interim answers", host);
            return HTTP1_BAD;
        }
        on_head(attempt, &response);
        break;
    case HTTP1_PARTIAL:
        attempt->seen_bytes = unread.len;
        break;
    case HTTP1_BAD:
        attempt_h1_fail(attempt, ATTEMPT_INVALID, "invalid answer from %s: %s", host, fault.reason);
        break;
    }
    return result;
}

enum attempt_result attempt_h1_head(struct attempt *base, const struct http1_response **ret)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    attempt_h1_flush(attempt);
    while (!attempt_h1_failed(attempt) && attempt->head == NULL) {
        if (attempt->link == NULL || parse_head(attempt) == HTTP1_BAD) {
            break;
        }
        if (attempt->head != NULL || attempt->intake.unread.len > attempt->seen_bytes) {
            continue;
        }
        if (!attempt->link->readable) {
            link_want_read(attempt->link);
            break;
        }
        enum link_io io = fill(attempt);
        if (io == LINK_EOF || io == LINK_LOST) {
            attempt_h1_lost_before_answer(attempt);
        }
    }
    if (attempt_h1_failed(attempt)) {
        return ATTEMPT_FAILED;
    }
    if (attempt->head == NULL) {
        return ATTEMPT_PENDING;
    }
    *ret = &attempt->head->response;
    return ATTEMPT_READY;
}

void attempt_h1_next_head(struct attempt *base)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    assert(attempt->head == NULL || attempt->head->response.status < 200);
    memory_free(TAKE(attempt->head));
    attempt_h1_await_answer(attempt);
}

/* ---- the answer's body ---- */

static void keep_trailers(struct attempt_h1 *attempt, struct slice trailers)
{
    if (trailers.len > 0) {
        attempt->trailers = slice_make(memory_copy(trailers), trailers.len);
    }
}

/* Looks for body bytes or the end in the unread bytes. */
static void parse_body(struct attempt_h1 *attempt)
{
    struct slice unread = attempt->intake.unread;
    struct slice data = {"", 0};
    struct http1_fault fault = {0};
    size_t used = 0;
    switch (http1_body_next(&attempt->body, unread, &used, &data, &fault)) {
    case HTTP1_PIECE_DATA: {
        size_t before = (size_t)(data.ptr - unread.ptr);
        intake_consume(&attempt->intake, before);
        attempt->data_len = data.len;
        attempt->data_tail_len = used - before - data.len;
        attempt->seen_bytes = 0;
        break;
    }
    case HTTP1_PIECE_MORE:
        intake_consume(&attempt->intake, used);
        attempt->seen_bytes = attempt->intake.unread.len;
        break;
    case HTTP1_PIECE_END:
        keep_trailers(attempt, data);
        intake_consume(&attempt->intake, used);
        attempt->over = true;
        break;
    case HTTP1_PIECE_BAD:
        attempt_h1_fail(attempt, ATTEMPT_INVALID, "invalid answer from %s: %s",
                        attempt->request.origin->host, fault.reason);
        break;
    }
}

static void on_end_of_file(struct attempt_h1 *attempt, enum link_io io)
{
    bool clean = io == LINK_EOF && (!attempt->link->tls || attempt->link->close_notify);
    if (attempt->body.framing == HTTP1_UNTIL_CLOSE && clean) {
        attempt->over = true;
    } else {
        attempt_h1_fail(attempt, ATTEMPT_BROKEN_OFF,
                        "%s closed the connection inside the answer's body",
                        attempt->request.origin->host);
    }
}

enum attempt_result attempt_h1_read(struct attempt *base, struct slice *ret_data)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    assert(attempt_h1_failed(attempt) ||
           (attempt->head != NULL && attempt->head->response.status >= 200));
    while (!attempt_h1_failed(attempt) && attempt->data_len == 0 && !attempt->over) {
        if (http1_body_ended(&attempt->body)) {
            attempt->over = true;
        } else if (attempt->intake.unread.len > attempt->seen_bytes) {
            parse_body(attempt);
        } else if (attempt->link->readable) {
            enum link_io io = fill(attempt);
            if (io == LINK_EOF || io == LINK_LOST) {
                on_end_of_file(attempt, io);
            }
        } else {
            link_want_read(attempt->link);
            if (attempt->timer.due == 0) { /* asking again gives no more time */
                attempt_h1_set_deadline(attempt, ATTEMPT_TIMEOUT_IDLE,
                                        attempt->request.timeouts.idle);
            }
            return ATTEMPT_PENDING;
        }
    }
    timer_stop(&attempt->timer); /* now it is up to our caller */
    if (attempt_h1_failed(attempt)) {
        return ATTEMPT_FAILED;
    }
    if (attempt->data_len == 0) {
        return ATTEMPT_END;
    }
    *ret_data = slice_make(attempt->intake.unread.ptr, attempt->data_len);
    return ATTEMPT_READY;
}

void attempt_h1_consume(struct attempt *base, size_t count)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    assert(count <= attempt->data_len);
    intake_consume(&attempt->intake, count);
    attempt->data_len -= count;
    if (attempt->data_len == 0) {
        intake_consume(&attempt->intake, attempt->data_tail_len);
        attempt->data_tail_len = 0;
    }
}

struct slice attempt_h1_trailers(const struct attempt *base)
{
    const struct attempt_h1 *attempt = (const struct attempt_h1 *)base;
    return attempt->trailers;
}
