/* local_verdict: deciding by the shares, while the store is away. */
#include "base/table.h"
#include "limiter/local_shares_state.h"
#include "limiter/window.h"

unsigned share_sharers(const struct local_shares *shares, const struct share *share)
{
    unsigned count = share->heard ? share->gateways : shares->configured;
    return count > 0 ? count : 1;
}

static struct bucket_rate own_rate(const struct share *share, unsigned gateways)
{
    return (struct bucket_rate){.amount = share->limit.amount / gateways,
                                .burst = share->limit.burst / gateways,
                                .period_ms = (uint64_t)(share->limit.period / MSEC)};
}

/* From now on it counts by itself. */
static void go_alone(const struct local_shares *shares, struct share *share, usec_t now)
{
    if (share->alone) {
        return;
    }
    share->alone = true;
    if (share->limit.span != LIMIT_RATE) {
        return;
    }
    unsigned gateways = share_sharers(shares, share);
    struct bucket_rate rate = own_rate(share, gateways);
    uint64_t left = share->heard ? share->left / gateways : rate.burst;
    share->bucket = (struct bucket){.debt = left < rate.burst ? rate.burst - left : 0,
                                    .at_ms = (share->heard ? share->heard_at : now) / MSEC};
}

/* The window that is counted in now: what is unsent of a former one is of no use to anybody. */
static void enter_window(struct share *share, const struct limit *limit, int64_t wall_ms)
{
    struct window window = window_at(limit, wall_ms);
    if (window.start_ms != share->window_start_ms) {
        share->window_start_ms = window.start_ms;
        share->unsent = 0;
    }
}

/* What it may still take alone. */
uint64_t share_room(const struct local_shares *shares, struct share *share,
                    const struct limit *limit, usec_t now)
{
    unsigned gateways = share_sharers(shares, share);
    struct bucket_rate rate;
    uint64_t whole;
    go_alone(shares, share, now);
    switch (limit->span) {
    case LIMIT_RATE:
        rate = own_rate(share, gateways);
        if (rate.amount == 0 || rate.burst == 0) {
            return 0;
        }
        bucket_advance(&share->bucket, &rate, now / MSEC);
        return bucket_left(&share->bucket, &rate);
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        if (share->heard && now >= share->window_ends) { /* a new one has begun meanwhile */
            share->left = limit->amount;
            share->window_ends = INT64_MAX;
            share->spent = 0;
        }
        enter_window(share, limit, shares->clock.wall() / MSEC);
        whole = share->heard ? share->left / gateways : 0;
        return whole > share->spent ? whole - share->spent : 0;
    case LIMIT_HELD:
        break;
    }
    whole = (share->heard ? share->left : limit->amount) / gateways;
    return whole > share->spent ? whole - share->spent : 0;
}

static void note_debt(struct local_shares *shares, struct stripe *stripe, struct share *share)
{
    if (!share->in_debts && share->unsent != 0) {
        share->in_debts = true;
        share->debts = stripe->debts;
        stripe->debts = share;
        (void)atomic_fetch_add_explicit(&shares->debts, 1, memory_order_relaxed);
    }
}

/* Counts `amount`, or takes that much back. */
static void count_alone(struct local_shares *shares, struct stripe *stripe, struct share *share,
                        int64_t amount)
{
    switch (share->limit.span) {
    case LIMIT_RATE:
        if (amount >= 0) {
            (void)bucket_take(&share->bucket, (uint64_t)amount);
        } else {
            (void)bucket_forgive(&share->bucket, (uint64_t)-amount);
        }
        break;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
    case LIMIT_HELD:
        share->spent = amount >= 0                         ? share->spent + (uint64_t)amount
                       : share->spent >= (uint64_t)-amount ? share->spent - (uint64_t)-amount
                                                           : 0;
        break;
    }
    if (share->limit.span != LIMIT_HELD) { /* slots are held here, and not handed over */
        share->unsent += amount;
        note_debt(shares, stripe, share);
    }
}

/* ---- verdicts ---- */

enum step { STEP_ASK, STEP_EXTEND };

static bool concerned(const struct demand *demand, enum step step)
{
    const struct limit *limit = demand->limit;
    bool counted = limit->on_failure != STORE_ALLOW;
    return counted &&
           (step == STEP_ASK || (limit_settles(limit) && limit->unit != LIMIT_CONCURRENCY));
}

/* The locks of all keys of a reservation, in order. */
static uint64_t stripes_of(const struct reservation *reservation, uint64_t *hashes)
{
    uint64_t stripes = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        hashes[i] = table_hash(reservation->demands[i].key);
        stripes |= UINT64_C(1) << (hashes[i] >> 58);
    }
    return stripes;
}

static void lock_all(struct local_shares *shares, uint64_t stripes)
{
    for (uint64_t left = stripes; left != 0; left &= left - 1) {
        (void)pthread_mutex_lock(&shares->stripes[__builtin_ctzll(left)].lock);
    }
}

static void unlock_all(struct local_shares *shares, uint64_t stripes)
{
    for (uint64_t left = stripes; left != 0; left &= left - 1) {
        (void)pthread_mutex_unlock(&shares->stripes[__builtin_ctzll(left)].lock);
    }
}

static uint64_t least_output(const struct reservation *reservation)
{
    return reservation->output_share == 0 || reservation->output_want == 0
               ? reservation->output_want
               : reservation->output_share;
}

