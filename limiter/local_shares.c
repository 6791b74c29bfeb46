#include "limiter/local_shares.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/table.h"
#include "limiter/local_shares_state.h"

#include <assert.h>
#include <string.h>

enum { CHAINS_MIN = 16, TIDY_AT = 1024 };

#define LONG_OVER (86400 * SEC) /* of a window's end */
#define FLEETING  (60 * SEC)    /* what is left of slots says little after that */

struct local_shares *local_shares_new(const struct limiter_clock *clock, unsigned gateways)
{
    struct local_shares *shares = MEMORY_NEW(struct local_shares);
    shares->clock = *clock;
    shares->configured = gateways;
    for (unsigned i = 0; i < SHARE_STRIPES; i++) {
        (void)pthread_mutex_init(&shares->stripes[i].lock, NULL);
    }
    return shares;
}

void local_shares_free(struct local_shares *shares)
{
    for (unsigned i = 0; shares != NULL && i < SHARE_STRIPES; i++) {
        struct stripe *stripe = &shares->stripes[i];
        for (size_t k = 0; k < stripe->size; k++) {
            for (struct share *share = stripe->chains[k]; share != NULL;) {
                struct share *next = share->next;
                memory_free(share);
                share = next;
            }
        }
        memory_free(stripe->chains);
        (void)pthread_mutex_destroy(&stripe->lock);
    }
    memory_free(shares);
}

void local_shares_set_away(struct local_shares *shares, bool away)
{
    atomic_store(&shares->away, away);
}

void local_shares_set_offset(struct local_shares *shares, int64_t offset_ms)
{
    atomic_store_explicit(&shares->offset_ms, offset_ms, memory_order_relaxed);
}

/* ---- the table of a stripe ---- */

struct stripe *share_lock(struct local_shares *shares, uint64_t hash)
{
    struct stripe *stripe = &shares->stripes[hash >> 58];
    (void)pthread_mutex_lock(&stripe->lock);
    return stripe;
}

void share_unlock(struct stripe *stripe)
{
    (void)pthread_mutex_unlock(&stripe->lock);
}

static struct slice share_key(const struct share *share)
{
    return slice_make(share->text, share->key_len);
}

struct share *share_find(const struct stripe *stripe, uint64_t hash, struct slice key)
{
    if (stripe->size == 0) {
        return NULL;
    }
    struct share *share = stripe->chains[hash & (stripe->size - 1)];
    while (share != NULL && (share->hash != hash || !slice_equal(share_key(share), key))) {
        share = share->next;
    }
    return share;
}

static void resize(struct stripe *stripe, size_t size)
{
    struct share **chains = memory_alloc(size * sizeof(struct share *));
    for (size_t i = 0; i < stripe->size; i++) {
        for (struct share *share = stripe->chains[i]; share != NULL;) {
            struct share *next = share->next;
            share->next = chains[share->hash & (size - 1)];
            chains[share->hash & (size - 1)] = share;
            share = next;
        }
    }
    memory_free(stripe->chains);
    stripe->chains = chains;
    stripe->size = size;
}

/* Nothing hangs on it, and a new one would be about as good. */
static bool forgettable(const struct share *share, usec_t now)
{
    if (share->unsent != 0 || share->in_debts || share->own != 0) {
        return false;
    }
    switch (share->limit.span) {
    case LIMIT_RATE:
        return now >= share->full_at && (!share->alone || now - share->heard_at > LONG_OVER);
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return now - share->full_at > LONG_OVER;
    case LIMIT_HELD:
        break;
    }
    return share->spent == 0 && now - share->heard_at > FLEETING;
}

static void tidy(struct stripe *stripe, usec_t now)
{
    for (size_t i = 0; i < stripe->size; i++) {
        for (struct share **at = &stripe->chains[i]; *at != NULL;) {
            struct share *share = *at;
            if (forgettable(share, now)) {
                *at = share->next;
                memory_free(share);
                stripe->count--;
            } else {
                at = &share->next;
            }
        }
    }
}

/* After looking through all of them there is room for as many again: constant time for each. */
static void make_room(struct stripe *stripe, usec_t now)
{
    if (stripe->count < stripe->size) {
        return;
    }
    if (stripe->count >= TIDY_AT) {
        tidy(stripe, now);
    }
    size_t size = CHAINS_MIN;
    while (size < (stripe->count + 1) * 2) {
        size *= 2;
    }
    resize(stripe, size);
}

