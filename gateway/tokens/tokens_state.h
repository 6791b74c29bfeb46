/*
 * tokens_state: what gateway/tokens is made of; for its files alone.
 */
#pragma once

#include "auth/outbound/token_plan.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/tokens/tokens.h"
#include "routes/egress.h"

#include <pthread.h>

struct token_fetch;
struct kept_tokens;
struct upstream_side;

enum {
    TOKENS_BUCKETS = 512, /* a power of two */
    TOKENS_NETWORKS = 2,
    TOKENS_FAILURE_MAX = 320,
};

/* All of it under tokens->lock. */
struct token_entry {
    struct token_entry *next; /* of its bucket */
    unsigned char plan_id[TOKEN_PLAN_ID_BYTES];
    unsigned char subject_id[SHA256_BYTES]; /* zeros: nobody is acted for */
    bool of_subject;
    const struct token_grant *grant;
    struct credential *secret; /* ref; what it is had for */
    struct credential *token;  /* ref; NULL: there is none */
    usec_t made, refresh_at, expires;
    uint64_t made_count;
    usec_t used;       /* last asked for */
    usec_t refused_at; /* last dropped for a 401; 0: never */
    bool fetching;
    bool gone;         /* out of the table: freed when it is fetched */
    int64_t skew;      /* seconds that the endpoint's clock is ahead by, as far as it said */
    unsigned failures; /* in a row */
    usec_t retry_at;
    char failure[TOKENS_FAILURE_MAX]; /* of the last one */
    struct token_wait *waits;
};

struct token_wait {
    struct letter letter;      /* first: see on_wait_letter() */
    struct tokens *tokens;     /* borrowed */
    struct token_entry *entry; /* under the lock; NULL: the letter is posted */
    struct token_wait *next, *prev;
    struct token_asker asker;
    struct token_wait **owner; /* by the asker's thread: who is told that it is gone; NULL: left */
};

struct tokens {
    struct metrics_block *metrics; /* borrowed; the thread's */
    pthread_t thread;
    bool started;
    struct loop loop;
    struct mailbox *mailbox; /* owned; letters to the thread; NULL: it was not started */

    pthread_mutex_t lock; /* of the entries */
    struct token_entry *buckets[TOKENS_BUCKETS];
    unsigned count;

    /* The thread's own. */
    struct upstream_side *upstreams;
    struct egress_policy egress; /* what the config names as an endpoint may be anywhere */
    struct egress_network networks[TOKENS_NETWORKS];
    struct token_fetch *queued, *queued_last; /* owned; that have no room yet */
    struct token_fetch *running;              /* owned */
    unsigned running_count;
    struct kept_tokens *kept; /* owned */
    bool pumping;             /* fetches are being started */
    bool stopping;
};

/* ---- token_table.c: under the lock ---- */

/* NULL: there is none of this value. */
struct token_entry *token_table_find(struct tokens *tokens, const struct token_ask *ask);
/* A new one; those of older values of the secret go, and if there is no room, the one that was not
 * used for longest. NULL: all are in use. */
struct token_entry *token_table_add(struct tokens *tokens, const struct token_ask *ask);
void token_entry_free(struct token_entry *entry);

/* ---- token_fetch.c ---- */

/* Under the lock, by any thread: has the entry's token fetched. */
void token_fetch_post(struct tokens *tokens, struct token_entry *entry,
                      const struct token_ask *ask);
/* By the thread: all that run or wait end, and nothing comes of them. */
void token_fetches_cancel(struct tokens *tokens);

/* ---- tokens.c ---- */

/* What a fetch came to. */
struct token_result {
    struct credential *take_token; /* NULL: it failed: */
    const char *failure;
    usec_t began, life;
    int64_t skew; /* seconds that the endpoint's clock is ahead by */
};
/* By the thread, without the lock: the entry has it, whoever waits is told. */
void tokens_settle(struct tokens *tokens, struct token_entry *entry,
                   const struct token_result *result);
