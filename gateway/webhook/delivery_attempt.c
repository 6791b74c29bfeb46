/* One attempt: the request is made, sent, and what comes of it is told to queue and target. */
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/fetch.h"
#include "gateway/webhook/delivery_request.h"
#include "gateway/webhook/delivery_schedule.h"
#include "gateway/webhook/delivery_state.h"
#include "gateway/webhook/transform.h"

#include <stdio.h>

enum {
    ANSWER_BYTES = 64 * 1024, /* of a body that nobody reads: longer ones cost the connection */
    EDIT_BYTES = 2 * 1024,    /* that an edit may add at most: a name, all of it escaped */
};

#define NOT_NOW (30 * SEC) /* until what cannot be sent for a reason of ours is tried again */

struct delivery_attempt {
    struct delivery_attempt *next, **place; /* in the target's list */
    struct delivery_target *target;
    struct snapshot *snapshot; /* ref; that the next two are of */
    const struct hook *hook;
    const struct hook_target *config;
    struct queue_delivery *delivery; /* owned */
    struct breaker_permit permit;
    struct buffer edited; /* the body, if it is not sent as it came */
    struct slice body;    /* that is sent */
    struct fetch *fetch;  /* owned, until it has ended */
};

/* ---- the end ---- */

static void settle(struct delivery *delivery, struct queue_settlement *take_settlement)
{
    queue_settle(delivery->queue, take_settlement);
}

void delivery_give_back(struct delivery *delivery, struct queue_delivery *take_delivery, usec_t due)
{
    struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
    settlement->take_delivery = take_delivery;
    settlement->outcome = QUEUE_GIVEN_BACK;
    settlement->due = due;
    settle(delivery, settlement);
}

/* Out of the list, and gone; its delivery has been settled. */
static void free_attempt(struct delivery_attempt *attempt, size_t bytes)
{
    struct delivery_target *target = attempt->target;
    *attempt->place = attempt->next;
    if (attempt->next != NULL) {
        attempt->next->place = attempt->place;
    }
    buffer_fini(&attempt->edited);
    snapshot_unref(attempt->snapshot);
    memory_free(attempt);
    atomic_fetch_sub(&target->in_flight, 1);
    delivery_target_ended(target, bytes);
}

static void give_up(struct delivery_attempt *attempt, usec_t due)
{
    struct queue_delivery *delivery = TAKE(attempt->delivery);
    size_t bytes = delivery_bytes(delivery);
    fetch_cancel(TAKE(attempt->fetch));
    delivery_target_report(attempt->target, &attempt->permit, BREAKER_NEUTRAL, 0);
    delivery_give_back(attempt->target->delivery, delivery, due);
    free_attempt(attempt, bytes);
}

static void count(const struct delivery_attempt *attempt, enum delivery_end end,
                  enum queue_outcome outcome)
{
    struct metrics_block *metrics = attempt->target->delivery->metrics;
    const char *const labels[] = {attempt->hook->name, attempt->config->name,
                                  delivery_end_name(end)};
    metrics_count(metrics, FAMILY_webhooks_attempts_total, labels, 1);
    if (outcome == QUEUE_DELIVERED) {
        metrics_count(metrics, FAMILY_webhooks_delivered_total, labels, 1);
    } else if (outcome == QUEUE_DEAD) {
        metrics_count(metrics, FAMILY_webhooks_dead_total, labels, 1);
    }
}

static void tell_dead(struct delivery_attempt *attempt, const char *why)
{
    if (delivery_target_may_tell(attempt->target)) {
        log_warn("webhook %s of hook %s is a dead letter for target %s after %u attempts: %s",
                 attempt->delivery->id, attempt->hook->name, attempt->config->name,
                 attempt->delivery->attempts + 1, why);
    }
}

static void settle_attempt(struct delivery_attempt *attempt, struct queue_settlement *settlement)
{
    size_t bytes = delivery_bytes(attempt->delivery);
    if (settlement->outcome == QUEUE_DEAD) {
        tell_dead(attempt, settlement->error);
    }
    settlement->take_delivery = TAKE(attempt->delivery);
    settle(attempt->target->delivery, settlement);
    free_attempt(attempt, bytes);
}

static void on_done(void *ctx, const struct fetch_result *result)
{
    struct delivery_attempt *attempt = ctx;
    struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
    enum delivery_end end = delivery_end_of(result);
    struct delivery_verdict verdict = delivery_judge(attempt->config, attempt->delivery->attempts,
                                                     end, result, clock_wall(), random_number());
    attempt->fetch = NULL;
    settlement->outcome = verdict.outcome;
    settlement->due = verdict.due;
    settlement->status = result->status;
    settlement->took = result->took;
    if (result->fault != ATTEMPT_OK) {
        (void)snprintf(settlement->error, sizeof(settlement->error), "%s", result->message);
    } else if (end != DELIVERY_2XX) {
        (void)snprintf(settlement->error, sizeof(settlement->error), "answered %u", result->status);
    }
    count(attempt, end, verdict.outcome);
    delivery_target_report(attempt->target, &attempt->permit, delivery_breaker_outcome(end, result),
                           result->took);
    settle_attempt(attempt, settlement);
}

