/* local_verdict: deciding by the shares, while the store is away. */
#include "limiter/local_shares_state.h"
#include "limiter/window.h"

unsigned share_sharers(const struct local_shares *shares, const struct share *share)
{
    unsigned count = share->heard ? share->gateways : shares->configured;
    return count > 0 ? count : 1;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A longer period divides the rate without a rest. */
static struct bucket_rate own_rate(const struct local_shares *shares, const struct share *share)
{
    unsigned gateways = share_sharers(shares, share);
    return (struct bucket_rate){.amount = share->limit.amount,
                                .burst = share->limit.burst / gateways,
                                .period_ms = (uint64_t)(share->limit.period / MSEC) * gateways};
}

/* A new bucket goes on where the old one ends, as if all of that had drained: so nothing is given
 * back to this one that was taken from the other. */
static void begin_bucket(const struct local_shares *shares, struct share *share, usec_t now)
{
    struct bucket_rate rate = own_rate(shares, share);
    uint64_t left = share->heard ? share->left / share_sharers(shares, share) : rate.burst;
    share->bucket = (struct bucket){
        .debt = above(rate.burst, left),
        .drained = (share->bucket.drained + share->bucket.debt) % BUCKET_POSITIONS,
        .at_ms = (share->heard ? share->heard_at : now) / MSEC,
    };
}

/* Which window it is. What is unsent of a former one is of no use to anybody. */
static void enter_window(const struct local_shares *shares, struct share *share,
                         const struct limit *limit, usec_t now)
{
    int64_t offset_ms = atomic_load_explicit(&shares->offset_ms, memory_order_relaxed);
    int64_t wall_ms = shares->clock.wall() / MSEC + offset_ms;
    struct window window = window_at(limit, wall_ms);
    if (window.start_ms != share->window_start_ms) {
        share->window_start_ms = window.start_ms;
        share->window_end_ms = window.end_ms;
        share->window_spell = share->spell;
        share->unsent = 0;
    }
    if (now >= share->full_at) {
        share->full_at = now + (window.end_ms - wall_ms) * MSEC;
    }
}

static void advance_window(const struct local_shares *shares, struct share *share,
                           const struct limit *limit, bool first, usec_t now)
{
    bool over = now >= share->full_at; /* the one that was heard of */
    if (over) {
        share->left = share->limit.amount;
        share->spent = 0;
        share->spell += !first;
    }
    if ((first || over) && limit != NULL) {
        enter_window(shares, share, limit, now);
    }
}

void share_advance(const struct local_shares *shares, struct share *share,
                   const struct limit *limit, usec_t now)
{
    bool first = !share->alone; /* from now on it counts by itself */
    share->alone = true;
    share->spell += first;
    if (limit_span_is_window(share->limit.span)) {
        advance_window(shares, share, limit, first, now);
    } else if (share->limit.span == LIMIT_RATE) {
        if (first) {
            begin_bucket(shares, share, now);
        }
        struct bucket_rate rate = own_rate(shares, share);
        bucket_advance(&share->bucket, &rate, now / MSEC);
    }
}

uint64_t share_room(const struct local_shares *shares, const struct share *share)
{
    unsigned gateways = share_sharers(shares, share);
    struct bucket_rate rate;
    switch (share->limit.span) {
    case LIMIT_RATE:
        rate = own_rate(shares, share);
        return bucket_left(&share->bucket, &rate);
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return share->heard ? above(share->left / gateways, share->spent) : 0;
    case LIMIT_HELD:
        break;
    }
    /* Its own slots are its own to fill again. */
    uint64_t whole =
        share->heard ? share->own_then + share->left / gateways : share->limit.amount / gateways;
    return above(whole, share->own + share->spent);
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

static void send_later(struct local_shares *shares, struct stripe *stripe, struct share *share,
                       int64_t amount)
{
    share->unsent += amount;
    note_debt(shares, stripe, share);
}

/* Which window is charged, before what is granted there is added. What the store has a record of
 * keeps the one that the store told. */
static void note_window(const struct share *share, struct demand *demand,
                        enum reservation_basis basis)
{
    if (basis == BASIS_LOCAL && limit_span_is_window(share->limit.span) &&
        demand->window_end_ms != share->window_end_ms) {
        demand->former = demand->granted;
        demand->window_start_ms = share->window_start_ms;
        demand->window_end_ms = share->window_end_ms;
    }
}

/* Takes it, whether it fits or not. Slots are held here and not handed over. Nor is more of a rate
 * for what the store has a record of: it is told at the end, and a rate cannot be given back what
 * has drained by then. */
static void take_alone(struct local_shares *shares, struct stripe *stripe, struct share *share,
                       struct demand *demand, uint64_t amount, enum reservation_basis basis)
{
    demand->position = share->spell;
    if (share->limit.span == LIMIT_RATE) {
        demand->position = bucket_take(&share->bucket, amount);
    } else {
        share->spent += amount;
    }
    if (limit_span_is_window(share->limit.span) ||
        (share->limit.span == LIMIT_RATE && basis == BASIS_LOCAL)) {
        send_later(shares, stripe, share, (int64_t)amount);
    }
    note_window(share, demand, basis);
    demand->last_taken = amount;
    demand->taken_alone += amount;
    demand->granted += amount;
}

/* ---- settling ---- */

/* Time has refilled some of what is given back: of what has been handed over, nobody here knows how
 * much. */
static void settle_rate(struct local_shares *shares, struct stripe *stripe, struct share *share,
                        const struct demand *demand, uint64_t kept, bool sends)
{
    if (share->alone) {
        struct bucket_rate rate = own_rate(shares, share);
        bucket_advance(&share->bucket, &rate, shares->clock.now() / MSEC);
        (void)bucket_take(&share->bucket, above(kept, demand->taken_alone));
    }
    if (sends && kept > demand->taken_alone) {
        send_later(shares, stripe, share, (int64_t)(kept - demand->taken_alone));
    }
    if (share->alone && kept < demand->taken_alone) {
        uint64_t unused = least(demand->taken_alone - kept, demand->last_taken);
        uint64_t back =
            bucket_give_back(&share->bucket, demand->position, demand->last_taken, unused);
        if (sends && share->unsent > 0) {
            share->unsent -= (int64_t)least(back, (uint64_t)share->unsent);
        }
    }
}

/* `sent` is what is to be handed over of it in all. */
static void settle_window(struct local_shares *shares, struct stripe *stripe, struct share *share,
                          const struct demand *demand, uint64_t kept, uint64_t sent)
{
    if (demand->position < share->window_spell) {
        return; /* of a window that is over */
    }
    if (kept >= demand->taken_alone) {
        share->spent += share->alone ? kept - demand->taken_alone : 0;
    } else if (demand->position == share->spell && share->alone) {
        share->spent = above(share->spent, least(demand->taken_alone - kept, demand->last_taken));
    }
    send_later(shares, stripe, share, (int64_t)sent - (int64_t)demand->taken_alone);
}

/* What it used of what it took here: all, or what the store's part did not cover. */
static uint64_t kept_of(const struct reservation *reservation, const struct demand *demand)
{
    if (reservation->basis == BASIS_LOCAL) {
        return demand->used;
    }
    return least(above(demand->used, demand->granted - demand->taken_alone), demand->taken_alone);
}

static void settle_demand(struct local_shares *shares, struct stripe *stripe, struct share *share,
                          const struct reservation *reservation, const struct demand *demand)
{
    bool local = reservation->basis == BASIS_LOCAL;
    uint64_t kept = kept_of(reservation, demand);
    if (demand->limit->span == LIMIT_HELD) {
        share->spent = above(share->spent, demand->taken_alone);
        share->own = above(share->own, local ? 0 : demand->granted);
    } else if (demand->taken_alone == 0) {
        return;
    } else if (demand->limit->span == LIMIT_RATE) {
        settle_rate(shares, stripe, share, demand, kept, local);
    } else {
        settle_window(shares, stripe, share, demand, kept, local ? kept : 0);
    }
}

void local_shares_settle(struct local_shares *shares, struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        bool slots = demand->limit->span == LIMIT_HELD;
        if (!limit_settles(demand->limit) || (demand->taken_alone == 0 && !slots)) {
            continue;
        }
        uint64_t hash = demand_hash(demand);
        struct stripe *stripe = share_lock(shares, hash);
        struct share *share = share_find(stripe, hash, demand->key);
        if (share != NULL) {
            settle_demand(shares, stripe, share, reservation, demand);
        }
        share_unlock(stripe);
        demand->taken_alone = 0;
    }
}

/* ---- verdicts ---- */

enum step { STEP_ASK, STEP_EXTEND };

/* Does the step ask anything of the rule? */
static bool concerned(const struct demand *demand, enum step step)
{
    return step == STEP_ASK || (limit_settles(demand->limit) && demand->limit->span != LIMIT_HELD);
}

static bool counts(const struct demand *demand, enum step step)
{
    return concerned(demand, step) && demand->limit->on_failure != STORE_ALLOW;
}

/* All stripes of a reservation's keys, a bit each. */
static uint64_t stripes_of(const struct reservation *reservation, uint64_t *hashes)
{
    uint64_t stripes = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        hashes[i] = demand_hash(&reservation->demands[i]);
        stripes |= UINT64_C(1) << (hashes[i] >> 58);
    }
    return stripes;
}

