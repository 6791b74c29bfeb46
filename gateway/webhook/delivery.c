#include "gateway/webhook/delivery.h"

#include "auth/inbound/webhook_scheme.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/upstream/attempt.h"
#include "gateway/webhook/delivery_state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* ---- which targets there are ---- */

static struct delivery_target *find_target(const struct delivery *delivery, const char *hook,
                                           const char *name)
{
    struct delivery_target *target = delivery->targets;
    while (target != NULL &&
           (strcmp(target->name, name) != 0 || strcmp(target->hook_name, hook) != 0)) {
        target = target->next;
    }
    return target;
}

static void adopt_target(struct delivery *delivery, struct snapshot *snapshot,
                         const struct hook *hook, const struct hook_target *config)
{
    struct delivery_target *target = find_target(delivery, hook->name, config->name);
    if (target == NULL) {
        target = delivery_target_new(delivery, hook->name, config->name);
        target->next = delivery->targets;
        delivery->targets = target;
    }
    delivery_target_set(target, snapshot, hook, config);
    delivery->target_count++;
}

/* Those that are gone are freed when nothing of them is under way. */
static void adopt(struct delivery *delivery, struct snapshot *snapshot)
{
    (void)pthread_mutex_lock(&delivery->lock);
    delivery->target_count = 0;
    for (unsigned i = 0; i < snapshot->hook_table.count; i++) {
        const struct hook *hook = snapshot->hook_table.hooks[i];
        for (unsigned j = 0; j < hook->target_count; j++) {
            adopt_target(delivery, snapshot, hook, &hook->targets[j]);
        }
    }
    for (struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        if (target->snapshot != snapshot) {
            delivery_target_set(target, NULL, NULL, NULL);
        }
    }
    (void)pthread_mutex_unlock(&delivery->lock);
    upstream_side_close_idle(delivery->upstreams); /* certificates may be new */
}

static void free_gone(struct delivery *delivery)
{
    for (struct delivery_target **place = &delivery->targets; *place != NULL;) {
        struct delivery_target *target = *place;
        if (target->config != NULL || delivery_target_busy(target)) {
            place = &target->next;
            continue;
        }
        (void)pthread_mutex_lock(&delivery->lock);
        *place = target->next;
        (void)pthread_mutex_unlock(&delivery->lock);
        delivery_target_free(target);
    }
}

static void wake_all(struct delivery *delivery)
{
    for (struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        delivery_target_wake(target);
    }
}

/* ---- letters ---- */

struct adopt_letter {
    struct letter letter;
    struct snapshot *snapshot; /* ref */
};

static void on_adopt(struct letter *letter, void *receiver)
{
    struct adopt_letter *news = (struct adopt_letter *)letter;
    adopt(receiver, news->snapshot);
    snapshot_unref(news->snapshot);
    memory_free(news);
}

void delivery_adopt(struct delivery *delivery, struct snapshot *snapshot)
{
    struct adopt_letter *letter = MEMORY_NEW(struct adopt_letter);
    letter->letter.run = on_adopt;
    letter->snapshot = snapshot_ref(snapshot);
    mailbox_post(delivery->mailbox, &letter->letter);
}

static void on_due(struct letter *letter, void *receiver)
{
    struct delivery *delivery = receiver;
    (void)letter;
    atomic_store(&delivery->due_posted, false); /* what comes from now on is said anew */
    for (struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        target->news = true;
    }
    wake_all(delivery);
}

void delivery_due(struct delivery *delivery)
{
    if (!atomic_exchange(&delivery->due_posted, true)) {
        mailbox_post(delivery->mailbox, &delivery->due_letter);
    }
}

struct drain_letter {
    struct letter letter;
    void (*drained)(void *ctx);
    void *ctx;
};

static void on_drain(struct letter *letter, void *receiver)
{
    struct drain_letter *drain = (struct drain_letter *)letter;
    struct delivery *delivery = receiver;
    delivery->draining = true;
    delivery->drained = drain->drained;
    delivery->drained_ctx = drain->ctx;
    wake_all(delivery);
    memory_free(drain);
}

void delivery_drain(struct delivery *delivery, void (*drained)(void *ctx), void *ctx)
{
    struct drain_letter *letter = MEMORY_NEW(struct drain_letter);
    *letter = (struct drain_letter){.letter.run = on_drain, .drained = drained, .ctx = ctx};
    mailbox_post(delivery->mailbox, &letter->letter);
}

struct end_letter {
    struct letter letter;
    usec_t patience;
};

static void cut_all(struct delivery *delivery)
{
    for (struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        delivery_attempts_cut(target);
    }
}

static void on_patience(struct timer *timer)
{
    cut_all((struct delivery *)((char *)timer - offsetof(struct delivery, patience)));
}

