/*
 * verify_keys: what webhooks' signatures are checked with where it has to be fetched: certificates,
 * sets of JSON Web Keys; by URL. A worker's own.
 *
 * Kept as long as the answer says (Cache-Control: max-age), but from 5 minutes to a day; bounded,
 * and at most a few are fetched at a time. What could not be had is not asked for again at once.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>

struct loop;
struct snapshot;
struct upstream_side;
struct verify_key;
struct verify_keys;
struct waiter;

enum {
    VERIFY_KEYS_MAX = 64,
    VERIFY_KEYS_FETCHES_MAX = 8,
    VERIFY_KEY_BYTES_MAX = 256 * 1024,
};

#define VERIFY_KEY_KEEP_LEAST (300 * SEC)
#define VERIFY_KEY_KEEP_MOST  (24 * 3600 * SEC)
#define VERIFY_KEY_RENEW      (60 * SEC) /* between two fetches of one URL, at least */

struct verify_keys *verify_keys_new(struct loop *loop, struct upstream_side *upstreams);
void verify_keys_free(struct verify_keys *keys); /* nobody waits any more; takes NULL */

enum verify_key_answer {
    VERIFY_KEY_HERE,    /* *ret_text, until the next call */
    VERIFY_KEY_PENDING, /* the waiter is woken when it is worth asking again */
    VERIFY_KEY_NONE,    /* not to be had now */
    VERIFY_KEY_ABSENT,  /* who should have it says that there is none */
    VERIFY_KEY_UNASKED, /* it would have to be fetched, which the question does not allow */
};

struct verify_key_question {
    struct slice url;
    struct slice name;         /* what the document is of, where one URL has many; else empty */
    struct slice body;         /* JSON that asks for it; empty: GET */
    bool newer;                /* the one that is here lacks something */
    bool may_fetch;            /* else what is here already */
    struct snapshot *snapshot; /* borrowed; for its egress */
};

/* Who waits for one; zero-initialized waits for none. */
struct verify_key_wait {
    struct verify_key *key; /* NULL: none */
    struct verify_key_wait *next, *prev;
    struct waiter *waiter; /* borrowed */
};

/* VERIFY_KEY_PENDING: `wait` is enlisted, until it is woken or verify_key_leave(). */
enum verify_key_answer verify_keys_ask(struct verify_keys *keys,
                                       const struct verify_key_question *question,
                                       struct verify_key_wait *wait, struct waiter *waiter,
                                       struct slice *ret_text);
void verify_key_leave(struct verify_key_wait *wait);
