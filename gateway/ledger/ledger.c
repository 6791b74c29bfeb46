#include "gateway/ledger/ledger.h"

#include "base/table.h"
#include "gateway/ledger/ledger_state.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/observe/log.h"

#include <assert.h>
#include <inttypes.h>

static uint64_t load(const atomic_uint_fast64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* ---- start ---- */

static void free_ledger(struct ledger *ledger)
{
    ledger_rings_close(ledger);
    ledger_store_close(ledger->store);
    ledger_minutes_fini(&ledger->folded);
    ledger_minutes_fini(&ledger->folding);
    ledger_charges_fini(&ledger->former.sums);
    ledger_keys_fini(&ledger->keys);
    ledger_settling_fini(&ledger->settling);
    (void)pthread_cond_destroy(&ledger->news_came);
    (void)pthread_mutex_destroy(&ledger->lock);
    memory_free(ledger->path);
    memory_free(ledger);
}

struct past {
    const struct ledger_settings *settings;
    int64_t now_ms;
};

static void tell_row(void *ctx, const struct ledger_row *row)
{
    const struct past *past = ctx;
    for (unsigned i = 0; i < row->charge_count; i++) {
        if (row->charges[i].end_ms > past->now_ms) {
            past->settings->past(past->settings->ctx, &row->charges[i]);
        }
    }
}

static void tell_left_row(void *ctx, const struct ledger_row *row)
{
    const struct ledger_settings *settings = ctx;
    if (row->settle_count > 0 && row->settle_count <= LEDGER_SETTLES_MAX) {
        settings->left(settings->left_ctx, row);
    }
}

/* Before any of it is moved. */
static void tell_left(const struct ledger *ledger, const struct ledger_settings *settings)
{
    for (unsigned i = 0; settings->left != NULL && i < ledger->source_count; i++) {
        struct ledger_ring *ring = ledger->sources[i].ring;
        (void)ledger_ring_closed_rows(ring, ledger_ring_backlog(ring), (void *)settings,
                                      tell_left_row);
    }
}

/* What could not be moved is still in the rings; the most of it, that is: if the process was killed
 * between a batch and freeing its places, those are told of twice, to be on the safe side. */
static enum status tell_past(struct ledger *ledger, const struct ledger_settings *settings,
                             struct error *err)
{
    struct past past = {.settings = settings, .now_ms = clock_wall() / MSEC};
    if (settings->past == NULL) {
        return STATUS_OK;
    }
    for (unsigned i = 0; i < ledger->source_count; i++) {
        struct ledger_ring *ring = ledger->sources[i].ring;
        (void)ledger_ring_closed_rows(ring, ledger_ring_backlog(ring), &past, tell_row);
    }
    return ledger->store == NULL /* moved away this very moment */
               ? STATUS_OK
               : ledger_windows_read(ledger_store_db(ledger->store), past.now_ms, settings->ctx,
                                     settings->past, err);
}

static enum status start(struct ledger *ledger, const struct ledger_settings *settings,
                         struct error *err)
{
    TRY(ledger_open_store(ledger, err));
    TRY(ledger_rings_open(ledger, err));
    tell_left(ledger, settings);
    bool more_to_delete;
    uint64_t recovered = load(&ledger->rows_recovered);
    /* What cannot be written now was said, and is tried again by the thread. */
    if (ledger_move_all(ledger, &more_to_delete) == STATUS_OK && recovered > 0) {
        log_info("ledger: %" PRIu64 " rows that an earlier process left are kept", recovered);
    }
    TRY(tell_past(ledger, settings, err));
    ledger_settling_recall(ledger);
    int failed = helper_thread_start(&ledger->thread, ledger_mover_main, ledger);
    if (failed != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "cannot start a thread: %s", strerrordesc_np(failed));
    }
    return STATUS_OK;
}

enum status ledger_start(const struct ledger_settings *settings, struct ledger **ret,
                         struct error *err)
{
    assert(settings->workers > 0);
    struct ledger *ledger = MEMORY_NEW(struct ledger);
    ledger->path = memory_copy(slice_from(settings->path));
    ledger->max_bytes = settings->max_bytes;
    ledger->workers = settings->workers;
    atomic_init(&ledger->keep, settings->keep);
    atomic_init(&ledger->writable, true);
    (void)pthread_mutex_init(&ledger->lock, NULL);
    helper_thread_init_news(&ledger->news_came);
    ledger_keys_init(&ledger->keys);
    ledger_settling_init(&ledger->settling);
    ledger_set_settleable(ledger, &settings->settleable);
    enum status status = start(ledger, settings, err);
    if (status != STATUS_OK) {
        free_ledger(ledger);
        return status;
    }
    *ret = ledger;
    return STATUS_OK;
}

