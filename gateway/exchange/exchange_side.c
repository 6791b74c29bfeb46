#include "gateway/exchange/exchange_side.h"

#include "auth/outbound/signer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/token_cache.h"
#include "gateway/ledger/ledger.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/scribe.h"
#include "gateway/otlp/otlp.h"
#include "gateway/upstream/attempt.h"
#include "gateway/web/issuer_keys.h"

#include <assert.h>

enum {
    HEAD_MAX_BYTES = 256 * 1024, /* an upstream head: the client's and what is added */
    CLEAN_MAX_BYTES =
        CONNECTION_OUTPUT_BYTES + SCRUB_HELD_MAX, /* a piece of a body, and held ones */
    LOG_MAX_BYTES = 1024 * 1024,                  /* lines of one turn */
    LOG_BATCH_BYTES = 32 * 1024,
    SPANS_MAX_BYTES = 1024 * 1024, /* records of one turn */
};

/* Lines wait for each other, so that a few of them do not wake the scribe's thread. */
#define LOG_WAIT (50 * MSEC)

static struct waiter *on_begin(void *ctx, struct connection *connection)
{
    struct exchange *exchange = exchange_start(ctx, connection);
    return &exchange->waiter;
}

static void on_refuse(void *ctx, struct connection *connection, const struct http1_fault *fault)
{
    exchange_refuse_head(ctx, connection, fault);
}

static const struct connection_limits *on_limits(void *ctx)
{
    return &((struct exchange_side *)ctx)->limits;
}

const struct connection_ops exchange_connection_ops = {
    .begin = on_begin,
    .refuse = on_refuse,
    .limits = on_limits,
};

static void hand_log_over(struct exchange_side *side)
{
    timer_stop(&side->log_timer);
    if (buffer_len(&side->log) > 0) {
        (void)scribe_write(side->scribe, buffer_bytes(&side->log)); /* it counts what it drops */
        buffer_consume(&side->log, buffer_len(&side->log));
    }
}

static void hand_spans_over(struct exchange_side *side)
{
    if (side->span_count > 0) {
        otlp_write(side->otlp, buffer_bytes(&side->spans), side->span_count); /* it counts, too */
        buffer_consume(&side->spans, buffer_len(&side->spans));
        side->span_count = 0;
    }
}

static void on_log_timer(struct timer *timer)
{
    hand_log_over(
        (struct exchange_side *)((char *)timer - offsetof(struct exchange_side, log_timer)));
}

void exchange_side_init(struct exchange_side *side, const struct exchange_side_settings *settings,
                        struct snapshot *snapshot)
{
    *side = (struct exchange_side){
        .loop = settings->loop,
        .upstreams = upstream_side_new(settings->loop),
        .metrics = settings->metrics,
        .otlp = settings->otlp,
        .minted = settings->minted,
        .scribe = settings->scribe,
        .ledger = settings->ledger,
        .ring = settings->ring,
        .buffered_bytes = settings->buffered_bytes,
    };
    upstream_side_count_held(side->upstreams, side->buffered_bytes);
    side->issuer_keys = issuer_keys_new(side->loop, side->upstreams);
    buffer_init(&side->head, HEAD_MAX_BYTES);
    /* All at once: growing would leave copies of a credential behind. Untouched pages cost nothing.
     */
    enum status status = buffer_reserve(&side->head, HEAD_MAX_BYTES);
    assert(status == STATUS_OK);
    (void)status;
    buffer_init(&side->clean, CLEAN_MAX_BYTES);
    buffer_init(&side->spans, SPANS_MAX_BYTES);
    buffer_init(&side->log, LOG_MAX_BYTES);
    timer_init(&side->log_timer, on_log_timer);
    exchange_side_adopt(side, snapshot);
}

void exchange_side_fini(struct exchange_side *side)
{
    while (side->first != NULL) {
        exchange_abort(side->first);
    }
    hand_spans_over(side);
    hand_log_over(side);
    timer_cancel(&side->loop->timers, &side->log_timer);
    issuer_keys_free(side->issuer_keys);
    token_cache_free(side->tokens);
    upstream_side_free(side->upstreams);
    snapshot_unref(side->snapshot);
    signing_keys_free(side->signing_keys);
    buffer_wipe(&side->head);
    buffer_fini(&side->clean);
    buffer_fini(&side->spans);
    buffer_fini(&side->log);
}

void exchange_side_adopt(struct exchange_side *side, struct snapshot *snapshot)
{
    const struct gateway_settings *gateway = &snapshot->gateway;
    struct snapshot *old = side->snapshot;
    side->snapshot = snapshot_ref(snapshot);
    price_memo_forget(&side->prices);
    side->limits = (struct connection_limits){
        .head = {.head_bytes = gateway->limits.header_bytes,
                 .uri_bytes = gateway->limits.uri_bytes,
                 .field_count = gateway->limits.header_count},
        .header_timeout = gateway->timeouts.header,
        .body_idle_timeout = gateway->timeouts.body_idle,
        .write_idle_timeout = gateway->timeouts.write_idle,
        .keep_alive_timeout = gateway->timeouts.keep_alive,
        .proxies = {.networks = gateway->trusted_proxies, .count = gateway->trusted_proxy_count},
        .proxy_protocol = gateway->proxy_protocol,
    };
    if (old != NULL) {
        upstream_side_close_idle(side->upstreams);
    }
    snapshot_unref(old);
}

void exchange_side_after_turn(struct exchange_side *side)
{
    hand_spans_over(side);
    if (buffer_len(&side->log) >= LOG_BATCH_BYTES) {
        hand_log_over(side);
    } else if (buffer_len(&side->log) > 0 && side->log_timer.due == 0) {
        loop_timer(side->loop, &side->log_timer, LOG_WAIT);
    }
    if (side->rows_closed) {
        side->rows_closed = false;
        ledger_wake(side->ledger);
    }
    if (buffer_len(&side->clean) == 0 && side->clean.size > CLEAN_MAX_BYTES / 2) {
        buffer_reset(&side->clean);
    }
}

bool exchange_side_hold(struct exchange_side *side, size_t bytes)
{
    size_t max = side->snapshot->gateway.limits.buffered_bytes;
    size_t before = atomic_fetch_add(side->buffered_bytes, bytes);
    if (before > max || bytes > max - before) {
        atomic_fetch_sub(side->buffered_bytes, bytes);
        return false;
    }
    return true;
}

void exchange_side_release(struct exchange_side *side, size_t bytes)
{
    atomic_fetch_sub(side->buffered_bytes, bytes);
}

/* One call to the generator is for many. */
static const unsigned char *take_random(struct exchange_side *side, unsigned count)
{
    if (side->random_left < count) {
        random_bytes(side->random, sizeof(side->random));
        side->random_left = sizeof(side->random);
    }
    side->random_left -= count;
    return side->random + side->random_left;
}

uint64_t exchange_side_random(struct exchange_side *side)
{
    uint64_t bits;
    memcpy(&bits, take_random(side, sizeof(bits)), sizeof(bits));
    return bits;
}

void exchange_side_new_id(struct exchange_side *side, char out[EXCHANGE_ID_LEN + 1])
{
    const unsigned char *bytes = take_random(side, EXCHANGE_ID_LEN / 2);
    encode_hex(slice_make((const char *)bytes, EXCHANGE_ID_LEN / 2), out);
    out[EXCHANGE_ID_LEN] = '\0';
}
