#include "gateway/webhook/queue.h"

#include "base/memory.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/webhook/queue_thread.h"

#include <assert.h>
#include <string.h>

/* ---- what others call ---- */

static struct queue_limits limits_of(const struct queue_settings *settings)
{
    return (struct queue_limits){.keep = settings->keep,
                                 .max_age = settings->max_age,
                                 .max_events = settings->max_events,
                                 .max_bytes = settings->max_bytes};
}

static void free_queue(struct queue *queue)
{
    while (queue->settling.first != NULL) { /* that could not be written: they wait in the file */
        struct queue_settlement *settlement = queue->settling.first;
        queue->settling.first = settlement->next;
        queue_settlement_free(settlement);
    }
    queue_store_close(queue->store);
    (void)pthread_cond_destroy(&queue->news);
    (void)pthread_mutex_destroy(&queue->lock);
    memory_free(queue);
}

enum status queue_start(const struct queue_settings *settings, struct queue **ret,
                        struct error *err)
{
    struct queue *queue = MEMORY_NEW(struct queue);
    queue->limits = limits_of(settings);
    queue->due = settings->due;
    queue->due_ctx = settings->due_ctx;
    queue->stats.writable = true;
    queue->expire_at = clock_now();
    (void)pthread_mutex_init(&queue->lock, NULL);
    helper_thread_init_news(&queue->news);
    enum status status = queue_store_open(settings->path, &queue->store, err);
    if (status != STATUS_OK) {
        free_queue(queue);
        return status;
    }
    queue_publish(queue, QUEUE_LOOK_ANYHOW);
    queue->store->news = queue->stats.waiting > 0;
    int failed = helper_thread_start(&queue->thread, queue_thread_main, queue);
    if (failed != 0) {
        free_queue(queue);
        FAIL(err, STATUS_UNAVAILABLE, "cannot start a thread: %s", strerrordesc_np(failed));
    }
    *ret = queue;
    return STATUS_OK;
}

void queue_stop(struct queue *queue)
{
    if (queue == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    (void)pthread_cond_signal(&queue->news);
    (void)pthread_mutex_unlock(&queue->lock);
    (void)pthread_join(queue->thread, NULL);
    free_queue(queue);
}

const char *queue_path(const struct queue *queue)
{
    return queue->store->path;
}

void queue_set_limits(struct queue *queue, const struct queue_settings *settings)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->limits = limits_of(settings);
    (void)pthread_mutex_unlock(&queue->lock);
}

static void ask(struct queue *queue, struct queue_letters *line, struct letter *letter)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue_letters_append(line, letter);
    (void)pthread_cond_signal(&queue->news);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_put(struct queue *queue, struct queue_put *put)
{
    assert(put->target_count <= QUEUE_TARGETS_MAX);
    ask(queue, &queue->intake.puts, &put->letter);
}

void queue_take(struct queue *queue, struct queue_take *take)
{
    atomic_store(&queue->told, false); /* before it is read: what comes from now on is news */
    ask(queue, &queue->intake.takes, &take->letter);
}

void queue_change(struct queue *queue, struct queue_change *change)
{
    ask(queue, &queue->intake.changes, &change->letter);
}

void queue_settle(struct queue *queue, struct queue_settlement *take_settlement)
{
    struct queue_settlements one = {.first = take_settlement, .last = take_settlement};
    take_settlement->next = NULL;
    (void)pthread_mutex_lock(&queue->lock);
    queue_settlements_append(&queue->intake.settlements, &one);
    (void)pthread_cond_signal(&queue->news);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_get_stats(struct queue *queue, struct queue_stats *ret)
{
    (void)pthread_mutex_lock(&queue->lock);
    *ret = queue->stats;
    (void)pthread_mutex_unlock(&queue->lock);
}
