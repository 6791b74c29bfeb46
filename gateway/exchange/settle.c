/* settle: everything that the exchange holds is released here, once, however it ended. */
#include "auth/inbound/tenant.h"
#include "auth/secrets/secret_store.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/wait_line.h"
#include "gateway/observe/access_log.h"
#include "gateway/observe/metrics.h"
#include "limiter/reservation.h"

#include <assert.h>

enum { LABEL_MAX = 128 };

static const char *ended_by_name(enum ended_by by)
{
    switch (by) {
    case ENDED_NORMALLY:
        return "";
    case ENDED_BY_CLIENT:
        return "client";
    case ENDED_BY_GATEWAY:
        return "gateway";
    case ENDED_BY_UPSTREAM:
        return "upstream";
    case ENDED_BY_QUOTA:
        return "quota";
    }
    return "";
}

/* The client's own X-Request-Id, as a label: visible ASCII only, and not too long. */
static struct slice client_label(const struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (field->id != HTTP1_OTHER || !slice_equal_nocase(field->name, SLICE("x-request-id"))) {
            continue;
        }
        for (size_t k = 0; k < field->value.len; k++) {
            if (field->value.ptr[k] <= ' ' || field->value.ptr[k] > '~') {
                return slice_make("", 0);
            }
        }
        return field->value.len <= LABEL_MAX ? field->value : slice_make("", 0);
    }
    return slice_make("", 0);
}

struct durations {
    usec_t total, upstream, first_byte;
};

static struct durations measure(const struct exchange *exchange, usec_t now)
{
    const struct exchange_facts *facts = &exchange->facts;
    return (struct durations){
        .total = now - facts->started,
        .upstream = facts->sent == 0 ? -1 : now - facts->sent,
        .first_byte = facts->first_byte_out == 0 ? -1 : facts->first_byte_out - facts->started,
    };
}

static const char *reason_of(const struct exchange *exchange)
{
    if (exchange->refused) {
        return exchange->refusal.why.message;
    }
    return exchange->ended_by == ENDED_BY_CLIENT ? "the client left" : "";
}

static void write_log(struct exchange *exchange, const struct durations *durations)
{
    struct exchange_side *side = exchange->side;
    const struct exchange_facts *facts = &exchange->facts;
    if (side->scribe == NULL) {
        return;
    }
    struct slice target = exchange->request->path;
    target.len = slice_find(target, '?');
    struct access_record record = {
        .wall_time = facts->started_wall,
        .id = exchange->id,
        .label = client_label(exchange),
        .peer = connection_peer(exchange->connection),
        .tenant = exchange->tenant == NULL ? "" : exchange->tenant->name,
        .route = exchange->route == NULL ? "" : exchange->route->name,
        .method = exchange->request->method_text,
        .path = target,
        .status = facts->status,
        .code = exchange->refused ? problem_code_text(exchange->refusal.code) : "",
        .ended_by = ended_by_name(exchange->ended_by),
        .step = exchange->ended_by == ENDED_NORMALLY ? "" : exchange_state_name(exchange->ended_in),
        .reason = reason_of(exchange),
        .upstream =
            facts->sent == 0 || exchange->route == NULL ? "" : exchange->route->origin.authority,
        .upstream_status = facts->upstream_status,
        .attempts = facts->attempts,
        .reused = facts->reused,
        .request_bytes = facts->request_bytes,
        .response_bytes = facts->response_bytes,
        .duration = durations->total,
        .upstream_duration = durations->upstream,
        .time_to_first_byte = durations->first_byte,
        .overhead = facts->overhead,
    };
    if (!access_log_format(&record, &side->log)) {
        metrics_add(side->metrics, METRIC_access_log_dropped_total, 1);
    }
}

static const char *method_label(const struct http1_request *request)
{
    static const char *const names[] = {
        [HTTP1_METHOD_OTHER] = "OTHER", [HTTP1_GET] = "GET",         [HTTP1_HEAD] = "HEAD",
        [HTTP1_POST] = "POST",          [HTTP1_PUT] = "PUT",         [HTTP1_DELETE] = "DELETE",
        [HTTP1_PATCH] = "PATCH",        [HTTP1_OPTIONS] = "OPTIONS", [HTTP1_CONNECT] = "CONNECT",
        [HTTP1_TRACE] = "TRACE",
    };
    return names[request->method];
}

static void count(const struct exchange *exchange, const struct durations *durations)
{
    struct metrics_block *metrics = exchange->side->metrics;
    const struct exchange_facts *facts = &exchange->facts;
    metrics_request(metrics, &(struct request_metrics){
                                 .tenant = exchange->tenant == NULL ? "" : exchange->tenant->name,
                                 .route = exchange->route == NULL ? "" : exchange->route->name,
                                 .method = method_label(exchange->request),
                                 .status = facts->status,
                                 .duration = durations->total,
                                 .upstream_duration = durations->upstream,
                                 .overhead_duration = facts->overhead,
                                 .time_to_first_byte = durations->first_byte,
                             });
    if (exchange->tenant == NULL) {
        metrics_add(metrics, METRIC_requests_refused_total, 1);
    }
    if (connection_gone(exchange->connection)) {
        metrics_add(metrics, METRIC_clients_gone_total, 1);
    }
}

