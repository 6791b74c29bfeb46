#include "gateway/ledger/ledger_settling.h"

#include "base/clock.h"
#include "gateway/ledger/ledger_settler.h"
#include "gateway/ledger/ledger_state.h"
#include "gateway/observe/log.h"

#include <inttypes.h>
#include <string.h>

#define WAITS_FOR (60 * SEC)
#define AGAIN_FOR (5 * SEC) /* what was said before: its row may have to be moved yet */
#define OTHER     "__other__"

#define PAUSE (2 * SEC) /* after a failure */

#define WARNS_EVERY (60 * SEC)

#define LOOK_PAUSE SEC /* where many wait: they are looked for one by one */

enum {
    AT_ONCE = 200, /* in a transaction */
    MANY = 1000,
};

const char *ledger_settle_result_name(enum ledger_settle_result result)
{
    switch (result) {
    case LEDGER_SETTLE_COST:
        return "settled";
    case LEDGER_SETTLE_STATUS:
        return "status";
    case LEDGER_SETTLE_SAME:
        return "same";
    case LEDGER_SETTLE_UNKNOWN_OBJECT:
        return "unknown_object";
    case LEDGER_SETTLE_OVERFLOW:
        return "overflow";
    case LEDGER_SETTLE_BROKEN:
        return "broken";
    case LEDGER_SETTLE_RESULTS:
        break;
    }
    return "";
}

/* ---- lists ---- */

static void put(struct ledger_waitings *list, struct ledger_waiting *take_waiting)
{
    take_waiting->next = NULL;
    *(list->first == NULL ? &list->first : list->end) = take_waiting;
    list->end = &take_waiting->next;
    list->count++;
}

static struct ledger_waiting *take_first(struct ledger_waitings *list)
{
    struct ledger_waiting *first = list->first;
    if (first != NULL) {
        list->first = first->next;
        list->count--;
    }
    return first;
}

static void put_all(struct ledger_waitings *list, struct ledger_waitings *take_others)
{
    struct ledger_waiting *waiting;
    while ((waiting = take_first(take_others)) != NULL) {
        put(list, waiting);
    }
}

static void drop_all(struct ledger_waitings *list)
{
    struct ledger_waiting *waiting;
    while ((waiting = take_first(list)) != NULL) {
        memory_free(waiting);
    }
}

void ledger_settling_init(struct ledger_settling *settling)
{
    (void)pthread_mutex_init(&settling->lock, NULL);
    settling->waits_for = WAITS_FOR;
    atomic_init(&settling->again, true); /* what an earlier process could not tell */
}

void ledger_settling_fini(struct ledger_settling *settling)
{
    drop_all(&settling->came);
    drop_all(&settling->in_thread);
    ledger_differences_fini(&settling->told);
    memory_free(settling->settled);
    (void)pthread_mutex_destroy(&settling->lock);
}

/* ---- what became of them: under the lock ---- */

static struct ledger_settled *settled_of(struct ledger_settling *settling, const char *hook)
{
    unsigned count = settling->settled_count;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(settling->settled[i].hook, hook) == 0) {
            return &settling->settled[i];
        }
    }
    if (count == LEDGER_SETTLED_HOOKS_MAX && strcmp(hook, OTHER) != 0) {
        return settled_of(settling, OTHER);
    }
    settling->settled = memory_resize(settling->settled, (count + 1) * sizeof(*settling->settled));
    struct ledger_settled *settled = &settling->settled[settling->settled_count++];
    *settled = (struct ledger_settled){0};
    LEDGER_TEXT(settled->hook, slice_from(hook));
    return settled;
}

static void count_one(struct ledger_settling *settling, const struct ledger_settlement *settlement,
                      const struct ledger_settler_outcome *outcome)
{
    struct ledger_settled *settled = settled_of(settling, settlement->hook);
    settled->results[outcome->result]++;
    settled->added += outcome->after > outcome->before ? outcome->after - outcome->before : 0;
    settled->taken_off += outcome->before > outcome->after ? outcome->before - outcome->after : 0;
}

/* ---- what others call ---- */