/* One demand's room, and whether the least fits into it. */
static bool look(struct local_shares *shares, struct share *share, struct demand *demand,
                 uint64_t least, usec_t now)
{
    const struct limit *limit = demand->limit;
    uint64_t amount = demand_amount(demand, least);
    demand->whole = limit->span == LIMIT_RATE ? limit->burst : limit->amount;
    demand->left = share_room(shares, share, limit, now);
    demand->over = false;
    demand->crossed = false;
    demand->refused = limit->action == LIMIT_DENY && amount > demand->left;
    demand->room_after = amount > demand->whole      ? -1
                         : limit->span == LIMIT_RATE ? SEC
                         : share->window_ends > now && share->window_ends != INT64_MAX
                             ? share->window_ends - now
                             : 60 * SEC;
    demand->reset_after = limit->span == LIMIT_HELD ? 0 : demand->room_after;
    if (!demand->refused) {
        demand->room_after = 0;
    }
    return !demand->refused;
}

static bool decide(struct local_shares *shares, struct reservation *reservation, enum step step)
{
    uint64_t hashes[RESERVATION_DEMANDS_MAX];
    struct share *found[RESERVATION_DEMANDS_MAX];
    uint64_t stripes = stripes_of(reservation, hashes);
    usec_t now = shares->clock.now();
    uint64_t output = reservation->output_want;
    uint64_t least = least_output(reservation);
    bool fits = true;
    lock_all(shares, stripes);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        found[i] = NULL;
        demand->refused = false;
        if (concerned(demand, step)) {
            struct stripe *stripe = &shares->stripes[hashes[i] >> 58];
            found[i] = share_get(stripe, hashes[i], demand, reservation->tenant, now);
            fits = look(shares, found[i], demand, least, now) && fits;
            if (reservation->output_share > 0 && demand->limit->action == LIMIT_DENY) {
                uint64_t room = demand_output_room(demand, demand->left, reservation->output_share);
                output = room < output ? room : output;
            }
        }
    }
    for (unsigned i = 0; fits && i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (found[i] != NULL) {
            uint64_t amount = demand_amount(demand, output);
            count_alone(shares, &shares->stripes[hashes[i] >> 58], found[i], (int64_t)amount);
            demand->granted += amount;
            demand->taken_alone += amount;
            demand->left = demand->left > amount ? demand->left - amount : 0;
        }
    }
    unlock_all(shares, stripes);
    reservation->output_granted += fits ? output : 0;
    return fits;
}

/* A budget that was never heard of: nobody knows what is left of it. */
static bool any_unknown(struct local_shares *shares, const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        enum limit_span span = demand->limit->span;
        if (span == LIMIT_RATE || span == LIMIT_HELD || demand->limit->on_failure == STORE_ALLOW) {
            continue;
        }
        uint64_t hash = table_hash(demand->key);
        struct stripe *stripe = share_lock(shares, hash);
        const struct share *share = share_find(stripe, hash, demand->key);
        bool unknown = share == NULL || !share->heard;
        share_unlock(stripe);
        if (unknown) {
            return true;
        }
    }
    return false;
}

static bool any_denies(const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        if (reservation->demands[i].limit->on_failure == STORE_DENY) {
            return true;
        }
    }
    return false;
}

static bool all_allow(const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        if (reservation->demands[i].limit->on_failure != STORE_ALLOW) {
            return false;
        }
    }
    return true;
}

void local_shares_ask(struct local_shares *shares, struct reservation *reservation)
{
    if (any_denies(reservation) || any_unknown(shares, reservation)) {
        reservation->state = RESERVATION_UNAVAILABLE;
        return;
    }
    reservation->output_granted = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].granted = 0;
        reservation->demands[i].taken_alone = 0;
    }
    if (all_allow(reservation)) {
        reservation->state = RESERVATION_HELD;
        reservation->basis = BASIS_NONE;
        reservation->output_granted = reservation->output_want;
        return;
    }
    reservation->basis = BASIS_LOCAL;
    reservation->state =
        decide(shares, reservation, STEP_ASK) ? RESERVATION_HELD : RESERVATION_REFUSED;
}

void local_shares_extend(struct local_shares *shares, struct reservation *reservation)
{
    reservation->state = RESERVATION_HELD;
    reservation->extension_refused =
        any_denies(reservation) ||
        (!all_allow(reservation) &&
         (any_unknown(shares, reservation) || !decide(shares, reservation, STEP_EXTEND)));
    if (all_allow(reservation)) {
        reservation->output_granted += reservation->output_want;
    }
}

void local_shares_settle(struct local_shares *shares, struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (demand->taken_alone == 0 || !limit_settles(demand->limit)) {
            continue;
        }
        bool keeps = reservation->basis == BASIS_LOCAL && demand->limit->span != LIMIT_HELD;
        int64_t used = keeps ? (int64_t)demand->used : 0;
        uint64_t hash = table_hash(demand->key);
        struct stripe *stripe = share_lock(shares, hash);
        struct share *share = share_find(stripe, hash, demand->key);
        if (share != NULL) {
            count_alone(shares, stripe, share, used - (int64_t)demand->taken_alone);
        }
        share_unlock(stripe);
        demand->taken_alone = 0;
    }
}
