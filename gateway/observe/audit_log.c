#include "gateway/observe/audit_log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gateway/observe/audit_file.h"
#include "gateway/observe/helper_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum {
    BACKLOG_MAX_BYTES = 4 * 1024 * 1024,                /* of events that wait */
    BUFFER_MAX_BYTES = BACKLOG_MAX_BYTES + 1024 * 1024, /* with what the thread adds to them */
    KEEP_BYTES = 64 * 1024,
    REFUSALS_A_SECOND = 10,
};

static const usec_t retry_time = SEC; /* until a file that took no more is tried again */
static const usec_t complaint_interval = 60 * SEC;

/* The one log. Zeroed, it is off. */
static struct audit_log {
    pthread_mutex_t lock;
    pthread_cond_t news;
    atomic_bool on;
    atomic_uint_fast64_t lost_count;
    /* Under the lock. */
    struct buffer pending;   /* bodies, each with a newline */
    uint64_t lost;           /* behind those, and not said yet */
    struct audit_file *next; /* owned: the file from now on */
    size_t next_at;          /* bytes of `pending` that are from before it */
    bool stopping;
    usec_t refusals_since; /* when this second of them began */
    unsigned refusals;     /* in it */
    uint64_t left_out;     /* not said yet */
    /* The thread's own. */
    struct audit_file *file; /* owned */
    struct buffer batch;
    usec_t complained;
    /* The main thread's. */
    pthread_t thread;
    bool running;
    struct audit_file *in_force; /* borrowed: `file`, or what will be */
    struct audit_file *prepared; /* owned */
    bool prepared_off;
} audit_log = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    (void)pthread_mutex_lock(&audit_log.lock);
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&audit_log.lock);
}

/* False: nothing is written, and no thread may run. */
static bool is_on(void)
{
    return atomic_load_explicit(&audit_log.on, memory_order_acquire);
}

/* ---- events: any thread ---- */

static void count_lost(uint64_t count)
{
    audit_log.lost += count;
    (void)atomic_fetch_add_explicit(&audit_log.lost_count, count, memory_order_relaxed);
}

/* Under the lock. Once one is lost, so are those behind it, until the thread has said so. */
static void append(const struct audit_event *event, struct slice text)
{
    struct buffer *pending = &audit_log.pending;
    if (!is_on()) {
        return; /* it has just ended */
    }
    if (audit_log.lost > 0 || buffer_len(pending) >= BACKLOG_MAX_BYTES ||
        audit_body_write(event, clock_wall(), text, pending) != STATUS_OK ||
        buffer_append(pending, SLICE("\n")) != STATUS_OK) {
        count_lost(1);
    }
    (void)pthread_cond_signal(&audit_log.news);
}

static void note(const struct audit_event *event, struct slice text)
{
    if (!is_on()) {
        return;
    }
    lock();
    append(event, text);
    unlock();
}

