#include "gateway/otlp/otlp.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/observe/log.h"
#include "gateway/otlp/otlp_lane.h"
#include "gateway/otlp/otlp_metrics.h"
#include "gateway/otlp/otlp_post.h"
#include "gateway/otlp/otlp_spans.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    BACKLOG_MAX_BYTES = 8 * 1024 * 1024, /* records that wait */
    PAGE_MAX_BYTES = 16 * 1024 * 1024,   /* of metrics */
    BATCH_SPANS = 512,
};

static const usec_t gather_time = 5 * SEC;      /* of a batch, at most */
static const usec_t request_time = 10 * SEC;    /* of a request, at most */
static const usec_t stop_time = 1800 * MSEC;    /* for what is left; the rest of 2 s is slack */
static const usec_t stop_patience = 800 * MSEC; /* for what was under way; asked once a second */

struct otlp {
    pthread_t thread;
    bool started;                      /* main's */
    usec_t metrics_every, metrics_due; /* main's; 0: none are sent */
    _Atomic uint64_t dropped;
    _Atomic usec_t stop_at; /* 0: it goes on; when it was told to stop */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t news;
    struct snapshot *next; /* ref; NULL: the one in use stays */
    struct buffer records; /* that wait */
    unsigned spans;        /* in them */
    usec_t oldest;         /* when the first of them came */
    struct buffer page;    /* of metrics, that waits; empty: none */
    usec_t page_started, page_now;
    bool busy; /* the thread does not wait: no news is needed */

    struct snapshot *snapshot; /* the thread's; ref; NULL: none yet */
    struct otlp_post *post;
    struct lane traces, metrics;
    bool flushing;       /* the end has come, and has a time of its own */
    struct buffer taken; /* records or a page, out of the lock */
};

static void count_dropped(struct otlp *otlp, uint64_t spans)
{
    (void)atomic_fetch_add_explicit(&otlp->dropped, spans, memory_order_relaxed);
}

static usec_t stop_at(const struct otlp *otlp)
{
    return atomic_load_explicit(&((struct otlp *)otlp)->stop_at, memory_order_relaxed);
}

/* A request that was under way when the end came has a little time. */
static bool give_up(void *ctx)
{
    const struct otlp *otlp = ctx;
    usec_t since = stop_at(otlp);
    return !otlp->flushing && since != 0 && clock_now() >= since + stop_patience;
}

static void drop(struct otlp *otlp, struct lane *lane)
{
    count_dropped(otlp, lane->spans);
    lane_empty(lane);
}

static void send_lane(struct otlp *otlp, struct lane *lane, usec_t most)
{
    count_dropped(otlp, lane_send(lane, otlp->post, &otlp->snapshot->otlp, most));
}

/* ---- taking work, under the lock ---- */

static bool wants(const struct otlp *otlp, bool switched_on)
{
    return otlp->snapshot->otlp.url != NULL && switched_on;
}

/* What nobody wants any more: requests that began before a reload may still tell. */
static void drop_unwanted(struct otlp *otlp)
{
    if (!wants(otlp, otlp->snapshot->otlp.traces)) {
        count_dropped(otlp, otlp->spans);
        otlp->spans = 0;
        buffer_consume(&otlp->records, buffer_len(&otlp->records));
        drop(otlp, &otlp->traces);
    }
    if (!wants(otlp, otlp->snapshot->otlp.metrics)) {
        buffer_consume(&otlp->page, buffer_len(&otlp->page));
        lane_empty(&otlp->metrics);
    }
}

static void take_settings(struct otlp *otlp)
{
    if (otlp->next != NULL) {
        snapshot_unref(otlp->snapshot);
        otlp->snapshot = TAKE(otlp->next);
        otlp->traces.due = 0; /* another collector, maybe */
        otlp->metrics.due = 0;
    }
    if (otlp->snapshot != NULL) {
        drop_unwanted(otlp);
    }
}

/* When the traces' lane has something to do; INT64_MAX: when there is news. */
static usec_t traces_due(const struct otlp *otlp)
{
    const struct lane *lane = &otlp->traces;
    if (lane_busy(lane)) {
        return lane->due;
    }
    if (otlp->spans == 0) {
        return INT64_MAX;
    }
    usec_t gathered = otlp->spans >= BATCH_SPANS ? 0 : otlp->oldest + gather_time;
    return gathered > lane->due ? gathered : lane->due;
}

static usec_t metrics_due(const struct otlp *otlp)
{
    bool work = lane_busy(&otlp->metrics) || buffer_len(&otlp->page) > 0;
    return work ? otlp->metrics.due : INT64_MAX;
}

static void move(struct buffer *from, size_t len, struct buffer *to)
{
    struct slice bytes = slice_make(buffer_bytes(from).ptr, len);
    enum status status = buffer_append(to, bytes);
    if (status == STATUS_OK) { /* both have the same maximum */
        buffer_consume(from, len);
    }
}

