/* The ledger's thread: from the rings to the database, and what goes from there. */
#include "gateway/ledger/ledger_state.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define SUMS_KEPT ((usec_t)400 * 86400 * SEC)
/* Of windows that are over: a clock may be set back. */
#define WINDOWS_KEPT ((usec_t)3600 * SEC)

static const usec_t gather_time = 250 * MSEC;
static const usec_t gather_step = 50 * MSEC;
static const usec_t idle_time = SEC;
static const usec_t trim_time = SEC;          /* between looks for what is to be deleted */
static const usec_t first_pause = 100 * MSEC; /* after a failure; twice as long after the next */
static const usec_t longest_pause = 10 * SEC;

/* ---- one batch ---- */

struct batch {
    struct ledger *ledger;
    struct ledger_minutes sums; /* of the new rows */
    struct ledger_key *keys;    /* owned */
    unsigned rows, new_rows;
    enum status status;
    struct error *err;
};

/* By what an event may find it. */
static enum status add_object(struct batch *batch, const struct ledger_row *row)
{
    struct ledger *ledger = batch->ledger;
    if (!ledger_settling_wants(ledger, row)) {
        return STATUS_OK;
    }
    uint64_t object = ledger_key_hash(ledger, slice_from(row->object.id));
    return ledger_store_add_object(ledger->store, object, row, batch->err);
}

static void add_row(void *ctx, const struct ledger_row *row)
{
    struct batch *batch = ctx;
    bool new = false;
    if (batch->status == STATUS_OK) {
        batch->status = ledger_store_add(batch->ledger->store, row, &new, batch->err);
    }
    if (new && batch->status == STATUS_OK) {
        batch->status = add_object(batch, row);
    }
    if (new) { /* one that is there already has been counted with it */
        ledger_minutes_add(&batch->sums, row);
        batch->new_rows++;
    }
}

/* Each ring is asked, be it for none: what an earlier call gave out is not to be freed. */
static void add_rows(struct batch *batch)
{
    struct ledger *ledger = batch->ledger;
    for (unsigned i = 0; i < ledger->source_count; i++) {
        unsigned at = (ledger->next_source + i) % ledger->source_count;
        batch->rows += ledger_ring_closed_rows(ledger->sources[at].ring,
                                               LEDGER_BATCH_ROWS - batch->rows, batch, add_row);
    }
    ledger->next_source++;
}

static enum status add_sums(const struct batch *batch, const struct ledger_minutes *sums)
{
    for (const struct ledger_minute *minute = sums->first; minute != NULL; minute = minute->next) {
        TRY(ledger_store_add_minute(batch->ledger->store, minute, batch->err));
    }
    for (const struct ledger_window *window = sums->charges.first; window != NULL;
         window = window->next) {
        TRY(ledger_store_add_charge(batch->ledger->store, &window->sum, batch->err));
    }
    return STATUS_OK;
}

static enum status fill(struct batch *batch)
{
    TRY(ledger_store_begin(batch->ledger->store, batch->err));
    add_rows(batch);
    TRY(batch->status);
    TRY(add_sums(batch, &batch->sums));
    TRY(add_sums(batch, &batch->ledger->folding));
    for (const struct ledger_key *key = batch->keys; key != NULL; key = key->next) {
        TRY(ledger_store_add_key(batch->ledger->store, key, batch->err));
    }
    return ledger_store_commit(batch->ledger->store, batch->err);
}

static void finish(struct batch *batch)
{
    struct ledger *ledger = batch->ledger;
    for (unsigned i = 0; i < ledger->source_count; i++) {
        ledger_ring_free_taken(ledger->sources[i].ring);
    }
    if (ledger->folding.charges.lost > 0) {
        log_error("ledger: %" PRIu64 " charges of quotas are not in the sums that budgets go on "
                  "from after a restart: there were too many, while \"%s\" could not be written",
                  ledger->folding.charges.lost, ledger->path);
    }
    ledger_minutes_fini(&ledger->folding);
    (void)atomic_fetch_add_explicit(&ledger->rows_written, batch->new_rows, memory_order_relaxed);
}