/* In order, so that two threads never wait for each other. */
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

/* When a demand would fit that does not now; by then the store may be back. */
static usec_t room_after(const struct local_shares *shares, const struct share *share,
                         uint64_t amount, usec_t now)
{
    const struct limit *limit = &share->limit;
    if (amount > limit_whole(limit)) {
        return -1;
    }
    if (limit->span == LIMIT_RATE) {
        struct bucket_rate rate = own_rate(shares, share);
        int64_t wait = bucket_wait_ms(&share->bucket, &rate, amount);
        return wait < 0 ? limit->period : wait * MSEC;
    }
    return limit->span == LIMIT_HELD ? 0 : share->full_at - now;
}

static usec_t reset_after(const struct local_shares *shares, const struct share *share, usec_t now)
{
    struct bucket_rate rate;
    switch (share->limit.span) {
    case LIMIT_RATE:
        rate = own_rate(shares, share);
        return bucket_full_ms(&share->bucket, &rate) * MSEC;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return share->full_at - now;
    case LIMIT_HELD:
        break;
    }
    return 0;
}

/* One demand's room; false if the least does not fit into it. */
static bool look(const struct local_shares *shares, struct share *share, struct demand *demand,
                 uint64_t output, usec_t now)
{
    const struct limit *limit = demand->limit;
    uint64_t amount = demand_amount(demand, output);
    share_advance(shares, share, limit, now);
    demand->whole = limit_whole(limit);
    demand->left = share_room(shares, share);
    demand->crossed = false;
    demand->refused = limit->action == LIMIT_DENY && amount > demand->left;
    demand->room_after = demand->refused ? room_after(shares, share, amount, now) : 0;
    demand->reset_after = reset_after(shares, share, now);
    return !demand->refused;
}

