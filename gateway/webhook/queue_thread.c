/* The queue's thread: all that has come meanwhile is one transaction. */
#include "gateway/webhook/queue_thread.h"

#include "base/memory.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

enum {
    PUTS_AT_ONCE = 256, /* in one transaction */
    SETTLEMENTS_AT_ONCE = 1024,
    PUT_BYTES_AT_ONCE = 8 * 1024 * 1024, /* one is taken always */
};

static const usec_t expire_every = SEC;
static const usec_t first_pause = 100 * MSEC; /* after a failure; twice as long after the next */
static const usec_t longest_pause = 5 * SEC;
static const usec_t ask_again = SEC; /* who asked for what is due when it could not be read */

static struct queue_put *put_of(struct letter *letter)
{
    return (struct queue_put *)((char *)letter - offsetof(struct queue_put, letter));
}

static struct queue_take *take_of(struct letter *letter)
{
    return (struct queue_take *)((char *)letter - offsetof(struct queue_take, letter));
}

static struct queue_change *change_of(struct letter *letter)
{
    return (struct queue_change *)((char *)letter - offsetof(struct queue_change, letter));
}

/* ---- one transaction ---- */

struct batch {
    struct queue *queue;
    struct queue_limits limits;
    struct queue_letters puts;
    usec_t now;
    unsigned settled; /* the first of queue->settling */
};

/* They are under way no more for the rest of the batch; if that fails, they are again. */
static enum status settle_all(struct batch *batch, struct error *err)
{
    struct queue_under_way *under_way = &batch->queue->store->under_way;
    batch->settled = 0;
    for (const struct queue_settlement *at = batch->queue->settling.first;
         at != NULL && batch->settled < SETTLEMENTS_AT_ONCE; at = at->next) {
        TRY(queue_store_settle(batch->queue->store, at, batch->now, err));
        queue_under_way_remove(under_way, at->take_delivery->number);
        batch->settled++;
    }
    return STATUS_OK;
}

static enum status put_all(struct batch *batch, struct error *err)
{
    for (struct letter *at = batch->puts.first; at != NULL; at = at->next) {
        TRY(queue_store_put(batch->queue->store, &batch->limits, put_of(at), batch->now, err));
    }
    return STATUS_OK;
}

/* Returns whether there is a change to go on with. */
static bool begin_change(struct queue *queue)
{
    if (queue->run.change == NULL && queue->changes.first != NULL) {
        queue->run = (struct queue_change_run){.change = change_of(queue->changes.first)};
    }
    return queue->run.change != NULL;
}

static enum status fill(struct batch *batch, struct error *err)
{
    struct queue *queue = batch->queue;
    TRY(queue_store_begin(queue->store, err));
    TRY(settle_all(batch, err));
    TRY(put_all(batch, err));
    if (begin_change(queue)) {
        TRY(queue_store_change(queue->store, &queue->run, batch->now, err));
    }
    return queue_store_commit(queue->store, err);
}

void queue_settlement_free(struct queue_settlement *settlement)
{
    memory_free(settlement->take_delivery);
    memory_free(settlement);
}

static void finish_settlements(struct batch *batch)
{
    struct queue *queue = batch->queue;
    for (; batch->settled > 0; batch->settled--) {
        struct queue_settlement *settlement = queue->settling.first;
        queue->settling.first = settlement->next;
        queue_settlement_free(settlement);
    }
}

static void answer_puts(struct batch *batch)
{
    while (batch->puts.first != NULL) {
        struct queue_put *put = put_of(queue_letters_shift(&batch->puts));
        mailbox_post(put->reply, &put->letter);
    }
}

/* Cut, if it is long. */
static void say(char out[QUEUE_ERROR_BYTES], const char *why)
{
    (void)snprintf(out, QUEUE_ERROR_BYTES, "%.*s", (int)QUEUE_ERROR_BYTES - 1, why);
}

static void answer_change(struct queue *queue, const char *error)
{
    struct queue_change *change = change_of(queue_letters_shift(&queue->changes));
    change->count = queue->run.count;
    say(change->error, error);
    queue->run = (struct queue_change_run){0};
    mailbox_post(change->reply, &change->letter);
}

/* ---- failures ---- */