/* What was folded goes into the next batch; if that fails, into the one after it, once. */
static void take_folded(struct ledger *ledger)
{
    if (ledger_minutes_any(&ledger->folding)) {
        return;
    }
    (void)pthread_mutex_lock(&ledger->lock);
    ledger->folding = ledger->folded;
    ledger->folded = (struct ledger_minutes){0};
    (void)pthread_mutex_unlock(&ledger->lock);
}

static bool has_work(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->source_count; i++) {
        if (ledger_ring_backlog(ledger->sources[i].ring) > 0) {
            return true;
        }
    }
    return ledger_minutes_any(&ledger->folding) || ledger_keys_wait(&ledger->keys);
}

/* ---- failures ---- */

static void note_failure(struct ledger *ledger, const struct error *err)
{
    (void)atomic_fetch_add_explicit(&ledger->write_failures, 1, memory_order_relaxed);
    atomic_store_explicit(&ledger->writable, false, memory_order_relaxed);
    if (ledger->failing_since == 0) {
        ledger->failing_since = clock_now();
        log_error("ledger: \"%s\" cannot be written: %s; rows wait beside it, and no request does",
                  ledger->path, err->message);
    }
}

static void note_success(struct ledger *ledger)
{
    atomic_store_explicit(&ledger->writable, true, memory_order_relaxed);
    if (ledger->failing_since != 0) {
        log_info("ledger: \"%s\" is written again, after %" PRId64 " s", ledger->path,
                 (clock_now() - ledger->failing_since) / SEC);
        ledger->failing_since = 0;
    }
}

enum status ledger_open_store(struct ledger *ledger, struct error *err)
{
    TRY(ledger_store_open(ledger->path, ledger->max_bytes, &ledger->store, err));
    enum status status = ledger_windows_seed(ledger_store_db(ledger->store), ledger->seed, err);
    if (status != STATUS_OK) {
        ledger_store_close(TAKE(ledger->store));
    }
    return status;
}

static enum status open_again(struct ledger *ledger, struct error *err)
{
    if (ledger->store != NULL && ledger_store_moved(ledger->store)) {
        log_warn("ledger: \"%s\" was moved or deleted; another one is begun", ledger->path);
        ledger_store_close(TAKE(ledger->store));
    }
    return ledger->store != NULL ? STATUS_OK : ledger_open_store(ledger, err);
}

enum status ledger_move_batch(struct ledger *ledger, bool *ret_more)
{
    struct error err;
    struct batch batch = {.ledger = ledger, .err = &err};
    bool left =
        ledger_minutes_any(&ledger->folding); /* then others may have been folded behind it */
    *ret_more = false;
    take_folded(ledger);
    if (!has_work(ledger)) {
        return STATUS_OK;
    }
    batch.keys = ledger_keys_take(&ledger->keys);
    enum status status = open_again(ledger, &err);
    if (status == STATUS_OK) {
        status = fill(&batch);
    }
    if (status == STATUS_OK) {
        ledger_keys_written(&ledger->keys, TAKE(batch.keys));
        finish(&batch);
        note_success(ledger);
        *ret_more = left || batch.rows == LEDGER_BATCH_ROWS;
    } else {
        if (ledger->store != NULL) {
            ledger_store_call_off(ledger->store);
        }
        ledger_keys_put_back(&ledger->keys, TAKE(batch.keys));
        note_failure(ledger, &err);
    }
    ledger_minutes_fini(&batch.sums);
    ledger_rings_tidy(ledger);
    return status;
}

/* A step of the deletions; true: there may be more to delete. A failure is said once. */
static bool trim(struct ledger *ledger)
{
    struct error err;
    unsigned blocks = 0;
    usec_t now = clock_wall();
    usec_t keep = atomic_load_explicit(&ledger->keep, memory_order_relaxed);
    if (ledger->store == NULL) {
        return false;
    }
    enum status status =
        ledger_store_trim(ledger->store, now - keep, now - SUMS_KEPT, &blocks, &err);
    if (status == STATUS_OK) {
        status = ledger_store_trim_windows(ledger->store, (now - WINDOWS_KEPT) / MSEC, &err);
    }
    bool failed = status != STATUS_OK;
    if (failed && !ledger->trim_failing && ledger->failing_since == 0) {
        log_warn("ledger: \"%s\": what is too old cannot be deleted: %s", ledger->path,
                 err.message);
    }
    ledger->trim_failing = failed;
    return !failed && blocks == LEDGER_TRIM_BLOCKS;
}

