/* The reading half of an attempt over HTTP/2: heads, body and trailers as they come. */
#include "base/memory.h"
#include "gateway/upstream/attempt_h2.h"
#include "gateway/upstream/h2_connection.h"
#include "gateway/upstream/h2_head.h"
#include "gateway/upstream/upstream_side.h"

#include <assert.h>

/* ---- what the connection tells ---- */

static bool refuse(struct attempt_h2 *attempt, const char *why)
{
    attempt->invalid = why;
    return false;
}

bool attempt_h2_on_field(struct attempt_h2 *attempt, struct slice name, struct slice value)
{
    return h2_head_add(&attempt->fields, name, value) == STATUS_OK ||
           refuse(attempt, "the head is too large");
}

static bool take_trailers(struct attempt_h2 *attempt)
{
    const char *wrong = h2_head_read_trailers(&attempt->fields, &attempt->trailers);
    buffer_reset(&attempt->fields);
    return wrong == NULL || refuse(attempt, wrong);
}

static bool take_head(struct attempt_h2 *attempt)
{
    struct http1_field fields[ATTEMPT_MOST_FIELDS];
    struct http1_response response = {.fields = fields};
    const char *wrong = h2_head_read(&attempt->fields, attempt->request.method, &response);
    if (wrong != NULL) {
        return refuse(attempt, wrong);
    }
    if (response.status < 200 && ++attempt->interim_answers > ATTEMPT_MOST_INTERIM_ANSWERS) {
        return refuse(attempt, "too many interim answers");
    }
    if (response.status != 100) { /* that was sent without being asked for: nothing to tell */
        struct kept_head *head = kept_head_new(&response, buffer_bytes(&attempt->fields).ptr);
        *attempt->last = head;
        attempt->last = &head->next;
        timer_stop(&attempt->timer);
        wake(attempt->request.waiter);
    }
    attempt->final_seen = response.status >= 200;
    attempt_h2_watch_sending(attempt); /* behind an interim one the body is still to be taken */
    buffer_reset(&attempt->fields);
    return true;
}

bool attempt_h2_on_fields_end(struct attempt_h2 *attempt)
{
    return attempt->final_seen ? take_trailers(attempt) : take_head(attempt);
}

void attempt_h2_on_data(struct attempt_h2 *attempt, struct slice bytes)
{
    enum status status = buffer_append(&attempt->data, bytes);
    assert(status == STATUS_OK); /* nghttp2 sees to the window */
    (void)status;
    if (attempt->side->held_bytes != NULL) {
        atomic_fetch_add_explicit(attempt->side->held_bytes, bytes.len, memory_order_relaxed);
    }
    attempt->base.facts.received_bytes += bytes.len;
    timer_stop(&attempt->timer); /* it does send; when it is read is up to our caller */
    wake(attempt->request.waiter);
}

void attempt_h2_on_end(struct attempt_h2 *attempt)
{
    attempt->over = attempt->final_seen;
    timer_stop(&attempt->timer);
    wake(attempt->request.waiter);
}

/* ---- what the caller asks ---- */

enum attempt_result attempt_h2_head(struct attempt *base, const struct http1_response **ret)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    if (attempt->heads != NULL) {
        *ret = &attempt->heads->response;
        return ATTEMPT_READY;
    }
    return attempt_h2_failed(attempt) ? ATTEMPT_FAILED : ATTEMPT_PENDING;
}

void attempt_h2_next_head(struct attempt *base)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    struct kept_head *head = attempt->heads;
    if (head == NULL) {
        return;
    }
    assert(head->response.status < 200);
    attempt->heads = head->next;
    if (attempt->heads == NULL) {
        attempt->last = &attempt->heads;
    }
    memory_free(head);
    attempt_h2_await_answer(attempt);
}

enum attempt_result attempt_h2_read(struct attempt *base, struct slice *ret_data)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    if (buffer_len(&attempt->data) > 0) { /* also what came before a failure */
        *ret_data = buffer_bytes(&attempt->data);
        timer_stop(&attempt->timer); /* now it is up to our caller */
        return ATTEMPT_READY;
    }
    if (attempt_h2_failed(attempt)) {
        return ATTEMPT_FAILED;
    }
    if (attempt->over) {
        return ATTEMPT_END;
    }
    if (attempt->timer.due == 0) { /* asking again gives no more time */
        attempt_h2_set_deadline(attempt, ATTEMPT_TIMEOUT_IDLE, attempt->request.timeouts.idle);
    }
    return ATTEMPT_PENDING;
}

void attempt_h2_let_go(struct attempt_h2 *attempt, size_t count)
{
    if (attempt->side->held_bytes != NULL && count > 0) {
        atomic_fetch_sub_explicit(attempt->side->held_bytes, count, memory_order_relaxed);
    }
}

void attempt_h2_consume(struct attempt *base, size_t count)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    buffer_consume(&attempt->data, count);
    attempt_h2_let_go(attempt, count);
    if (buffer_len(&attempt->data) == 0) {
        buffer_reset(&attempt->data);
    }
    if (attempt->connection != NULL) {
        h2_connection_consumed(attempt->connection, attempt->stream_id, count);
    }
}

struct slice attempt_h2_trailers(const struct attempt *base)
{
    return ((const struct attempt_h2 *)base)->trailers;
}