/* The next batch of records into `taken`; returns how many spans they are. */
static unsigned take_records(struct otlp *otlp)
{
    unsigned spans = 0;
    size_t len = otlp_spans_cut(buffer_bytes(&otlp->records), BATCH_SPANS, &spans);
    move(&otlp->records, len, &otlp->taken);
    otlp->spans -= spans;
    otlp->oldest = clock_now();
    if (buffer_len(&otlp->records) == 0 && otlp->records.size > LANE_KEEP_BYTES) {
        buffer_reset(&otlp->records);
    }
    return spans;
}

/* ---- the thread ---- */

/* Gives `taken` back. */
static void done_with_taken(struct otlp *otlp)
{
    if (otlp->taken.size > LANE_KEEP_BYTES) {
        buffer_reset(&otlp->taken);
    } else {
        buffer_consume(&otlp->taken, buffer_len(&otlp->taken));
    }
}

static struct slice service(const struct otlp *otlp)
{
    return slice_from(otlp->snapshot->otlp.service);
}

/* Makes the next body, if none is under way. False: there is nothing to be sent. */
static bool fill_traces(struct otlp *otlp)
{
    struct lane *lane = &otlp->traces;
    if (lane_busy(lane)) {
        return true;
    }
    (void)pthread_mutex_lock(&otlp->lock);
    lane->spans = otlp->spans == 0 ? 0 : take_records(otlp);
    (void)pthread_mutex_unlock(&otlp->lock);
    if (lane->spans > 0 &&
        otlp_spans_write(buffer_bytes(&otlp->taken), service(otlp), &lane->body) != STATUS_OK) {
        drop(otlp, lane); /* not reached: texts are bounded */
    }
    done_with_taken(otlp);
    return lane_busy(lane);
}

/* The newest page is what counts: what it has are sums. */
static bool fill_metrics(struct otlp *otlp)
{
    struct lane *lane = &otlp->metrics;
    struct otlp_page page;
    (void)pthread_mutex_lock(&otlp->lock);
    move(&otlp->page, buffer_len(&otlp->page), &otlp->taken);
    page.started = otlp->page_started;
    page.now = otlp->page_now;
    (void)pthread_mutex_unlock(&otlp->lock);
    page.text = buffer_bytes(&otlp->taken);
    if (page.text.len > 0) {
        lane_empty(lane);
        if (otlp_metrics_write(&page, service(otlp), &lane->body) != STATUS_OK) {
            log_warn("otlp: the metrics are longer than a request may be: they are not sent");
            lane_empty(lane);
        }
    }
    done_with_taken(otlp);
    return lane_busy(lane);
}

static void await(struct otlp *otlp)
{
    (void)pthread_mutex_lock(&otlp->lock);
    otlp->busy = false;
    for (;;) {
        take_settings(otlp);
        usec_t traces = traces_due(otlp);
        usec_t metrics = metrics_due(otlp);
        usec_t due = traces < metrics ? traces : metrics;
        if (stop_at(otlp) != 0 || due <= clock_now()) {
            break;
        }
        if (due == INT64_MAX) {
            (void)pthread_cond_wait(&otlp->news, &otlp->lock);
        } else {
            struct timespec until = {.tv_sec = due / SEC, .tv_nsec = due % SEC * 1000};
            (void)pthread_cond_timedwait(&otlp->news, &otlp->lock, &until);
        }
    }
    otlp->busy = true;
    (void)pthread_mutex_unlock(&otlp->lock);
}

static bool is_due(struct otlp *otlp, usec_t (*due)(const struct otlp *otlp))
{
    (void)pthread_mutex_lock(&otlp->lock);
    bool now = due(otlp) <= clock_now();
    (void)pthread_mutex_unlock(&otlp->lock);
    return now;
}

static void work(struct otlp *otlp)
{
    if (is_due(otlp, traces_due) && fill_traces(otlp)) {
        send_lane(otlp, &otlp->traces, request_time);
    }
    if (is_due(otlp, metrics_due) && fill_metrics(otlp)) {
        send_lane(otlp, &otlp->metrics, request_time);
    }
}

/* Sends what a lane has and gets, until it is not taken or time is over. */
static void flush(struct otlp *otlp, struct lane *lane, bool (*fill)(struct otlp *otlp))
{
    usec_t end = stop_at(otlp) + stop_time;
    bool taken = true;
    while (taken && end - clock_now() >= MSEC && fill(otlp)) {
        send_lane(otlp, lane, end - clock_now());
        taken = !lane_busy(lane);
    }
    drop(otlp, lane);
}

static void *thread_main(void *ctx)
{
    struct otlp *otlp = ctx;
    (void)pthread_setname_np(pthread_self(), "otlp");
    while (stop_at(otlp) == 0) {
        await(otlp);
        if (stop_at(otlp) == 0) {
            work(otlp);
        }
    }
    otlp->flushing = true;
    if (otlp->snapshot != NULL && otlp->snapshot->otlp.url != NULL) {
        flush(otlp, &otlp->traces, fill_traces);
        flush(otlp, &otlp->metrics, fill_metrics);
    }
    if (otlp->spans > 0) {
        count_dropped(otlp, otlp->spans);
        log_warn("otlp: %u spans could not be sent before the end", otlp->spans);
    }
    return NULL;
}