static void count_attempt(const struct exchange *exchange)
{
    struct metrics_block *metrics = exchange->side->metrics;
    const struct attempt_facts *facts = attempt_facts(exchange->attempt);
    if (facts->reused || facts->resent) {
        metrics_add(metrics, METRIC_upstream_reuses_total, 1);
    }
    if (!facts->reused && facts->connected_at != 0) {
        metrics_add(metrics, METRIC_upstream_connects_total, 1);
    }
    if (facts->resent) {
        metrics_add(metrics, METRIC_upstream_resends_total, 1);
    }
    if (exchange->scrub.hits > 0) {
        metrics_add(metrics, METRIC_scrubbed_total, (int64_t)exchange->scrub.hits);
    }
}

/* The attempt first: it may have borrowed the body from the connection. */
static void let_go(struct exchange *exchange)
{
    struct connection *connection = TAKE(exchange->connection);
    attempt_end(TAKE(exchange->attempt));
    switch (exchange->ending) {
    case ENDING_CUT:
        connection_cut(connection);
        break;
    case ENDING_KEEP:
        if (exchange->body_mode == BODY_WHOLE && !exchange->body_ended) {
            connection_consume(connection, exchange->body_slice.len);
        }
        connection_finish(connection, CONNECTION_KEEP);
        break;
    case ENDING_CLOSE:
        connection_finish(connection, CONNECTION_CLOSE);
        break;
    }
}

/* Whoever waits for what is given back may ask now. */
static void tell_lines(const struct exchange_side *side, const struct buffer *keys)
{
    for (struct slice rest = buffer_bytes(keys); rest.len > 0;) {
        struct slice key = slice_make(rest.ptr, slice_find(rest, '\n'));
        wait_line_room(side->quota.lines, key);
        rest = slice_skip(rest, key.len + 1);
    }
}

/* The keys that others may wait for, a line each: settling frees the reservation with its keys. */
static void note_keys(const struct exchange *exchange, struct buffer *keys)
{
    const struct reservation *reservation = exchange->reservation;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->limit->wait > 0 && limit_settles(demand->limit)) {
            enum status status = buffer_append(keys, demand->key);
            assert(status == STATUS_OK); /* it has room for all of them */
            status = buffer_append(keys, SLICE("\n"));
            assert(status == STATUS_OK);
        }
    }
}

/* The store is told what was really used, whatever way the exchange ended. */
static void settle_quotas(struct exchange *exchange)
{
    struct exchange_side *side = exchange->side;
    wait_place_leave(TAKE(exchange->place));
    if (exchange->reservation == NULL) {
        return;
    }
    struct buffer keys CLEANUP(buffer_fini);
    buffer_init(&keys, (size_t)RESERVATION_DEMANDS_MAX * (LIMIT_KEY_MAX + 1));
    if (wait_lines_count(side->quota.lines) > 0) {
        note_keys(exchange, &keys);
    }
    if (exchange->metering != NULL) {
        metering_settle(exchange);
    }
    if (exchange->reservation->state == RESERVATION_HELD) {
        quota_count_overruns(exchange);
    }
    exchange->reservation->waiter = NULL;
    side->quota.store.ops->settle(side->quota.store.side, TAKE(exchange->reservation));
    tell_lines(side, &keys);
}

static void release(struct exchange *exchange)
{
    struct exchange_side *side = exchange->side;
    metering_free(TAKE(exchange->metering));
    timer_cancel(&side->loop->timers, &exchange->room);
    timer_cancel(&side->loop->timers, &exchange->total);
    waiter_cancel(&exchange->waiter);
    credential_unref(TAKE(exchange->credential));
    scrub_state_fini(&exchange->scrub);
    buffer_fini(&exchange->body);
    exchange_side_release(side, exchange->held_bytes);
    if (exchange->prev != NULL) {
        exchange->prev->next = exchange->next;
    } else {
        side->first = exchange->next;
    }
    if (exchange->next != NULL) {
        exchange->next->prev = exchange->prev;
    }
    side->count--;
    snapshot_unref(TAKE(exchange->snapshot));
}

enum step_result settle_begin(struct exchange *exchange)
{
    usec_t now = clock_now();
    exchange->facts.overhead += now - exchange->facts.running_since;
    struct durations durations = measure(exchange, now);
    settle_quotas(exchange);
    write_log(exchange, &durations);
    count(exchange, &durations);
    if (exchange->attempt != NULL) {
        count_attempt(exchange);
    }
    let_go(exchange);
    release(exchange);
    return STEP_END;
}
