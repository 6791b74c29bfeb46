/*
 * issuer_keys: the key sets of the issuers whose tokens tenants may send, fetched from where the
 * config says. A worker's own.
 *
 * A set is fetched when it is first asked for, and again behind its time (Cache-Control: max-age,
 * from 5 minutes to an hour) while the old one still serves, for up to an hour where its endpoint
 * is away. A key that is not in it makes one more fetch, once a minute at most, by whom all wait
 * that ask meanwhile.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct issuer_keys;
struct issuer_set;
struct key_set;
struct key_site;
struct loop;
struct snapshot;
struct upstream_side;
struct waiter;

#define ISSUER_KEYS_KEEP_LEAST (300 * SEC)
#define ISSUER_KEYS_KEEP_MOST  (3600 * SEC)
#define ISSUER_KEYS_STALE      (3600 * SEC) /* longer, where no other is to be had */
#define ISSUER_KEYS_RENEW      (60 * SEC)   /* between two fetches for keys that are not in it */
#define ISSUER_KEYS_RETRY      (5 * SEC)    /* between two fetches where there is none */

struct issuer_keys *issuer_keys_new(struct loop *loop, struct upstream_side *upstreams);
void issuer_keys_free(struct issuer_keys *keys); /* nobody waits any more; takes NULL */

enum issuer_keys_answer {
    ISSUER_KEYS_HERE,    /* *ret_set and *ret_version */
    ISSUER_KEYS_PENDING, /* the waiter is woken when it is worth asking again */
    ISSUER_KEYS_NONE,    /* it cannot be told now */
};

/* Who waits; zero-initialized waits for none. */
struct issuer_wait {
    struct issuer_set *set; /* NULL: none */
    struct issuer_wait *next, *prev;
    struct waiter *waiter; /* borrowed */
};

struct issuer_question {
    struct snapshot *snapshot;   /* borrowed */
    const struct key_site *site; /* in it */
    bool newer; /* the set that was given lacks a key: HERE now means that it is really not in it */
};

/* *ret_set lives until the next call. *ret_version differs for sets that differ, and is never 0;
 * PENDING: `wait` is enlisted, until it is woken or issuer_wait_leave(). */
enum issuer_keys_answer issuer_keys_ask(struct issuer_keys *keys,
                                        const struct issuer_question *question,
                                        struct issuer_wait *wait, struct waiter *waiter,
                                        const struct key_set **ret_set, uint64_t *ret_version);
void issuer_wait_leave(struct issuer_wait *wait);