/* All that are counted, locked: what they have room for. */
struct bids {
    struct share *shares[RESERVATION_DEMANDS_MAX]; /* NULL: not counted */
    uint64_t hashes[RESERVATION_DEMANDS_MAX];
    uint64_t output; /* that may be granted */
};

static bool look_at_all(struct local_shares *shares, struct reservation *reservation,
                        enum step step, struct bids *bids, usec_t now)
{
    bool fits = true;
    bids->output = reservation->output_want;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        bids->shares[i] = NULL;
        demand->refused = false;
        if (!counts(demand, step)) {
            continue;
        }
        struct stripe *stripe = &shares->stripes[bids->hashes[i] >> 58];
        bids->shares[i] = share_get(stripe, bids->hashes[i], demand, reservation->tenant, now);
        fits = look(shares, bids->shares[i], demand, least_output(reservation), now) && fits;
        if (reservation->output_share > 0 && demand->limit->action == LIMIT_DENY) {
            uint64_t room = demand_output_room(demand, demand->left, reservation->output_share);
            bids->output = least(room, bids->output);
        }
    }
    return fits;
}

static void take(struct local_shares *shares, struct reservation *reservation, unsigned index,
                 const struct bids *bids)
{
    struct demand *demand = &reservation->demands[index];
    struct share *share = bids->shares[index];
    uint64_t amount = demand_amount(demand, bids->output);
    bool over = amount > demand->left;
    take_alone(shares, &shares->stripes[bids->hashes[index] >> 58], share, demand, amount,
               reservation->basis);
    demand->crossed = over && !demand->over;
    demand->over = demand->over || over;
    demand->left = share_room(shares, share);
}

/* All or none. */
static bool decide(struct local_shares *shares, struct reservation *reservation, enum step step)
{
    struct bids bids;
    uint64_t stripes = stripes_of(reservation, bids.hashes);
    lock_all(shares, stripes);
    bool fits = look_at_all(shares, reservation, step, &bids, shares->clock.now());
    for (unsigned i = 0; fits && i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (bids.shares[i] != NULL) {
            take(shares, reservation, i, &bids);
        } else if (concerned(demand, step)) {
            demand->granted += demand_amount(demand, bids.output);
        }
    }
    unlock_all(shares, stripes);
    reservation->output_granted += fits ? bids.output : 0;
    return fits;
}

/* A budget that was never heard of: nobody knows what is left of it. */
static bool is_unknown(struct local_shares *shares, const struct demand *demand)
{
    if (!limit_span_is_window(demand->limit->span) || demand->limit->action == LIMIT_WARN) {
        return false;
    }
    uint64_t hash = demand_hash(demand);
    struct stripe *stripe = share_lock(shares, hash);
    const struct share *share = share_find(stripe, hash, demand->key);
    bool unknown = share == NULL || !share->heard;
    share_unlock(stripe);
    return unknown;
}

/* One of the rules says so, or nothing is known of it. */
static bool must_deny(struct local_shares *shares, const struct reservation *reservation,
                      enum step step)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (counts(demand, step) &&
            (demand->limit->on_failure == STORE_DENY || is_unknown(shares, demand))) {
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
    reservation_begin(reservation);
    if (must_deny(shares, reservation, STEP_ASK)) {
        reservation->state = RESERVATION_UNAVAILABLE;
        return;
    }
    reservation->basis = all_allow(reservation) ? BASIS_NONE : BASIS_LOCAL;
    reservation->state =
        decide(shares, reservation, STEP_ASK) ? RESERVATION_HELD : RESERVATION_REFUSED;
}

void local_shares_extend(struct local_shares *shares, struct reservation *reservation)
{
    reservation->state = RESERVATION_HELD;
    reservation->extension_refused =
        must_deny(shares, reservation, STEP_EXTEND) || !decide(shares, reservation, STEP_EXTEND);
}