/* ---- stop ---- */

static void say_what_is_lost(const struct ledger *ledger)
{
    const struct ledger_minutes *const all[] = {&ledger->folding, &ledger->folded};
    uint64_t requests = 0;
    uint64_t cost = 0;
    for (unsigned i = 0; i < 2; i++) {
        for (const struct ledger_minute *at = all[i]->first; at != NULL; at = at->next) {
            requests += at->requests;
            cost += at->cost;
        }
    }
    if (requests > 0) {
        log_error("ledger: the sums of %" PRIu64 " requests that cost %" PRIu64
                  " nano-USD are lost, for \"%s\" cannot be written",
                  requests, cost, ledger->path);
    }
}

void ledger_stop(struct ledger *ledger)
{
    bool more_to_delete;
    if (ledger == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&ledger->lock);
    ledger->stopping = true;
    (void)pthread_cond_signal(&ledger->news_came);
    (void)pthread_mutex_unlock(&ledger->lock);
    (void)pthread_join(ledger->thread, NULL);
    if (ledger_move_all(ledger, &more_to_delete) !=
        STATUS_OK) { /* it may have stopped in a pause */
        say_what_is_lost(ledger);
    }
    ledger_settling_end(ledger);
    free_ledger(ledger);
}

/* ---- what others call ---- */

void ledger_set_keep(struct ledger *ledger, usec_t keep)
{
    atomic_store_explicit(&ledger->keep, keep, memory_order_relaxed);
}

struct ledger_ring *ledger_ring_of(struct ledger *ledger, unsigned worker)
{
    assert(worker < ledger->workers);
    return ledger->sources[worker].ring;
}

void ledger_wake(struct ledger *ledger)
{
    if (!atomic_exchange(&ledger->news, true)) { /* the first since it looked */
        (void)pthread_mutex_lock(&ledger->lock);
        (void)pthread_cond_signal(&ledger->news_came);
        (void)pthread_mutex_unlock(&ledger->lock);
    }
}

void ledger_fold(struct ledger *ledger, const struct ledger_row *row)
{
    (void)pthread_mutex_lock(&ledger->lock);
    ledger_minutes_add(&ledger->folded, row);
    (void)pthread_mutex_unlock(&ledger->lock);
    (void)atomic_fetch_add_explicit(&ledger->rows_folded, 1, memory_order_relaxed);
    ledger_wake(ledger);
}

void ledger_fold_charge(struct ledger *ledger, const struct ledger_charge *charge)
{
    (void)pthread_mutex_lock(&ledger->lock);
    ledger_charges_add(&ledger->folded.charges, charge);
    (void)pthread_mutex_unlock(&ledger->lock);
    ledger_wake(ledger);
}

void ledger_note_key(struct ledger *ledger, const struct ledger_charge *charge, struct slice key)
{
    if (ledger_keys_note(&ledger->keys, charge->hash, charge->end_ms, key)) {
        ledger_wake(ledger);
    }
}

const uint64_t *ledger_seed(const struct ledger *ledger)
{
    return ledger->seed;
}

uint64_t ledger_key_hash(const struct ledger *ledger, struct slice key)
{
    return table_hash_with(ledger->seed, key);
}

void ledger_get_stats(struct ledger *ledger, struct ledger_stats *ret)
{
    *ret = (struct ledger_stats){
        .rows_written = load(&ledger->rows_written),
        .rows_folded = load(&ledger->rows_folded),
        .rows_recovered = load(&ledger->rows_recovered),
        .write_failures = load(&ledger->write_failures),
        .backlog = load(&ledger->left_over),
        .writable = atomic_load_explicit(&ledger->writable, memory_order_relaxed),
    };
    for (unsigned i = 0; i < ledger->workers; i++) {
        ret->backlog += ledger_ring_backlog(ledger->sources[i].ring);
    }
}