struct share *share_get(struct stripe *stripe, uint64_t hash, const struct demand *demand,
                        const char *tenant, usec_t now)
{
    struct share *share = share_find(stripe, hash, demand->key);
    if (share == NULL) {
        make_room(stripe, now);
        struct slice owner = slice_from(tenant);
        share = memory_alloc(sizeof(*share) + demand->key.len + owner.len + 1);
        memcpy(share->text, demand->key.ptr, demand->key.len);
        memcpy(share->text + demand->key.len, owner.ptr, owner.len);
        share->key_len = demand->key.len;
        share->tenant_len = owner.len;
        share->hash = hash;
        share->heard_at = now;
        share->full_at = now;
        share->next = stripe->chains[hash & (stripe->size - 1)];
        stripe->chains[hash & (stripe->size - 1)] = share;
        stripe->count++;
    }
    share->limit = *demand->limit;
    return share;
}

/* ---- what was heard ---- */

void local_shares_note_gateways(struct local_shares *shares, unsigned gateways)
{
    if (gateways > 0) {
        atomic_store_explicit(&shares->alive, gateways, memory_order_relaxed);
    }
}

/* What was not handed over yet is not known there. */
static uint64_t left_besides(const struct demand *demand, const struct share *share)
{
    uint64_t unsent = share->unsent > 0 ? (uint64_t)share->unsent : 0;
    return demand->left > unsent ? demand->left - unsent : 0;
}

static void note(struct share *share, const struct demand *demand, uint64_t new_slots, usec_t now)
{
    share->heard = true;
    share->heard_at = now;
    share->left = left_besides(demand, share);
    share->full_at = now + demand->reset_after;
    share->alone = false;
    if (share->limit.span == LIMIT_HELD) {
        share->own += new_slots;
        share->own_then = share->own;
    } else {
        share->spent = 0;
    }
}

void local_shares_note(struct local_shares *shares, const struct reservation *reservation)
{
    usec_t now = shares->clock.now();
    unsigned alive = atomic_load_explicit(&shares->alive, memory_order_relaxed);
    bool taken = reservation->state == RESERVATION_HELD && !reservation->extension_refused;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        uint64_t hash = demand_hash(demand);
        struct stripe *stripe = share_lock(shares, hash);
        struct share *share = share_get(stripe, hash, demand, reservation->tenant, now);
        share->gateways = alive > 0 ? alive : shares->configured;
        note(share, demand, taken ? demand->last_taken : 0, now);
        share_unlock(stripe);
    }
}

/* ---- handing over ---- */

static void put_debt(const struct share *share, struct local_debt *out)
{
    random_name(out->hand_over.id, sizeof(out->hand_over.id) / 2);
    memcpy(out->key, share->text, share->key_len);
    assert(share->tenant_len < sizeof(out->tenant));
    memcpy(out->tenant, share->text + share->key_len, share->tenant_len);
    out->tenant[share->tenant_len] = '\0';
    out->limit = share->limit;
    out->hand_over.limit = &out->limit;
    bool shared = limit_over_tenants(&share->limit);
    out->hand_over.tenant = shared ? NULL : out->tenant; /* so that it lies beside the key */
    out->hand_over.key = slice_make(out->key, share->key_len);
    out->hand_over.amount = share->unsent;
    out->hand_over.window_start_ms = share->window_start_ms;
    out->hand_over.window_end_ms = share->window_end_ms;
}

bool local_shares_have_debts(const struct local_shares *shares)
{
    return atomic_load_explicit(&shares->debts, memory_order_relaxed) > 0;
}

unsigned local_shares_take(struct local_shares *shares, struct local_debt *out, unsigned max)
{
    unsigned count = 0;
    if (atomic_load_explicit(&shares->debts, memory_order_relaxed) == 0) {
        return 0;
    }
    for (unsigned i = 0; i < SHARE_STRIPES && count < max; i++) {
        struct stripe *stripe = &shares->stripes[i];
        (void)pthread_mutex_lock(&stripe->lock);
        while (stripe->debts != NULL && count < max) {
            struct share *share = stripe->debts;
            stripe->debts = share->debts;
            share->in_debts = false;
            (void)atomic_fetch_sub_explicit(&shares->debts, 1, memory_order_relaxed);
            if (share->unsent != 0) {
                put_debt(share, &out[count++]);
                share->unsent = 0;
            }
        }
        share_unlock(stripe);
    }
    return count;
}

bool local_shares_view(struct local_shares *shares, struct slice key, struct local_view *ret)
{
    usec_t now = shares->clock.now();
    uint64_t hash = table_hash(key);
    struct stripe *stripe = share_lock(shares, hash);
    const struct share *share = share_find(stripe, hash, key);
    if (share != NULL) {
        struct share copy = *share; /* looking at it must not begin its being alone */
        ret->left = share->left;
        ret->bound = 0;
        if (atomic_load(&shares->away)) {
            share_advance(shares, &copy, NULL, now);
            ret->bound = share_room(shares, &copy);
        }
    }
    share_unlock(stripe);
    return share != NULL;
}
