/*
 * tokens: what is had for secrets and sent in their place: one cache for the process, asked by all
 * workers. An entry is of a rule, a secret's name and the value that is in force.
 *
 * Whoever asks finds a token (a short lock), or waits for the one call that fetches it, however
 * many ask. From 80 % of its life on a token is had anew while it is still given out. A failing
 * endpoint is left alone for a while that doubles; meanwhile who asks hears why. The calls are made
 * by a thread of its own, with a loop: it alone writes what it keeps of rotating refresh tokens to
 * a file, so nobody waits for that.
 */
#pragma once

#include "base/clock.h"
#include "base/digest.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct credential;
struct mailbox;
struct metrics_block;
struct snapshot;
struct token_rule;
struct token_wait;
struct tokens;
struct waiter;

enum {
    TOKENS_MAX = 1024,       /* entries; of those that nobody waits for the oldest goes */
    TOKENS_FETCHES_MAX = 32, /* at once */
    TOKENS_REFRESH_AT = 80,  /* percent of a token's life */
};

#define TOKENS_TIME         (8 * SEC) /* of a call, at most */
#define TOKENS_BACK_OFF     SEC /* after the first failure; doubles, and is cut by up to half */
#define TOKENS_BACK_OFF_MAX (60 * SEC)
#define TOKENS_REFUSED      (60 * SEC)      /* between two tokens that are dropped for a 401 */
#define TOKENS_SIGNED       (20 * 60 * SEC) /* the same of those that are signed here */
#define TOKENS_MARGIN       (10 * SEC) /* before its end a token is not given out; or 5 % of its life */

/* `metrics`: the thread's own. */
struct tokens *tokens_new(struct metrics_block *metrics);
/* Main thread, before workers have the snapshot: starts the thread if it is the first one that has
 * a rule. */
MUST_USE enum status tokens_adopt(struct tokens *tokens, struct snapshot *snapshot,
                                  struct error *err);
/* Nobody asks or waits any more. Takes NULL. */
void tokens_free(struct tokens *tokens);

enum tokens_answer {
    TOKEN_HERE,    /* *ret is a reference */
    TOKEN_PENDING, /* *wait is set; the waiter is woken when it is worth asking again */
    TOKEN_NONE,    /* not to be had now; the error says why, for caller and log */
};

struct token_ask {
    const struct token_rule *rule; /* of the snapshot */
    struct snapshot *snapshot;     /* borrowed */
    struct credential *secret;     /* borrowed */
    struct slice subject;          /* borrowed; of whom is acted for, where the rule wants one; or
                                      the origin that it is for (config/token.h) */
    unsigned char subject_id[SHA256_BYTES]; /* of it; zeros: there is none */
    usec_t now;
};

/* Who waits, and how it is told: by a letter to its thread. */
struct token_asker {
    struct mailbox *mailbox; /* borrowed */
    struct waiter *waiter;   /* likewise; of that thread */
};

/* Any worker. `*wait` is NULL, or of the last ask by the same asker that was woken. */
enum tokens_answer tokens_ask(struct tokens *tokens, const struct token_ask *ask,
                              const struct token_asker *asker, struct token_wait **wait,
                              struct credential **ret, struct error *err);
/* Before the waiter goes; *owner is NULL then, as it is once the waiter was woken. */
void token_wait_leave(struct token_wait **owner);

/* The provider refused the token (401). True: it was the one in force, and is dropped, so that
 * asking again has another one; not more often than TOKENS_REFUSED says. One that is signed here is
 * as good as the next, and Apple refuses who makes a new one within 20 minutes. */
bool tokens_refused(struct tokens *tokens, const struct token_ask *ask,
                    const struct credential *token);

/* Lines for readyz: secrets that no token is to be had for, and why. False: the buffer is full. */
bool tokens_show_readiness(struct tokens *tokens, usec_t now, struct buffer *out);
/* Prometheus text: credential_token_age_seconds{credential,grant}. False: the buffer is full. */
bool tokens_show_metrics(struct tokens *tokens, usec_t now, struct buffer *out);
