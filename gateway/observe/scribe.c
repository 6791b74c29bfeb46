#include "gateway/observe/scribe.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG_MAX_BYTES = 8 * 1024 * 1024,
    URGENT_BYTES = 1024 * 1024, /* so much is written without gathering any longer */
    KEEP_BYTES = 256 * 1024,    /* of memory, when a backlog is gone */
    POLL_MS = 100,
};

static const usec_t gather_time = 20 * MSEC;
static const usec_t stop_time = 2 * SEC;
static const usec_t complaint_interval = 60 * SEC;

enum { NO_FILE = -1 };

struct scribe {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Under the lock. */
    struct buffer pending; /* whole lines */
    int next_fd;           /* the file from now on, if reopened */
    bool reopened;
    bool idle; /* it waits without an end: wake it */
    bool stopping;
    /* Read and written by any thread. */
    atomic_uint_fast64_t dropped;
    _Atomic usec_t stop_by; /* 0: not stopping */
    /* The thread's own. */
    struct buffer batch;
    int fd;
    bool stream; /* no regular file: a write may block for ever */
    usec_t complained;
};

static enum status open_target(const char *path, int *ret_fd, struct error *err)
{
    if (strcmp(path, "off") == 0) {
        *ret_fd = NO_FILE;
        return STATUS_OK;
    }
    int fd = strcmp(path, "stdout") == 0
                 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "gateway.access_log: cannot open \"%s\": %s; name a file that can be written, stdout "
             "or off",
             path, strerrordesc_np(errno));
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static bool is_stream(int fd)
{
    struct stat stat;
    return fd != NO_FILE && (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode));
}

static void close_file(int fd)
{
    if (fd != NO_FILE) {
        (void)close(fd);
    }
}

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

/* Waits until a pipe or terminal takes some bytes; a regular file always does. False: give up. */
static bool wait_writable(struct scribe *scribe)
{
    struct pollfd poll_fd = {.fd = scribe->fd, .events = POLLOUT};
    while (scribe->stream && !out_of_time(scribe)) {
        if (poll(&poll_fd, 1, POLL_MS) > 0) {
            return true;
        }
    }
    return !scribe->stream;
}

static void write_batch(struct scribe *scribe)
{
    struct slice left = buffer_bytes(&scribe->batch);
    while (left.len > 0 && scribe->fd != NO_FILE) {
        if (!wait_writable(scribe)) {
            count_dropped(scribe, left);
            break;
        }
        size_t piece = scribe->stream && left.len > PIPE_BUF ? PIPE_BUF : left.len;
        ssize_t count = write(scribe->fd, left.ptr, piece);
        if (count < 0 && errno != EINTR && errno != EAGAIN) {
            complain(scribe, strerrordesc_np(errno));
            count_dropped(scribe, left);
            break;
        }
        left = slice_skip(left, count > 0 ? (size_t)count : 0);
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
        int next_fd = scribe->next_fd;
        bool reopened = scribe->reopened;
        scribe->reopened = false;
        stopping = scribe->stopping;
        (void)pthread_mutex_unlock(&scribe->lock);

        write_batch(scribe);
        if (reopened) {
            close_file(scribe->fd);
            scribe->fd = next_fd;
            scribe->stream = is_stream(next_fd);
        }
    }
    return NULL;
}

static void init_news(pthread_cond_t *news)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(news, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static void free_scribe(struct scribe *scribe)
{
    close_file(scribe->fd);
    buffer_fini(&scribe->pending);
    buffer_fini(&scribe->batch);
    (void)pthread_cond_destroy(&scribe->news);
    (void)pthread_mutex_destroy(&scribe->lock);
    memory_free(scribe);
}

/* Signals are the main thread's. */
static int start_thread(struct scribe *scribe)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&scribe->thread, NULL, scribe_main, scribe);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

enum status scribe_start(const char *path, struct scribe **ret, struct error *err)
{
    int fd = NO_FILE;
    TRY(open_target(path, &fd, err));
    struct scribe *scribe = MEMORY_NEW(struct scribe);
    scribe->fd = fd;
    scribe->stream = is_stream(fd);
    buffer_init(&scribe->pending, BACKLOG_MAX_BYTES);
    buffer_init(&scribe->batch, BACKLOG_MAX_BYTES);
    (void)pthread_mutex_init(&scribe->lock, NULL);
    init_news(&scribe->news);
    int failed = start_thread(scribe);
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
    int fd = NO_FILE;
    TRY(open_target(path, &fd, err));
    (void)pthread_mutex_lock(&scribe->lock);
    int unused = scribe->reopened ? scribe->next_fd : NO_FILE;
    scribe->next_fd = fd;
    scribe->reopened = true;
    (void)pthread_cond_signal(&scribe->news);
    (void)pthread_mutex_unlock(&scribe->lock);
    close_file(unused);
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
