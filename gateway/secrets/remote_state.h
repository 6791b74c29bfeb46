/*
 * remote_state: what gateway/secrets is made of; for its files alone.
 */
#pragma once

#include "auth/secrets/secret_remote.h"
#include "auth/secrets/store_plan.h"
#include "base/buffer.h"
#include "base/table.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/secrets/remote_secrets.h"

#include <pthread.h>
#include <stdatomic.h>

struct credential;
struct fetch;
struct fetch_result;
struct remote_flight;
struct remote_store;
struct secret_slot;
struct upstream_side;

/* One name at one source. */
struct remote_entry {
    struct letter letter; /* first: see on_ask() */
    struct remote_source *source;
    struct remote_entry *sibling; /* of source->entries */
    char *name;                   /* owned */

    /* Under remote->lock. */
    bool posted; /* the letter is on its way */
    bool idle;   /* it is not kept up to date */
    usec_t asked;
    uint64_t generation; /* 0: nothing is known */
    enum secret_known known;
    struct secret *secret; /* owned; the last value */
    char version[SECRET_VERSION_TEXT];
    usec_t at; /* when the value was last confirmed */
    struct error err;

    /* The thread's. */
    struct remote_entry *next, *prev; /* of those that wait for room */
    bool waits;
    struct timer timer; /* when it is read again */
    struct remote_flight *flight;
    unsigned failures; /* in a row */
    bool again;        /* it was read again with a new session */
};

/* A session's token, and how long it is good. */
struct remote_session {
    struct secret *token; /* owned; NULL: there is none */
    usec_t expires;       /* 0: it does not end */
    uint64_t made_for;    /* the version of the credential it was had with */
};

struct remote_source {
    struct remote_source *next; /* of remote->sources */
    struct remote_secrets *remote;
    char *id; /* owned */

    /* Under remote->lock. */
    bool gone;                      /* no config in force has it */
    bool kept;                      /* the config that is being adopted has it */
    struct table names;             /* of entries; keys are theirs */
    struct remote_entry *entries;   /* owned; all there are; none goes before the source */
    struct secret_slot *credential; /* ref; NULL: it has none. Replaced by the main thread */
    usec_t max_stale;

    /* The thread's. */
    struct snapshot *snapshot;        /* ref; holds: */
    const struct remote_store *store; /* NULL: not adopted yet */
    struct remote_entry *waiting, *waiting_last;
    unsigned flight_count;
    struct remote_flight *flights; /* owned */
    struct remote_flight *login;   /* NULL: none; or a renewal */
    struct remote_session session;
    unsigned session_number;
    struct timer renewal;
    struct timer pause;  /* behind retry_at */
    usec_t retry_at;     /* the store is away: until then it is left alone */
    char failure[320];   /* of the last time that it was */
    unsigned failures;   /* in a row, of the store */
    usec_t logged_in_at; /* because a read was refused; 0: never */
};

struct remote_secrets {
    struct metrics_block *metrics; /* borrowed; the thread's; may be NULL */
    struct remote_news news;
    atomic_bool told;
    pthread_t thread;
    bool started;
    struct loop loop;
    struct mailbox *mailbox; /* owned; letters to the thread */
    struct upstream_side *upstreams;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t generation; /* of all that is known */
    struct remote_source *sources;
    bool stopping; /* the thread's */
};

/* ---- remote_secrets.c ---- */

/* By the thread: what a source said of a name. */
struct remote_result {
    enum secret_known known;
    struct secret *take_secret; /* with SECRET_KNOWN */
    const char *version;
    const char *failure; /* with SECRET_FAILS */
};
void remote_entry_settle(struct remote_entry *entry, const struct remote_result *result);

/* ---- remote_source.c: by the thread ---- */

void remote_source_init(struct remote_source *source); /* by the main thread */
void remote_source_adopt(struct remote_source *source, struct snapshot *take_snapshot,
                         const struct remote_store *store);
/* The name is to be read now, or as soon as there is room. */
void remote_source_want(struct remote_entry *entry);
/* All of its flights end, and nothing comes of them. */
void remote_source_cancel(struct remote_source *source);
/* What a call came to. `answer` NULL: there was none, and `failure` says why. */
void remote_source_logged_in(struct remote_flight *flight, const struct store_answer *answer,
                             const char *failure);
void remote_source_was_read(struct remote_flight *flight, const struct store_answer *answer,
                            const char *failure);

/* ---- remote_flight.c: by the thread ---- */

enum remote_purpose { REMOTE_LOGIN, REMOTE_RENEWAL, REMOTE_READ };

/* One call to a store. */
struct remote_flight {
    struct reapable reapable;          /* first: see reap() */
    struct remote_flight *next, *prev; /* of its source */
    struct remote_source *source;
    struct remote_entry *entry; /* of a read; NULL: it is gone */
    enum remote_purpose purpose;
    struct snapshot *snapshot; /* ref; holds: */
    const struct remote_store *store;
    unsigned session_number;       /* of the source, when it started */
    struct credential *credential; /* ref; of the source; NULL: it has none */
    struct fetch *fetch;           /* NULL: none runs */
    struct buffer head, body;      /* wiped */
};

/* STATUS_OK: it is under way, and remote_source_logged_in() or _was_read() is called once, never
 * within this call. Else it cannot be sent, and the error says why. */
enum status remote_flight_start(struct remote_source *source, enum remote_purpose purpose,
                                struct remote_entry *entry, struct error *err);
void remote_flight_cancel(struct remote_flight *flight);
/* What calls and answers of this flight are made of. */
struct store_input remote_flight_input(const struct remote_flight *flight);