/* ---- the main thread's ---- */

struct otlp *otlp_new(void)
{
    struct otlp *otlp = MEMORY_NEW(struct otlp);
    (void)pthread_mutex_init(&otlp->lock, NULL);
    helper_thread_init_news(&otlp->news);
    buffer_init(&otlp->records, BACKLOG_MAX_BYTES);
    buffer_init(&otlp->page, PAGE_MAX_BYTES);
    buffer_init(&otlp->taken, PAGE_MAX_BYTES);
    lane_init(&otlp->traces, "/v1/traces", "spans");
    lane_init(&otlp->metrics, "/v1/metrics", "metrics");
    return otlp;
}

enum status otlp_prepare(struct otlp *otlp, const struct snapshot *snapshot, struct error *err)
{
    if (snapshot->otlp.url == NULL || otlp->started) {
        return STATUS_OK;
    }
    otlp->post = otlp_post_new(give_up, otlp);
    int failed = helper_thread_start(&otlp->thread, thread_main, otlp);
    if (failed != 0) {
        otlp_post_free(TAKE(otlp->post));
        FAIL(err, STATUS_UNAVAILABLE, "otlp: cannot start a thread: %s", strerrordesc_np(failed));
    }
    otlp->started = true;
    return STATUS_OK;
}

void otlp_adopt(struct otlp *otlp, struct snapshot *snapshot)
{
    const struct otlp_settings *settings = &snapshot->otlp;
    usec_t every = settings->url != NULL && settings->metrics ? settings->every : 0;
    if (every != otlp->metrics_every) {
        otlp->metrics_every = every;
        otlp->metrics_due = clock_now() + every;
    }
    if (!otlp->started) {
        return;
    }
    (void)pthread_mutex_lock(&otlp->lock);
    snapshot_unref(otlp->next);
    otlp->next = snapshot_ref(snapshot);
    (void)pthread_cond_signal(&otlp->news);
    (void)pthread_mutex_unlock(&otlp->lock);
}

bool otlp_exports_metrics(const struct otlp *otlp)
{
    return otlp->metrics_every != 0;
}

bool otlp_wants_metrics(struct otlp *otlp)
{
    usec_t now = clock_now();
    if (otlp->metrics_every == 0 || now < otlp->metrics_due) {
        return false;
    }
    otlp->metrics_due = now + otlp->metrics_every;
    return true;
}

void otlp_write_metrics(struct otlp *otlp, struct slice page, usec_t started)
{
    (void)pthread_mutex_lock(&otlp->lock);
    buffer_consume(&otlp->page, buffer_len(&otlp->page));
    if (buffer_append(&otlp->page, page) != STATUS_OK) {
        log_warn("otlp: the metrics are longer than a request may be: they are not sent");
    }
    otlp->page_started = started;
    otlp->page_now = clock_wall();
    (void)pthread_cond_signal(&otlp->news);
    (void)pthread_mutex_unlock(&otlp->lock);
}

void otlp_stop(struct otlp *otlp)
{
    if (otlp == NULL) {
        return;
    }
    if (otlp->started) {
        (void)pthread_mutex_lock(&otlp->lock);
        atomic_store_explicit(&otlp->stop_at, clock_now(), memory_order_relaxed);
        (void)pthread_cond_signal(&otlp->news);
        (void)pthread_mutex_unlock(&otlp->lock);
        (void)pthread_join(otlp->thread, NULL);
        otlp_post_free(otlp->post);
    }
    snapshot_unref(otlp->snapshot);
    snapshot_unref(otlp->next);
    buffer_fini(&otlp->records);
    buffer_fini(&otlp->page);
    buffer_fini(&otlp->taken);
    lane_fini(&otlp->traces);
    lane_fini(&otlp->metrics);
    (void)pthread_cond_destroy(&otlp->news);
    (void)pthread_mutex_destroy(&otlp->lock);
    memory_free(otlp);
}

/* ---- any thread's ---- */

void otlp_write(struct otlp *otlp, struct slice records, unsigned spans)
{
    (void)pthread_mutex_lock(&otlp->lock);
    bool taken = buffer_append(&otlp->records, records) == STATUS_OK;
    if (taken) {
        unsigned before = otlp->spans;
        otlp->spans += spans;
        if (before == 0) {
            otlp->oldest = clock_now();
        }
        bool first = before == 0 || (before < BATCH_SPANS && otlp->spans >= BATCH_SPANS);
        if (first && !otlp->busy) { /* else it looks by itself */
            (void)pthread_cond_signal(&otlp->news);
        }
    }
    (void)pthread_mutex_unlock(&otlp->lock);
    if (!taken) {
        count_dropped(otlp, spans);
    }
}

void otlp_count_dropped(struct otlp *otlp, unsigned spans)
{
    count_dropped(otlp, spans);
}

uint64_t otlp_dropped(const struct otlp *otlp)
{
    return atomic_load_explicit(&((struct otlp *)otlp)->dropped, memory_order_relaxed);
}