static void on_end(struct letter *letter, void *receiver)
{
    struct end_letter *end = (struct end_letter *)letter;
    struct delivery *delivery = receiver;
    delivery->drained = NULL;
    delivery->draining = true;
    delivery->ending = true;
    wake_all(delivery);
    if (end->patience > 0) {
        loop_timer(&delivery->loop, &delivery->patience, end->patience);
    } else {
        cut_all(delivery);
    }
    memory_free(end);
}

/* ---- the turn ---- */

static void look_for_end(struct delivery *delivery)
{
    bool busy = false;
    unsigned in_flight = 0;
    for (const struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        busy = busy || delivery_target_busy(target);
        in_flight += atomic_load(&target->in_flight);
    }
    if (delivery->drained != NULL && in_flight == 0) {
        delivery->drained(delivery->drained_ctx);
        delivery->drained = NULL;
    }
    if (delivery->ending && !busy) {
        loop_stop(&delivery->loop);
    }
}

static void after_turn(void *ctx)
{
    struct delivery *delivery = ctx;
    free_gone(delivery);
    if (delivery->draining) {
        look_for_end(delivery);
    }
}

/* ---- life ---- */

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL) {
        return;
    }
    mailbox_free(delivery->mailbox); /* runs what was not read */
    while (delivery->targets != NULL) {
        struct delivery_target *target = delivery->targets;
        delivery->targets = target->next;
        delivery_target_free(target);
    }
    timer_cancel(&delivery->loop.timers, &delivery->patience);
    upstream_side_free(delivery->upstreams);
    loop_fini(&delivery->loop);
    webhook_schemes_free(delivery->schemes);
    (void)pthread_mutex_destroy(&delivery->lock);
    memory_free(delivery);
}

static void *thread_main(void *ctx)
{
    struct delivery *delivery = ctx;
    (void)pthread_setname_np(pthread_self(), "deliveries");
    loop_run(&delivery->loop);
    return NULL;
}

/* What is written in the config is allowed, wherever it is. */
static enum status allow_all(struct delivery *delivery, struct error *err)
{
    TRY(egress_network_parse(SLICE("0.0.0.0/0"), &delivery->networks[0], err));
    TRY(egress_network_parse(SLICE("::/0"), &delivery->networks[1], err));
    delivery->egress = (struct egress_policy){delivery->networks, DELIVERY_NETWORKS};
    return STATUS_OK;
}

static enum status start(struct delivery *delivery, struct snapshot *snapshot, struct error *err)
{
    TRY(allow_all(delivery, err));
    TRY(webhook_schemes_new(&delivery->schemes, err));
    delivery->scheme = webhook_schemes_find(delivery->schemes, SLICE("standard-webhooks"));
    assert(delivery->scheme != NULL);
    TRY(mailbox_new(&delivery->loop, delivery, &delivery->mailbox, err));
    adopt(delivery, snapshot);
    int failed = helper_thread_start(&delivery->thread, thread_main, delivery);
    if (failed != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "cannot start the thread that delivers webhooks: %s",
             strerrordesc_np(failed));
    }
    return STATUS_OK;
}

enum status delivery_start(const struct delivery_settings *settings, struct snapshot *snapshot,
                           struct delivery **ret, struct error *err)
{
    struct delivery *delivery = MEMORY_NEW(struct delivery);
    enum status status = loop_init(&delivery->loop, err);
    if (status != STATUS_OK) {
        memory_free(delivery);
        return status;
    }
    delivery->queue = settings->queue;
    delivery->metrics = settings->metrics;
    delivery->loop.after_turn = after_turn;
    delivery->loop.after_turn_ctx = delivery;
    delivery->due_letter.run = on_due;
    delivery->upstreams = upstream_side_new(&delivery->loop);
    timer_init(&delivery->patience, on_patience);
    (void)pthread_mutex_init(&delivery->lock, NULL);
    status = start(delivery, snapshot, err);
    if (status != STATUS_OK) {
        delivery_free(delivery);
        return status;
    }
    *ret = delivery;
    return STATUS_OK;
}

void delivery_stop(struct delivery *delivery, usec_t patience)
{
    if (delivery == NULL) {
        return;
    }
    struct end_letter *end = MEMORY_NEW(struct end_letter);
    *end = (struct end_letter){.letter.run = on_end, .patience = patience};
    mailbox_post(delivery->mailbox, &end->letter);
    (void)pthread_join(delivery->thread, NULL);
}

void delivery_show(struct delivery *delivery, void *ctx,
                   void (*each)(void *ctx, const struct delivery_target_state *state))
{
    (void)pthread_mutex_lock(&delivery->lock);
    for (const struct delivery_target *target = delivery->targets; target != NULL;
         target = target->next) {
        if (target->config != NULL) {
            const struct delivery_target_state state = {
                .hook = target->hook_name,
                .target = target->name,
                .breaker = breaker_state_name((enum breaker_state)atomic_load(&target->shown)),
                .in_flight = atomic_load(&target->in_flight),
            };
            each(ctx, &state);
        }
    }
    (void)pthread_mutex_unlock(&delivery->lock);
}
