/*
 * local_shares_state: a share, and the stripes that shares lie in; for local_shares.c (table, what
 * was heard, handing over) and local_verdict.c (deciding alone).
 */
#pragma once

#include "limiter/bucket.h"
#include "limiter/local_shares.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SHARE_STRIPES = 64, SHARE_CACHE_LINE = 64 };

struct share {
    struct share *next;  /* of its chain */
    struct share *debts; /* of those in its stripe that have something to hand over */
    uint64_t hash;
    struct limit limit; /* a copy, for span and amounts: its pointers are not used */
    bool heard;         /* of the store, ever */
    usec_t heard_at;
    uint64_t left; /* then */
    unsigned gateways;
    usec_t full_at;    /* when all is there again: end of the window, bucket full; on our clock */
    uint64_t own;      /* slots of this gateway that the store counts */
    uint64_t own_then; /* what that was when it was heard of last */

    /* Since then, alone: */
    bool alone;
    uint64_t spell;        /* counts such times, and windows begun in them */
    uint64_t window_spell; /* the first one of the window at hand */
    struct bucket bucket;  /* of a rate: this gateway's own, with its part of burst and rate */
    uint64_t spent;        /* of a budget; or slots held, which outlast being alone */
    int64_t window_start_ms, window_end_ms; /* that `unsent` is of */
    int64_t unsent;                         /* to be handed over; negative: too much was */
    bool in_debts;
    size_t key_len, tenant_len;
    char text[]; /* key, then tenant */
};

struct stripe {
    _Alignas(SHARE_CACHE_LINE) pthread_mutex_t lock;
    struct share **chains; /* owned */
    size_t size, count;
    struct share *debts;
};

struct local_shares {
    struct limiter_clock clock;
    unsigned configured; /* store.gateways */
    atomic_uint alive;   /* gateways, as last told; 0: never */
    atomic_bool away;
    atomic_uint debts;         /* how many shares have something to hand over */
    _Atomic int64_t offset_ms; /* the server's clock less ours */
    struct stripe stripes[SHARE_STRIPES];
};

/* The stripe of a hash, locked. */
struct stripe *share_lock(struct local_shares *shares, uint64_t hash);
void share_unlock(struct stripe *stripe);
/* With its stripe locked. */
struct share *share_find(const struct stripe *stripe, uint64_t hash, struct slice key);
struct share *share_get(struct stripe *stripe, uint64_t hash, const struct demand *demand,
                        const char *tenant, usec_t now);

/* Lets time pass for a share that is, or goes, alone (local_verdict.c). */
void share_advance(const struct local_shares *shares, struct share *share,
                   const struct limit *limit, usec_t now);
/* What it may still take alone; after share_advance(). */
uint64_t share_room(const struct local_shares *shares, const struct share *share);
/* How many gateways share it. */
unsigned share_sharers(const struct local_shares *shares, const struct share *share);