/* Not behind each batch: those are small where rows come slowly, and the look is not for nothing.
 */
static bool must_trim(const struct ledger *ledger)
{
    uint64_t written = atomic_load_explicit(&ledger->rows_written, memory_order_relaxed);
    return ledger->trim_more || written - ledger->trimmed_rows >= LEDGER_BATCH_ROWS ||
           clock_now() - ledger->trimmed >= trim_time;
}

enum status ledger_move_all(struct ledger *ledger, bool *ret_more_to_delete)
{
    bool more;
    do {
        enum status status = ledger_move_batch(ledger, &more);
        if (status != STATUS_OK || must_trim(ledger)) { /* it may have failed for want of room */
            ledger->trim_more = trim(ledger);
            ledger->trimmed = clock_now();
            ledger->trimmed_rows =
                atomic_load_explicit(&ledger->rows_written, memory_order_relaxed);
        }
        *ret_more_to_delete = ledger->trim_more;
        TRY(status);
    } while (more);
    return STATUS_OK;
}

/* ---- the thread ---- */

/* Under the lock. */
static bool wait_until(struct ledger *ledger, usec_t until)
{
    struct timespec deadline = {.tv_sec = until / SEC, .tv_nsec = until % SEC * 1000};
    return pthread_cond_timedwait(&ledger->news_came, &ledger->lock, &deadline) != ETIMEDOUT;
}

static unsigned backlog_of_workers(const struct ledger *ledger)
{
    unsigned backlog = 0;
    for (unsigned i = 0; i < ledger->workers; i++) {
        backlog += ledger_ring_backlog(ledger->sources[i].ring);
    }
    return backlog;
}

/* Waits for news, then until a batch is full or has gathered for long enough. Returns whether the
 * ledger is stopping. */
static bool await_work(struct ledger *ledger, usec_t idle_until)
{
    (void)pthread_mutex_lock(&ledger->lock);
    while (!ledger->stopping && !atomic_load(&ledger->news) && wait_until(ledger, idle_until)) {
    }
    usec_t until = clock_now() + gather_time;
    while (!ledger->stopping && atomic_load(&ledger->news) && clock_now() < until &&
           backlog_of_workers(ledger) < LEDGER_BATCH_ROWS) {
        (void)wait_until(ledger, clock_now() + gather_step);
    }
    bool stopping = ledger->stopping;
    (void)pthread_mutex_unlock(&ledger->lock);
    return stopping;
}

/* After a failure; ends early only to stop. */
static bool pause_for(struct ledger *ledger, usec_t time)
{
    usec_t until = clock_now() + time;
    (void)pthread_mutex_lock(&ledger->lock);
    while (!ledger->stopping && clock_now() < until) {
        (void)wait_until(ledger, until);
    }
    bool stopping = ledger->stopping;
    (void)pthread_mutex_unlock(&ledger->lock);
    return stopping;
}

void *ledger_mover_main(void *ctx)
{
    struct ledger *ledger = ctx;
    usec_t pause = first_pause;
    bool stopping = false;
    bool more = false;
    (void)pthread_setname_np(pthread_self(), "ledger");
    while (!stopping) {
        stopping = await_work(ledger, clock_now() + (more ? 0 : idle_time));
        (void)atomic_exchange(&ledger->news, false); /* before it looks: later news are news */
        if (ledger_move_all(ledger, &more) == STATUS_OK) {
            ledger_settling_go(ledger);
            ledger_answer_former(ledger);
            pause = first_pause;
        } else if (!stopping) {
            stopping = pause_for(ledger, pause);
            pause = pause * 2 < longest_pause ? pause * 2 : longest_pause;
        }
    }
    return NULL;
}