void ledger_set_settleable(struct ledger *ledger, const struct ledger_settleable *settleable)
{
    struct ledger_settling *settling = &ledger->settling;
    (void)pthread_mutex_lock(&settling->lock);
    settling->settleable = *settleable;
    (void)pthread_mutex_unlock(&settling->lock);
}

bool ledger_settling_wants(struct ledger *ledger, const struct ledger_row *row)
{
    struct ledger_settling *settling = &ledger->settling;
    const struct ledger_settleable *settleable = &settling->settleable;
    if (row->object.id[0] == '\0') {
        return false;
    }
    (void)pthread_mutex_lock(&settling->lock);
    bool wants = settleable->any;
    for (unsigned i = 0; i < settleable->count && !wants; i++) {
        wants = strcmp(settleable->providers[i], row->provider) == 0;
    }
    (void)pthread_mutex_unlock(&settling->lock);
    return wants;
}

void ledger_tell_differences_again(struct ledger *ledger)
{
    atomic_store(&ledger->settling.again, true);
    ledger_wake(ledger);
}

void ledger_settle(struct ledger *ledger, const struct ledger_settlement *settlement)
{
    static const struct ledger_settler_outcome overflow = {.result = LEDGER_SETTLE_OVERFLOW};
    struct ledger_settling *settling = &ledger->settling;
    struct ledger_waiting *waiting = MEMORY_NEW(struct ledger_waiting);
    waiting->settlement = *settlement;
    (void)pthread_mutex_lock(&settling->lock);
    if (settling->came.count + settling->waiting < LEDGER_SETTLEMENTS_MAX) {
        put(&settling->came, TAKE(waiting));
    } else {
        count_one(settling, settlement, &overflow);
    }
    (void)pthread_mutex_unlock(&settling->lock);
    memory_free(waiting);
    ledger_wake(ledger);
}

unsigned ledger_settle_room(struct ledger *ledger)
{
    struct ledger_settling *settling = &ledger->settling;
    (void)pthread_mutex_lock(&settling->lock);
    unsigned count = settling->came.count + settling->waiting;
    (void)pthread_mutex_unlock(&settling->lock);
    return count < LEDGER_SETTLEMENTS_MAX ? LEDGER_SETTLEMENTS_MAX - count : 0;
}

void ledger_take_settled(struct ledger *ledger, void *ctx,
                         void (*each)(void *ctx, const struct ledger_settled *settled))
{
    struct ledger_settling *settling = &ledger->settling;
    (void)pthread_mutex_lock(&settling->lock);
    struct ledger_settled *settled = TAKE(settling->settled);
    unsigned count = settling->settled_count;
    settling->settled_count = 0;
    (void)pthread_mutex_unlock(&settling->lock);
    for (unsigned i = 0; i < count; i++) {
        each(ctx, &settled[i]);
    }
    memory_free(settled);
}

void ledger_take_differences(struct ledger *ledger, void *ctx,
                             void (*each)(void *ctx, const struct ledger_difference *difference))
{
    struct ledger_settling *settling = &ledger->settling;
    (void)pthread_mutex_lock(&settling->lock);
    struct ledger_differences told = settling->told;
    settling->told = (struct ledger_differences){0};
    (void)pthread_mutex_unlock(&settling->lock);
    for (const struct ledger_difference_at *at = told.first; at != NULL; at = at->next) {
        each(ctx, &at->difference);
    }
    if (told.lost > 0) {
        log_error("ledger: %" PRIu64 " changes of what quotas are charged with are not known to "
                  "them before a restart: there were too many at once",
                  told.lost);
    }
    ledger_differences_fini(&told);
}

/* ---- the thread: one transaction ---- */

struct settling {
    struct ledger *ledger;
    struct ledger_waiting *batch[AT_ONCE]; /* owned */
    struct ledger_settler_outcome outcomes[AT_ONCE];
    unsigned count;
    struct ledger_differences differences;
};

