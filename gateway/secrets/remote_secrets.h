/*
 * remote_secrets: what stores that are asked over the network say of secrets, kept up to date by a
 * thread of its own, with a loop. The main thread looks up what is known; nothing here makes it
 * wait, but remote_secrets_wait().
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>

struct metrics_block;
struct remote_secrets;
struct secret_news;
struct secret_store;
struct snapshot;

enum {
    REMOTE_FLIGHTS_MAX = 8, /* at once, of a source */
    REMOTE_JITTER = 20,     /* percent, either way, of the time between two reads */
};

#define REMOTE_BACK_OFF    SEC         /* after the first failure; doubles up to the refresh */
#define REMOTE_LOGIN_REST  (10 * SEC)  /* between two logins because a read was refused */
#define REMOTE_FORGET      (600 * SEC) /* a name that nobody asks for is not kept up to date */
#define REMOTE_START_WAIT  (10 * SEC)
#define REMOTE_RELOAD_WAIT (2 * SEC)

struct remote_news {
    void (*tell)(void *ctx); /* something new is known; on the thread; NULL: nobody listens */
    void *ctx;
};

/* `metrics`: the thread's own, or NULL. */
struct remote_secrets *remote_secrets_new(struct metrics_block *metrics, struct remote_news news);
/* Starts the thread if the snapshot is the first one that has a remote source. Main thread, as all
 * below. */
MUST_USE enum status remote_secrets_prepare(struct remote_secrets *remote,
                                            const struct snapshot *snapshot, struct error *err);
/* The snapshot's sources are asked from now on, and no others; what is known of those that are set
 * alike stays. The store's sources are set to the same ones. */
void remote_secrets_adopt(struct remote_secrets *remote, struct snapshot *snapshot,
                          struct secret_store *store);
/* Refreshes the store until all of its secrets are known, one way or the other, or `most` is over.
 */
void remote_secrets_wait(struct remote_secrets *remote, struct secret_store *store, usec_t most,
                         void (*report)(void *ctx, const struct secret_news *news), void *ctx);
/* What was told so far has been looked at: further news are told again. */
void remote_secrets_heard(struct remote_secrets *remote);
/* Before the store. Takes NULL. */
void remote_secrets_free(struct remote_secrets *remote);

/* The snapshot's secrets, looked up once, for commands: `store` has its slots. Waits for up to
 * REMOTE_START_WAIT where there are remote sources. */
void remote_secrets_look_up(struct snapshot *snapshot, struct secret_store *store,
                            void (*report)(void *ctx, const struct secret_news *news), void *ctx);