static void note_failure(struct queue *queue, const struct error *err)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->stats.failures++;
    queue->stats.writable = false;
    (void)pthread_mutex_unlock(&queue->lock);
    if (queue->failing_since == 0) {
        queue->failing_since = clock_now();
        log_error("webhooks: \"%s\" cannot be written: %s; none is acknowledged until it can",
                  queue->store->path, err->message);
    }
}

static void note_success(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->stats.commits++;
    queue->stats.writable = true;
    (void)pthread_mutex_unlock(&queue->lock);
    queue->pause = first_pause;
    if (queue->failing_since != 0) {
        log_info("webhooks: \"%s\" is written again, after %" PRId64 " s", queue->store->path,
                 (clock_now() - queue->failing_since) / SEC);
        queue->failing_since = 0;
    }
}

void queue_publish(struct queue *queue, enum queue_looking for_the_oldest)
{
    struct error err;
    const struct queue_totals *totals = &queue->store->totals;
    const struct queue_targets *targets = &queue->store->targets;
    struct queue_stats stats = queue->stats; /* nobody else writes it */
    stats.waiting = queue_targets_sum(targets, QUEUE_STATE_WAITING);
    stats.held_back = queue_targets_sum(targets, QUEUE_STATE_HELD_BACK);
    stats.delivered = queue_targets_sum(targets, QUEUE_STATE_DELIVERED);
    stats.dead = queue_targets_sum(targets, QUEUE_STATE_DEAD);
    stats.events = totals->events;
    stats.bytes = totals->bytes;
    if (stats.waiting + stats.held_back == 0) {
        stats.oldest = 0;
    } else if ((for_the_oldest == QUEUE_LOOK_ANYHOW || stats.oldest == 0) &&
               queue_store_oldest(queue->store, &stats.oldest, &err) != STATUS_OK) {
        note_failure(queue, &err);
        stats.failures++;
        stats.writable = false;
    }
    (void)pthread_mutex_lock(&queue->lock);
    queue->stats = stats;
    (void)pthread_mutex_unlock(&queue->lock);
}

static void refuse_puts(struct batch *batch, const struct error *err)
{
    for (struct letter *at = batch->puts.first; at != NULL; at = at->next) {
        struct queue_put *put = put_of(at);
        put->result = QUEUE_FAILED;
        say(put->error, err->message);
    }
    answer_puts(batch);
}

static void call_off(struct batch *batch, const struct error *err)
{
    const struct queue_settlement *at = batch->queue->settling.first;
    for (; batch->settled > 0; batch->settled--, at = at->next) {
        queue_under_way_add(&batch->queue->store->under_way, at->take_delivery->number);
    }
    queue_store_call_off(batch->queue->store);
    note_failure(batch->queue, err);
    refuse_puts(batch, err);
    if (batch->queue->run.change != NULL) {
        answer_change(batch->queue, err->message);
    }
}

static bool run_batch(struct batch *batch)
{
    struct error err;
    struct queue *queue = batch->queue;
    uint64_t changed = queue->run.count;
    if (fill(batch, &err) != STATUS_OK) {
        queue->run.count = changed;
        call_off(batch, &err);
        return false;
    }
    note_success(queue);
    finish_settlements(batch);
    queue_publish(queue, QUEUE_LOOK_IF_NEEDED); /* before who waits for an answer looks */
    answer_puts(batch);
    if (queue->run.done) {
        answer_change(queue, "");
    }
    return true;
}

/* What is settled is tried at once without the rest, for that may be what does not fit on the disk;
 * then after a pause, or with the next puts. False: something could not be written. */
static bool write_batch(struct batch *batch)
{
    struct queue *queue = batch->queue;
    bool more = batch->puts.first != NULL || queue->changes.first != NULL;
    bool settling = queue->settling.first != NULL && queue->settle_at <= clock_now();
    if (!more && !settling) {
        return true;
    }
    bool written = run_batch(batch);
    if (!written && more && queue->settling.first != NULL) {
        written = run_batch(batch);
    }
    queue->settle_at = written ? 0 : clock_now() + queue->pause;
    if (!written) {
        queue->pause = queue->pause * 2 < longest_pause ? queue->pause * 2 : longest_pause;
    }
    return written;
}

/* ---- what is read ---- */