static struct slice print(char text[AUDIT_TEXT_MAX], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static struct slice print(char text[AUDIT_TEXT_MAX], const char *format, va_list args)
{
    int len = vsnprintf(text, AUDIT_TEXT_MAX, format, args);
    return slice_make(text, len < 0 ? 0 : len < AUDIT_TEXT_MAX ? (size_t)len : AUDIT_TEXT_MAX - 1);
}

void audit(enum log_level level, const struct audit_event *event, const char *format, ...)
{
    char text[AUDIT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    struct slice said = print(text, format, args);
    va_end(args);
    log_line(level, "audit: %s", text);
    note(event, said);
}

void audit_note(const struct audit_event *event, const char *format, ...)
{
    char text[AUDIT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    struct slice said = print(text, format, args);
    va_end(args);
    note(event, said);
}

/* Under the lock. */
static void say_left_out(void)
{
    if (audit_log.left_out > 0) {
        const struct audit_event event = {.kind = AUDIT_REFUSALS_LEFT_OUT,
                                          .count = audit_log.left_out};
        audit_log.left_out = 0;
        append(&event, SLICE("further refusals, which came too fast to be told one by one"));
    }
}

void audit_refusal(const struct audit_event *event, const char *text)
{
    if (!is_on()) {
        return;
    }
    usec_t now = clock_now();
    lock();
    if (now - audit_log.refusals_since >= SEC) {
        say_left_out();
        audit_log.refusals_since = now;
        audit_log.refusals = 0;
    }
    if (audit_log.refusals < REFUSALS_A_SECOND) {
        audit_log.refusals++;
        append(event, slice_from(text));
    } else {
        audit_log.left_out++;
    }
    unlock();
}

void audit_log_tick(void)
{
    lock();
    if (clock_now() - audit_log.refusals_since >= SEC) {
        say_left_out();
    }
    unlock();
}

uint64_t audit_log_lost(void)
{
    return atomic_load_explicit(&audit_log.lost_count, memory_order_relaxed);
}

/* ---- the thread ---- */

static void complain(const char *what, const struct error *err)
{
    usec_t now = clock_now();
    if (audit_log.complained == 0 || now - audit_log.complained >= complaint_interval) {
        audit_log.complained = now;
        log_error("audit log: cannot %s the file: %s; events wait, and are lost and counted in "
                  "audit_log_lost_total when too many do",
                  what, err->message);
    }
}

/* Appends an event of the thread's own to a buffer of bodies. */
static enum status put_own(struct buffer *out, const struct audit_event *event, const char *text)
{
    TRY(audit_body_write(event, clock_wall(), slice_from(text), out));
    return buffer_append(out, SLICE("\n"));
}

/* Writes the bodies, but for the last `keep` bytes; false if the file takes no more: what is left
 * stays. */
static bool write_bodies(struct buffer *bodies, size_t keep)
{
    struct error err;
    while (buffer_len(bodies) > keep) {
        struct slice rest = buffer_bytes(bodies);
        struct slice body = slice_make(rest.ptr, slice_find(rest, '\n'));
        if (audit_file_append(audit_log.file, body, &err) != STATUS_OK) {
            complain("write", &err);
            return false;
        }
        buffer_consume(bodies, body.len + 1);
    }
    if (audit_file_sync(audit_log.file, &err) != STATUS_OK) {
        complain("sync", &err);
    }
    return true;
}

/* What a file that was just opened begins with: where it comes from, and what was found in it.
 * `before` is the chain that it goes on from; its `seq` is 0 at the first start. */
static enum status put_beginning(const struct audit_chain *before, struct buffer *out)
{
    size_t torn_bytes;
    char text[AUDIT_TEXT_MAX];
    const char *torn = audit_file_torn(audit_log.file, &torn_bytes);
    if (torn != NULL) {
        (void)snprintf(text, sizeof(text), "the last line was torn: its %zu bytes were moved to %s",
                       torn_bytes, torn);
        TRY(put_own(out, &(struct audit_event){.kind = AUDIT_LOG_TORN, .count = torn_bytes}, text));
    }
    if (before->seq > 0) {
        (void)snprintf(text, sizeof(text), "goes on from record %" PRIu64 " of another file: %s",
                       before->seq, before->hash);
        TRY(put_own(out, &(struct audit_event){.kind = AUDIT_LOG_CONTINUED, .count = before->seq},
                    text));
    }
    return STATUS_OK;
}

/* Goes on in another file. What is left of the batch is written there, behind its beginning. */
static void change_file(struct audit_file *take_file)
{
    struct audit_chain before;
    audit_chain_init(&before);
    if (audit_log.file != NULL) {
        audit_file_drop(audit_log.file);
        before = *audit_file_chain(audit_log.file);
        audit_file_close(audit_log.file);
    }
    audit_log.file = take_file;
    if (audit_file_chain(take_file)->seq == 0) {
        audit_file_go_on(take_file, &before);
    }
    struct buffer bodies;
    buffer_init(&bodies, audit_log.batch.max);
    if (put_beginning(&before, &bodies) != STATUS_OK ||
        buffer_append(&bodies, buffer_bytes(&audit_log.batch)) != STATUS_OK) {
        buffer_fini(&bodies); /* after a thousand files that all took nothing */
        return;
    }
    buffer_fini(&audit_log.batch);
    audit_log.batch = bodies;
}

static void wait_for_work(bool stuck)
{
    struct timespec deadline;
    usec_t until = clock_now() + retry_time;
    deadline.tv_sec = until / SEC;
    deadline.tv_nsec = until % SEC * 1000;
    while (!audit_log.stopping && audit_log.next == NULL) {
        if (stuck) {
            if (pthread_cond_timedwait(&audit_log.news, &audit_log.lock, &deadline) == ETIMEDOUT) {
                return;
            }
        } else if (buffer_len(&audit_log.pending) > 0 || audit_log.lost > 0) {
            return;
        } else {
            (void)pthread_cond_wait(&audit_log.news, &audit_log.lock);
        }
    }
}

/* Under the lock: the bodies that wait are the thread's, and what was lost behind them is said. */
static void take_pending(void)
{
    struct buffer empty = audit_log.batch;
    audit_log.batch = audit_log.pending;
    audit_log.pending = empty;
    if (audit_log.lost > 0) {
        const struct audit_event event = {.kind = AUDIT_EVENTS_LOST, .count = audit_log.lost};
        if (put_own(&audit_log.batch, &event, "events were lost: the file took no more") ==
            STATUS_OK) {
            audit_log.lost = 0;
        }
    }
}

static void *audit_main(void *ctx)
{
    (void)ctx;
    (void)pthread_setname_np(pthread_self(), "audit");
    bool stuck = false;
    bool last = false;
    while (!last) {
        lock();
        wait_for_work(stuck);
        struct audit_file *next = audit_log.next;
        size_t keep = 0; /* for that file */
        if (buffer_len(&audit_log.batch) == 0) {
            size_t before = audit_log.next_at;
            take_pending();
            keep = next == NULL ? 0 : buffer_len(&audit_log.batch) - before;
        }
        audit_log.next = NULL;
        bool stopping = audit_log.stopping;
        bool all = buffer_len(&audit_log.pending) == 0;
        unlock();

        stuck = audit_log.file != NULL && !write_bodies(&audit_log.batch, keep);
        if (next != NULL) {
            change_file(next);
            stuck = !write_bodies(&audit_log.batch, 0);
        }
        if (audit_log.batch.size > KEEP_BYTES && !stuck) {
            buffer_reset(&audit_log.batch);
        }
        last = stopping && (stuck || all);
    }
    return NULL;
}

/* ---- the main thread's ---- */

/* It waits until a file is committed. */
static enum status start(struct error *err)
{
    audit_log.stopping = false;
    buffer_init(&audit_log.pending, BUFFER_MAX_BYTES);
    buffer_init(&audit_log.batch, BUFFER_MAX_BYTES);
    helper_thread_init_news(&audit_log.news);
    int failed = helper_thread_start(&audit_log.thread, audit_main, NULL);
    if (failed != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "audit log: cannot start a thread: %s",
             strerrordesc_np(failed));
    }
    audit_log.running = true;
    return STATUS_OK;
}

enum status audit_log_prepare(const char *path, struct error *err)
{
    audit_log_abandon();
    if (path == NULL) {
        audit_log.prepared_off = is_on();
        return STATUS_OK;
    }
    if (is_on() && audit_file_is(audit_log.in_force, path)) {
        return STATUS_OK;
    }
    if (!audit_log.running) {
        TRY(start(err));
    }
    return audit_file_open(path, clock_wall(), &audit_log.prepared, err);
}

void audit_log_abandon(void)
{
    audit_file_close(TAKE(audit_log.prepared));
    audit_log.prepared_off = false;
}

void audit_log_commit(void)
{
    struct audit_file *file = TAKE(audit_log.prepared);
    if (audit_log.prepared_off) {
        audit_log.prepared_off = false;
        audit_note(&(struct audit_event){.kind = AUDIT_LOG_ENDED},
                   "gateway.audit_log is not in the config any more");
        audit_log_stop();
    }
    if (file == NULL) {
        return;
    }
    lock();
    struct audit_file *unused = audit_log.next;
    audit_log.next = file;
    audit_log.next_at = buffer_len(&audit_log.pending);
    audit_log.in_force = file;
    atomic_store_explicit(&audit_log.on, true, memory_order_release);
    (void)pthread_cond_signal(&audit_log.news);
    unlock();
    audit_file_close(unused);
}

void audit_log_stop(void)
{
    audit_log_abandon();
    if (!audit_log.running) {
        return;
    }
    lock();
    say_left_out();
    atomic_store_explicit(&audit_log.on, false, memory_order_release);
    audit_log.stopping = true;
    (void)pthread_cond_signal(&audit_log.news);
    unlock();
    (void)pthread_join(audit_log.thread, NULL);
    audit_log.running = false;
    lock(); /* a worker may be about to find that it is off */
    audit_file_close(TAKE(audit_log.file));
    buffer_fini(&audit_log.pending);
    buffer_fini(&audit_log.batch);
    audit_log.lost = 0;
    unlock();
    (void)pthread_cond_destroy(&audit_log.news);
}