/* ---- the request ---- */

/* STATUS_TOO_LARGE: nothing of it can be sent. */
static enum status make_body(struct delivery_attempt *attempt)
{
    const struct hook_target *config = attempt->config;
    struct slice body = attempt->delivery->body;
    bool changed = false;
    buffer_init(&attempt->edited, body.len + (size_t)config->edit_count * EDIT_BYTES);
    TRY(transform_body(config->edits, config->edit_count, body, &attempt->edited, &changed));
    attempt->body = changed ? buffer_bytes(&attempt->edited) : body;
    return STATUS_OK;
}

/* Signed with those secrets of the target that are to be had; with none, only if it has none. */
static enum status make_head(const struct delivery_attempt *attempt, struct buffer *head,
                             struct error *err)
{
    const struct hook_target *config = attempt->config;
    struct credential *held[HOOK_TARGET_SECRETS_MAX] = {NULL};
    struct slice secrets[HOOK_TARGET_SECRETS_MAX];
    struct delivery_request request = {
        .scheme = attempt->target->delivery->scheme,
        .hook = attempt->hook->name,
        .target = config,
        .delivery = attempt->delivery,
        .body = attempt->body,
        .now = clock_wall() / SEC,
        .secrets = secrets,
    };
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < config->secret_count; i++) {
        struct secret_slot *slot = config->secrets[i].slot;
        held[i] = slot == NULL ? NULL : credential_acquire(slot);
        if (held[i] != NULL) {
            secrets[request.secret_count++] = secret_reveal(held[i]->secret);
        }
    }
    if (config->secret_count > 0 && request.secret_count == 0) {
        status = error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                           "no secret that signs it can be had (%s)", config->secrets[0].name);
    } else {
        buffer_init(head, delivery_request_size(&request));
        status = delivery_request_write(&request, head, err);
    }
    for (unsigned i = 0; i < config->secret_count; i++) {
        credential_unref(held[i]);
    }
    return status;
}

static void send(struct delivery_attempt *attempt, const struct buffer *head)
{
    struct delivery *delivery = attempt->target->delivery;
    const struct fetch_request request = {
        .loop = &delivery->loop,
        .upstreams = delivery->upstreams,
        .origin = &attempt->config->origin,
        .egress = &delivery->egress,
        .connect_timeout = attempt->config->timeout,
        .timeout = attempt->config->timeout,
        .method = HTTP1_POST,
        .head = buffer_bytes(head),
        .body = attempt->body,
        .answer_bytes = ANSWER_BYTES,
        .repeatable = true, /* under its webhook-id */
    };
    attempt->fetch = fetch_start(&request, attempt, on_done);
}

static void die_untried(struct delivery_attempt *attempt, const char *why)
{
    struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
    settlement->outcome = QUEUE_DEAD;
    (void)snprintf(settlement->error, sizeof(settlement->error), "%s", why);
    const char *const labels[] = {attempt->hook->name, attempt->config->name};
    metrics_count(attempt->target->delivery->metrics, FAMILY_webhooks_dead_total, labels, 1);
    delivery_target_report(attempt->target, &attempt->permit, BREAKER_NEUTRAL, 0);
    settle_attempt(attempt, settlement);
}

static struct delivery_attempt *new_attempt(struct delivery_target *target,
                                            struct queue_delivery *take_delivery,
                                            struct breaker_permit *permit)
{
    struct delivery_attempt *attempt = MEMORY_NEW(struct delivery_attempt);
    attempt->target = target;
    attempt->snapshot = snapshot_ref(target->snapshot);
    attempt->hook = target->hook;
    attempt->config = target->config;
    attempt->delivery = take_delivery;
    attempt->permit = *permit;
    *permit = (struct breaker_permit){0};
    attempt->next = target->attempts;
    attempt->place = &target->attempts;
    if (attempt->next != NULL) {
        attempt->next->place = &attempt->next;
    }
    target->attempts = attempt;
    atomic_fetch_add(&target->in_flight, 1);
    return attempt;
}

void delivery_attempt_begin(struct delivery_target *target, struct queue_delivery *take_delivery,
                            struct breaker_permit *permit)
{
    struct delivery_attempt *attempt = new_attempt(target, take_delivery, permit);
    struct buffer head CLEANUP(buffer_fini);
    struct error err;
    buffer_init(&head, 0);
    if (make_body(attempt) != STATUS_OK) {
        die_untried(attempt, "its body has too many members for the target's `transform`");
        return;
    }
    if (make_head(attempt, &head, &err) != STATUS_OK) {
        if (delivery_target_may_tell(target)) {
            log_warn("webhooks of hook %s are not delivered to target %s for now: %s",
                     attempt->hook->name, attempt->config->name, err.message);
        }
        give_up(attempt, clock_wall() + NOT_NOW);
        return;
    }
    send(attempt, &head);
}

void delivery_attempts_cut(struct delivery_target *target)
{
    while (target->attempts != NULL) {
        give_up(target->attempts, clock_wall());
    }
}