static enum status settle_batch(struct settling *batch, struct error *err)
{
    struct ledger *ledger = batch->ledger;
    struct ledger_settler *settler = ledger_store_settler(ledger->store);
    const struct ledger_settler_now now = {
        .seed = ledger->seed,
        .now_ms = clock_wall() / MSEC,
        .differences = &batch->differences,
    };
    TRY(ledger_store_begin(ledger->store, err));
    for (unsigned i = 0; i < batch->count; i++) {
        TRY(ledger_settler_settle(settler, &batch->batch[i]->settlement, &now, &batch->outcomes[i],
                                  err));
    }
    TRY(ledger_settler_end(settler, err));
    TRY(ledger_differences_find_keys(ledger_store_db(ledger->store), &batch->differences, err));
    return ledger_store_commit(ledger->store, err);
}

/* Under the lock. */
static void add_told(struct ledger_settling *settling, const struct ledger_differences *more)
{
    for (const struct ledger_difference_at *at = more->first; at != NULL; at = at->next) {
        ledger_differences_add(&settling->told, &at->difference);
    }
}

/* They are on disk. Who is not found waits on, until its time is over. */
static void finish(struct settling *batch)
{
    struct ledger_settling *settling = &batch->ledger->settling;
    usec_t now = clock_now();
    (void)pthread_mutex_lock(&settling->lock);
    for (unsigned i = 0; i < batch->count; i++) {
        struct ledger_waiting *waiting = TAKE(batch->batch[i]);
        struct ledger_settler_outcome *outcome = &batch->outcomes[i];
        if (waiting->until == 0) {
            waiting->until = now + (waiting->settlement.again && settling->waits_for > AGAIN_FOR
                                        ? AGAIN_FOR
                                        : settling->waits_for);
        }
        if (!outcome->found && waiting->until > now) {
            put(&settling->in_thread, waiting);
            continue;
        }
        if (!outcome->found) {
            outcome->result = LEDGER_SETTLE_UNKNOWN_OBJECT;
        }
        count_one(settling, &waiting->settlement, outcome);
        memory_free(waiting);
    }
    add_told(settling, &batch->differences);
    (void)pthread_mutex_unlock(&settling->lock);
}

static void put_batch(struct ledger_waitings *list, struct settling *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        put(list, TAKE(batch->batch[i]));
    }
}

/* The one of a batch: its row's block is of no use, and it alone is hurt by that. */
static void refuse(struct settling *batch, const struct error *err)
{
    static const struct ledger_settler_outcome broken = {.result = LEDGER_SETTLE_BROKEN};
    struct ledger *ledger = batch->ledger;
    struct ledger_settling *settling = &ledger->settling;
    struct ledger_waiting *waiting = TAKE(batch->batch[0]);
    usec_t now = clock_now();
    (void)pthread_mutex_lock(&settling->lock);
    count_one(settling, &waiting->settlement, &broken);
    (void)pthread_mutex_unlock(&settling->lock);
    if (settling->may_warn_at <= now) {
        settling->may_warn_at = now + WARNS_EVERY;
        log_warn("ledger: \"%s\": what event %s says of \"%s\" cannot be settled: %s; the estimate "
                 "stays, and others like it are counted",
                 ledger->path, waiting->settlement.event, waiting->settlement.object, err->message);
    }
    memory_free(waiting);
}

/* Nothing has happened. Where a block is broken, which of the events is in it shows if each has a
 * transaction of its own; else all wait. */
static enum status take_back(struct settling *batch, struct ledger_waitings *apart,
                             enum status status, const struct error *err)
{
    struct ledger *ledger = batch->ledger;
    struct ledger_settling *settling = &ledger->settling;
    ledger_store_call_off(ledger->store);
    if (status != STATUS_UNAVAILABLE && batch->count > 1) {
        put_batch(apart, batch);
        return STATUS_OK;
    }
    if (status != STATUS_UNAVAILABLE) {
        refuse(batch, err);
        return STATUS_OK;
    }
    if (settling->again_at == 0) {
        log_error("ledger: \"%s\": what events say that requests cost cannot be written: %s; it is "
                  "tried again",
                  ledger->path, err->message);
    }
    put_batch(&settling->in_thread, batch);
    settling->again_at = clock_now() + PAUSE;
    return status;
}