static void answer_takes(struct queue *queue, struct queue_letters *takes, usec_t now)
{
    while (takes->first != NULL) {
        struct error err;
        struct queue_take *take = take_of(queue_letters_shift(takes));
        if (queue_store_take(queue->store, take, now, &err) != STATUS_OK) {
            note_failure(queue, &err);
            take->next_due = take->next_due == 0 ? now + ask_again : take->next_due;
        }
        mailbox_post(take->reply, &take->letter);
    }
}

static void tell_due(struct queue *queue)
{
    bool news = queue->store->news;
    queue->store->news = false;
    if (news && !atomic_exchange(&queue->told, true)) {
        queue->due(queue->due_ctx);
    }
}

/* ---- what goes ---- */

static void expire(struct batch *batch)
{
    struct error err;
    struct queue *queue = batch->queue;
    bool more = false;
    bool failing = queue->failing_since != 0;
    enum status status = queue_store_begin(queue->store, &err);
    if (failing) { /* something is to be written, to see whether that works again */
        queue->store->totals.changed = true;
    }
    if (status == STATUS_OK) {
        status = queue_store_expire(queue->store, &batch->limits, batch->now, &more, &err);
    }
    if (status == STATUS_OK) {
        status = queue_store_commit(queue->store, &err);
    }
    if (status != STATUS_OK) {
        queue_store_call_off(queue->store);
        note_failure(queue, &err);
    } else if (failing) {
        note_success(queue);
    }
    queue->expire_at = clock_now() + (more ? 0 : expire_every);
}

/* ---- the thread ---- */

/* Under the lock. */
static bool anything_came(const struct queue *queue)
{
    const struct queue_intake *intake = &queue->intake;
    return intake->puts.first != NULL || intake->takes.first != NULL ||
           intake->changes.first != NULL || intake->settlements.first != NULL;
}

static usec_t next_turn(const struct queue *queue)
{
    bool waits = queue->settling.first != NULL && queue->settle_at < queue->expire_at;
    return queue->changes.first != NULL ? 0 : waits ? queue->settle_at : queue->expire_at;
}

static void take_puts(struct queue *queue, struct batch *batch)
{
    size_t bytes = 0;
    for (unsigned i = 0;
         i < PUTS_AT_ONCE && bytes < PUT_BYTES_AT_ONCE && queue->intake.puts.first != NULL; i++) {
        struct letter *letter = queue_letters_shift(&queue->intake.puts);
        bytes += put_of(letter)->body.len + put_of(letter)->fields.len;
        queue_letters_append(&batch->puts, letter);
    }
}

/* Waits for something to do. False: it is over. */
static bool await_work(struct queue *queue, struct batch *batch, struct queue_letters *ret_takes)
{
    (void)pthread_mutex_lock(&queue->lock);
    usec_t until = next_turn(queue);
    struct timespec deadline = {.tv_sec = until / SEC, .tv_nsec = until % SEC * 1000};
    while (!queue->stopping && !anything_came(queue) &&
           pthread_cond_timedwait(&queue->news, &queue->lock, &deadline) != ETIMEDOUT) {
    }
    bool over = queue->stopping && !anything_came(queue) && queue->changes.first == NULL;
    *batch = (struct batch){.queue = queue, .limits = queue->limits};
    take_puts(queue, batch);
    *ret_takes = queue->intake.takes;
    queue->intake.takes = (struct queue_letters){0};
    queue_letters_append_all(&queue->changes, &queue->intake.changes);
    queue_settlements_append(&queue->settling, &queue->intake.settlements);
    (void)pthread_mutex_unlock(&queue->lock);
    batch->now = clock_wall();
    return !over;
}

void *queue_thread_main(void *ctx)
{
    struct queue *queue = ctx;
    struct batch batch;
    struct queue_letters takes;
    queue->pause = first_pause;
    (void)pthread_setname_np(pthread_self(), "queue");
    while (await_work(queue, &batch, &takes)) {
        (void)write_batch(&batch);
        answer_takes(queue, &takes, batch.now);
        if (queue->expire_at <= clock_now()) {
            expire(&batch);
            queue_publish(queue, QUEUE_LOOK_ANYHOW);
        }
        tell_due(queue);
    }
    queue->settle_at = 0;
    while (queue->settling.first != NULL && write_batch(&batch)) {
    }
    return NULL;
}
