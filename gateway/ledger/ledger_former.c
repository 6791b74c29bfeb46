/* What was charged under other epochs of the store than the present one, or alone, told by the
 * thread, which is the one that empties the rings: so each row is in the database or in its place,
 * and in one of them.
 */
#include "gateway/ledger/ledger_state.h"
#include "gateway/observe/log.h"

void ledger_ask_former(struct ledger *ledger, uint64_t epoch)
{
    struct ledger_former *former = &ledger->former;
    (void)pthread_mutex_lock(&ledger->lock);
    ledger_charges_fini(&former->sums);
    former->asked = true;
    former->answered = false;
    former->epoch = epoch;
    (void)pthread_mutex_unlock(&ledger->lock);
    ledger_wake(ledger);
}

bool ledger_take_former(struct ledger *ledger, uint64_t epoch, bool *ret_open, void *ctx,
                        void (*each)(void *ctx, const struct ledger_charge *sum, struct slice key))
{
    struct ledger_former *former = &ledger->former;
    struct ledger_charges sums = {0};
    (void)pthread_mutex_lock(&ledger->lock);
    bool answered = former->answered && former->epoch == epoch;
    if (answered) {
        sums = former->sums;
        *ret_open = former->open;
        former->sums = (struct ledger_charges){0};
        former->asked = false;
        former->answered = false;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    for (const struct ledger_window *at = sums.first; at != NULL; at = at->next) {
        each(ctx, &at->sum, at->key);
    }
    ledger_charges_fini(&sums);
    return answered;
}

/* ---- the thread ---- */

struct answer {
    uint64_t epoch;
    int64_t now_ms;
    bool open;
    struct ledger_charges sums;
};

static bool concerns(const struct answer *answer, const struct ledger_charge *charge)
{
    return charge->epoch != LEDGER_EPOCH_MEMORY && charge->epoch != answer->epoch &&
           charge->end_ms > answer->now_ms;
}

static void add(void *ctx, const struct ledger_charge *charge)
{
    struct answer *answer = ctx;
    if (concerns(answer, charge)) {
        struct ledger_charge sum = *charge;
        sum.epoch = 0; /* of all of them together */
        ledger_charges_add(&answer->sums, &sum);
    }
}

static void add_all(struct answer *answer, const struct ledger_charges *charges)
{
    for (const struct ledger_window *at = charges->first; at != NULL; at = at->next) {
        add(answer, &at->sum);
    }
}

static void add_charge_in_place(void *ctx, const struct ledger_charge *charge, bool open)
{
    struct answer *answer = ctx;
    answer->open = answer->open || (open && concerns(answer, charge));
    add(ctx, charge);
}

static enum status find(struct ledger *ledger, struct answer *answer, struct error *err)
{
    if (ledger->store == NULL) {
        FAIL(err, STATUS_UNAVAILABLE, "it is not open");
    }
    for (unsigned i = 0; i < ledger->source_count; i++) {
        ledger_ring_each_charge(ledger->sources[i].ring, answer, add_charge_in_place);
    }
    add_all(answer, &ledger->folding.charges);
    (void)pthread_mutex_lock(&ledger->lock);
    add_all(answer, &ledger->folded.charges);
    (void)pthread_mutex_unlock(&ledger->lock);
    TRY(ledger_windows_read(ledger_store_db(ledger->store), answer->now_ms, answer, add, err));
    return ledger_windows_find_keys(ledger_store_db(ledger->store), &answer->sums, err);
}

void ledger_answer_former(struct ledger *ledger)
{
    struct error err;
    struct ledger_former *former = &ledger->former;
    struct answer answer = {.now_ms = clock_wall() / MSEC};
    (void)pthread_mutex_lock(&ledger->lock);
    bool asked = former->asked && !former->answered;
    answer.epoch = former->epoch;
    (void)pthread_mutex_unlock(&ledger->lock);
    if (!asked) {
        return;
    }
    if (find(ledger, &answer, &err) != STATUS_OK) {
        log_warn("ledger: \"%s\" cannot be read: %s", ledger->path, err.message);
        ledger_charges_fini(&answer.sums);
        return;
    }
    (void)pthread_mutex_lock(&ledger->lock);
    if (former->asked && former->epoch == answer.epoch) {
        ledger_charges_fini(&former->sums);
        former->sums = answer.sums;
        former->open = answer.open;
        former->answered = true;
        answer.sums = (struct ledger_charges){0};
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    ledger_charges_fini(&answer.sums);
}
