/*
 * standing_state: how standings lie in memory; for standing.c, standing_news.c, standing_show.c,
 * credential_pool.c and key_limits.c alone.
 *
 * Each entry has a lock of its own, which is held for some dozens of instructions: nothing is
 * allocated and nobody is called under it. The lock of the news may be taken inside.
 */
#pragma once

#include "base/status.h"
#include "base/table.h"
#include "gateway/upstream/standing.h"
#include "routes/retry_budget.h"

#include <pthread.h>
#include <stdatomic.h>

struct advice;

enum {
    BREAKER_STATES = BREAKER_HALF_OPEN + 1,
    STANDING_NEWS_MAX = 64,
    KEY_DOMAINS = 16, /* of a credential; the first is the empty one */
    KEY_DOMAIN_SHOWN = 40,
};

/* ---- what has changed ---- */

enum standing_event {
    STANDING_SAME, /* nothing has */
    STANDING_OPENED_BY_FAILURES,
    STANDING_OPENED_BY_CONNECTS,
    STANDING_OPENED_BY_CHECKS,
    STANDING_OPENED_BY_SLOWNESS,
    STANDING_OPENED_BY_PROBE,
    STANDING_PROBES,    /* half open, for its time is over */
    STANDING_HINTED,    /* half open, for a health check was answered */
    STANDING_CLOSED,    /* the probes were answered */
    STANDING_ILL,       /* health checks failed */
    STANDING_WELL_AGAIN /* one was answered */
};

struct standing_change {
    enum standing_event event;
    const char *route;  /* both of standings: they stay */
    const char *secret; /* NULL: the route's own */
    struct breaker_slice counts;
    unsigned in_a_row;
    usec_t open_for;
};

/* ---- entries ---- */

enum health { HEALTH_UNKNOWN, HEALTH_WELL, HEALTH_ILL };

struct route_standing {
    pthread_mutex_t lock; /* of what follows, up to in_flight */
    struct breaker breaker;
    struct retry_budget budget;
    uint64_t transitions[BREAKER_STATES]; /* to each of them */
    enum health health;
    unsigned ill_in_a_row;
    _Atomic unsigned in_flight;
    _Atomic usec_t clock_ahead;   /* of ours */
    _Atomic usec_t clock_told_at; /* 0: never */
    struct standings *standings;  /* borrowed: outlives it */
    const char *name;             /* owned */
    usec_t made_at;
    struct route_standing *next;
};

struct tenant_standing {
    _Atomic unsigned in_flight;
    _Atomic uint64_t denied; /* requests, by its deny rules */
    char *name;              /* owned */
    struct tenant_standing *next;
};

/* What is known of a credential in one quota domain. */
struct key_domain {
    uint64_t
        hash; /* table_hash() of the domain's name, never 0; 0: a free place, or the empty domain */
    char shown[KEY_DOMAIN_SHOWN]; /* the beginning of the name */
    usec_t used_at;
    usec_t cools_until; /* 0: does not */
    bool has_limit;
    uint64_t limit, remaining;
    usec_t limit_until; /* then it says nothing any more */
    usec_t reset_at;    /* 0: not known */
    usec_t next_at;     /* of the next paced request */
};

struct key_standing {
    pthread_mutex_t lock;   /* of what follows, up to domains */
    struct breaker breaker; /* used where there is more than one credential */
    usec_t benched_until;
    struct key_domain domains[KEY_DOMAINS];
    struct standings *standings; /* borrowed: outlives it */
    const char *name;            /* owned; the secret's */
    usec_t made_at;
    struct key_standing *next;
};

struct standings {
    struct table routes, tenants, keys; /* by name; main thread */
    struct route_standing *first_route;
    struct tenant_standing *first_tenant;
    struct key_standing *first_key;

    pthread_mutex_t news_lock; /* of what follows */
    struct standing_change news[STANDING_NEWS_MAX];
    unsigned news_first, news_count, news_lost;

    void (*wake)(void *ctx); /* set before workers run */
    void *wake_ctx;
};

/* ---- circuits ---- */

/* What is asked of a circuit, under its entry's lock; *ret is what changed by it. */
bool circuit_admit(struct breaker *breaker, const struct breaker_policy *policy, usec_t now,
                   struct breaker_permit *ret_permit, usec_t *ret_after,
                   struct standing_change *ret);
struct circuit_report {
    enum breaker_outcome outcome;
    usec_t took, now;
    uint64_t random;
};
void circuit_report(struct breaker *breaker, const struct breaker_policy *policy,
                    struct breaker_permit *permit, const struct circuit_report *report,
                    struct standing_change *ret);

/* Keeps it, under the entry's lock, so that the order is right. True: call standings_wake() behind
 * the lock. */
MUST_USE bool standings_keep(struct standings *standings, const struct standing_change *change);
void standings_wake(const struct standings *standings);

/* ---- limits of a credential (key_limits.c), under its lock ---- */

/* A domain's hash: 0 for the empty one. */
uint64_t key_domain_hash(struct slice domain);
/* NULL: nothing is known. */
struct key_domain *key_domain_find(struct key_standing *key, uint64_t hash);
/* Made, if need be, in place of the one that was used least recently. */
struct key_domain *key_domain_have(struct key_standing *key, struct slice domain, uint64_t hash,
                                   usec_t now);
/* Until when it cools for such a request; 0 or past: it does not. */
usec_t key_cools_until(struct key_standing *key, uint64_t hash);
/* What is left of its limit, in thousandths; 1000 where nothing is known. */
unsigned key_share_left(struct key_standing *key, uint64_t hash, usec_t now);
void key_note_limit(struct key_domain *domain, const struct advice *advice, usec_t now);
/* Hands out the next place of a domain that has little left; 0: at once. */
usec_t key_take_pace(struct key_standing *key, uint64_t hash, usec_t now);