/* ---- the thread ---- */

static void take_what_came(struct ledger_settling *settling)
{
    (void)pthread_mutex_lock(&settling->lock);
    put_all(&settling->in_thread, &settling->came);
    settling->waiting = settling->in_thread.count;
    (void)pthread_mutex_unlock(&settling->lock);
}

/* A row can have come, a settlement be new, or its time be over. */
static bool must_look(const struct ledger *ledger)
{
    const struct ledger_settling *settling = &ledger->settling;
    usec_t now = clock_now();
    bool must =
        settling->in_thread.count > 0 && settling->look_at <= now &&
        atomic_load_explicit(&ledger->rows_written, memory_order_relaxed) != settling->looked_rows;
    for (const struct ledger_waiting *at = settling->in_thread.first; at != NULL && !must;
         at = at->next) {
        must = at->until <= now;
    }
    return must;
}

static enum status settle_all(struct ledger *ledger, struct settling *batch, struct error *err)
{
    struct ledger_settling *settling = &ledger->settling;
    struct ledger_waitings rest = {0};
    struct ledger_waitings apart = {0}; /* before the rest: one by one */
    enum status status = STATUS_OK;
    put_all(&rest, &settling->in_thread);
    while (status == STATUS_OK && apart.count + rest.count > 0) {
        bool alone = apart.count > 0;
        *batch = (struct settling){.ledger = ledger};
        while (batch->count < (alone ? 1 : AT_ONCE) && (alone ? apart : rest).count > 0) {
            batch->batch[batch->count++] = take_first(alone ? &apart : &rest);
        }
        status = settle_batch(batch, err);
        if (status == STATUS_OK) {
            settling->again_at = 0;
            finish(batch);
        } else {
            status = take_back(batch, &apart, status, err);
        }
        ledger_differences_fini(&batch->differences);
    }
    put_all(&settling->in_thread, &apart);
    put_all(&settling->in_thread, &rest);
    return status;
}

void ledger_settling_recall(struct ledger *ledger)
{
    struct error err;
    struct ledger_settling *settling = &ledger->settling;
    struct ledger_differences sums = {0};
    if (!atomic_load(&settling->again) || ledger->store == NULL) {
        return;
    }
    sqlite3 *db = ledger_store_db(ledger->store);
    enum status status = ledger_differences_read(db, clock_wall() / MSEC, &sums, &err);
    if (status == STATUS_OK) {
        status = ledger_differences_find_keys(db, &sums, &err);
    }
    if (status == STATUS_OK) {
        atomic_store(&settling->again, false);
        (void)pthread_mutex_lock(&settling->lock);
        add_told(settling, &sums);
        (void)pthread_mutex_unlock(&settling->lock);
    } /* else it is tried again: whoever reads or writes the database has said so */
    ledger_differences_fini(&sums);
}

void ledger_settling_go(struct ledger *ledger)
{
    struct error err;
    struct ledger_settling *settling = &ledger->settling;
    ledger_settling_recall(ledger);
    take_what_came(settling);
    if (must_look(ledger) && ledger->store != NULL && settling->again_at <= clock_now()) {
        struct settling *batch = MEMORY_NEW(struct settling);
        uint64_t rows = atomic_load_explicit(&ledger->rows_written, memory_order_relaxed);
        enum status status = settle_all(ledger, batch, &err);
        settling->looked_rows = status == STATUS_OK ? rows : UINT64_MAX;
        settling->look_at = settling->in_thread.count > MANY ? clock_now() + LOOK_PAUSE : 0;
        memory_free(batch);
    }
    (void)pthread_mutex_lock(&settling->lock);
    settling->waiting = settling->in_thread.count;
    (void)pthread_mutex_unlock(&settling->lock);
}

void ledger_settling_end(struct ledger *ledger)
{
    ledger->settling.again_at = 0;
    ledger_settling_go(ledger);
    unsigned waiting = ledger->settling.in_thread.count;
    if (waiting > 0) {
        log_info("ledger: the objects of %u events were not known when the gateway stopped: what "
                 "they cost stays the estimate",
                 waiting);
    }
}
