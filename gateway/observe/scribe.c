#include "gateway/observe/scribe.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/observe/log.h"
#include "gateway/observe/log_target.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum {
    BACKLOG_MAX_BYTES = 8 * 1024 * 1024,
    URGENT_BYTES = 1024 * 1024, /* so much is written without gathering any longer */
    KEEP_BYTES = 256 * 1024,    /* of memory, when a backlog is gone */
};

static const usec_t gather_time = 20 * MSEC;
static const usec_t stop_time = 2 * SEC;
static const usec_t complaint_interval = 60 * SEC;

struct scribe {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Under the lock. */
    struct buffer pending;  /* whole lines */
    struct log_target next; /* from now on, if reopened */
    bool reopened;
    bool idle; /* it waits without an end: wake it */
    bool stopping;
    /* Read and written by any thread. */
    atomic_uint_fast64_t dropped;
    _Atomic usec_t stop_by; /* 0: not stopping */
    /* The thread's own. */
    struct buffer batch;
    struct log_target target;
    usec_t complained;
};

static uint64_t count_lines(struct slice text)
{
    uint64_t count = 0;
    while (text.len > 0) {
        text = slice_skip(text, slice_find(text, '\n') + 1);
        count++;
    }
    return count;
}

static void count_dropped(struct scribe *scribe, struct slice lines)
{
    (void)atomic_fetch_add_explicit(&scribe->dropped, count_lines(lines), memory_order_relaxed);
}

static void complain(struct scribe *scribe, const char *why)
{
    usec_t now = clock_now();
    if (scribe->complained == 0 || now - scribe->complained >= complaint_interval) {
        scribe->complained = now;
        log_error("access log: %s; lines are lost and counted in access_log_dropped_total", why);
    }
}

static bool out_of_time(struct scribe *scribe)
{
    usec_t stop_by = atomic_load_explicit(&scribe->stop_by, memory_order_relaxed);
    return stop_by != 0 && clock_now() >= stop_by;
}

/* What a pipe, a terminal or the logger does not take in time is lost; a file always answers. */
static void write_batch(struct scribe *scribe)
{
    struct slice left = buffer_bytes(&scribe->batch);
    while (left.len > 0) {
        int64_t count = log_target_write(&scribe->target, left);
        if (count < 0 || (count == 0 && out_of_time(scribe))) {
            if (count < 0) {
                complain(scribe, strerrordesc_np(errno));
            }
            count_dropped(scribe, left);
            break;
        }
        left = slice_skip(left, (size_t)count);
    }
    if (scribe->batch.size > KEEP_BYTES) {
        buffer_reset(&scribe->batch);
    } else {
        buffer_consume(&scribe->batch, buffer_len(&scribe->batch));
    }
}

static struct timespec gather_deadline(void)
{
    struct timespec deadline;
    usec_t until = clock_now() + gather_time;
    deadline.tv_sec = until / SEC;
    deadline.tv_nsec = until % SEC * 1000;
    return deadline;
}

static bool has_work(const struct scribe *scribe)
{
    return buffer_len(&scribe->pending) > 0 || scribe->reopened || scribe->stopping;
}

/* Waits for work, under the lock: first for a while, so that lines gather, then for a signal. */
static void await_work(struct scribe *scribe)
{
    struct timespec deadline = gather_deadline();
    while (!scribe->stopping && !scribe->reopened && buffer_len(&scribe->pending) < URGENT_BYTES) {
        if (pthread_cond_timedwait(&scribe->news, &scribe->lock, &deadline) == ETIMEDOUT) {
            break;
        }
    }
    while (!has_work(scribe)) {
        scribe->idle = true;
        (void)pthread_cond_wait(&scribe->news, &scribe->lock);
    }
    scribe->idle = false;
}

static void *scribe_main(void *ctx)
{
    struct scribe *scribe = ctx;
    (void)pthread_setname_np(pthread_self(), "scribe");
    bool stopping = false;
    while (!stopping) {
        (void)pthread_mutex_lock(&scribe->lock);
        await_work(scribe);
        struct buffer batch = scribe->pending;
        scribe->pending = scribe->batch;
        scribe->batch = batch;
        struct log_target next = scribe->next;
        bool reopened = scribe->reopened;
        scribe->reopened = false;
        stopping = scribe->stopping;
        (void)pthread_mutex_unlock(&scribe->lock);

        write_batch(scribe);
        if (reopened) {
            log_target_close(&scribe->target);
            scribe->target = next;
        }
    }
    return NULL;
}

static void free_scribe(struct scribe *scribe)
{
    log_target_close(&scribe->target);
    buffer_fini(&scribe->pending);
    buffer_fini(&scribe->batch);
    (void)pthread_cond_destroy(&scribe->news);
    (void)pthread_mutex_destroy(&scribe->lock);
    memory_free(scribe);
}

enum status scribe_start(const char *path, struct scribe **ret, struct error *err)
{
    struct log_target target;
    TRY(log_target_open(path, "gateway.access_log", &target, err));
    struct scribe *scribe = MEMORY_NEW(struct scribe);
    scribe->target = target;
    buffer_init(&scribe->pending, BACKLOG_MAX_BYTES);
    buffer_init(&scribe->batch, BACKLOG_MAX_BYTES);
    (void)pthread_mutex_init(&scribe->lock, NULL);
    helper_thread_init_news(&scribe->news);
    int failed = helper_thread_start(&scribe->thread, scribe_main, scribe);
    if (failed != 0) {
        free_scribe(scribe);
        FAIL(err, STATUS_UNAVAILABLE, "access log: cannot start a thread: %s",
             strerrordesc_np(failed));
    }
    *ret = scribe;
    return STATUS_OK;
}

void scribe_stop(struct scribe *scribe)
{
    if (scribe == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&scribe->lock);
    scribe->stopping = true;
    atomic_store_explicit(&scribe->stop_by, clock_now() + stop_time, memory_order_relaxed);
    (void)pthread_cond_signal(&scribe->news);
    (void)pthread_mutex_unlock(&scribe->lock);
    (void)pthread_join(scribe->thread, NULL);
    free_scribe(scribe);
}

enum status scribe_reopen(struct scribe *scribe, const char *path, struct error *err)
{
    struct log_target target;
    TRY(log_target_open(path, "gateway.access_log", &target, err));
    (void)pthread_mutex_lock(&scribe->lock);
    struct log_target unused = scribe->reopened ? scribe->next : (struct log_target){.fd = -1};
    scribe->next = target;
    scribe->reopened = true;
    (void)pthread_cond_signal(&scribe->news);
    (void)pthread_mutex_unlock(&scribe->lock);
    log_target_close(&unused);
    return STATUS_OK;
}

bool scribe_write(struct scribe *scribe, struct slice lines)
{
    (void)pthread_mutex_lock(&scribe->lock);
    bool taken = buffer_append(&scribe->pending, lines) == STATUS_OK;
    if (scribe->idle || buffer_len(&scribe->pending) >= URGENT_BYTES) {
        scribe->idle = false; /* one signal is enough */
        (void)pthread_cond_signal(&scribe->news);
    }
    (void)pthread_mutex_unlock(&scribe->lock);
    if (!taken) {
        count_dropped(scribe, lines);
    }
    return taken;
}

uint64_t scribe_dropped(const struct scribe *scribe)
{
    return atomic_load_explicit(&scribe->dropped, memory_order_relaxed);
}
