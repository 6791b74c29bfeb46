/*
 * queue: verified webhooks, on disk from the moment they are acknowledged until they are delivered
 * to each target, and some days longer; and which were seen already.
 *
 * SQLite with synchronous=FULL, on a thread of its own. What is asked of it comes by queue_*()
 * calls from any thread; all that has come meanwhile goes into one transaction (group commit), and
 * each is answered when that is on disk: by a letter to the mailbox that it names. One process has
 * the file, by a lock.
 *
 * A delivery is waiting, then delivered or dead. That it is under way is known in memory only: what
 * was under way when the process died is waiting again. One whose object has an earlier one open is
 * held back until that is over.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"
#include "gateway/loop/mailbox.h"

#include <stdbool.h>
#include <stdint.h>

struct queue;

enum {
    QUEUE_ID_BYTES = 37, /* "msg_", 32 of hex, NUL */
    QUEUE_KEY_BYTES = 32,
    QUEUE_TARGETS_MAX = 16,
    QUEUE_ERROR_BYTES = 200,
};

#define QUEUE_SEEN (72 * 3600 * SEC) /* so long a repeat is known */

struct queue_settings {
    const char *path; /* of the SQLite file */
    usec_t keep;      /* delivered events, for replays */
    usec_t max_age;   /* what waits longer is dead */
    uint64_t max_events;
    uint64_t max_bytes; /* of bodies and headers that are kept */
    /* There may be something due, or due earlier than was said: at most once until queue_take() is
     * called. By the queue's thread. */
    void (*due)(void *due_ctx);
    void *due_ctx;
};

/* Fails if the file cannot be opened, is another program's, a newer version's, or in use. */
MUST_USE enum status queue_start(const struct queue_settings *settings, struct queue **ret,
                                 struct error *err);
/* What was asked is done and answered first. Nothing may be asked meanwhile. Takes NULL. */
void queue_stop(struct queue *queue);
/* Of its file; lives as long. Any thread. */
const char *queue_path(const struct queue *queue);
/* From now on: keep, max_age, max_events, max_bytes. Any thread. */
void queue_set_limits(struct queue *queue, const struct queue_settings *settings);

/* ---- in ---- */

struct queue_put_target {
    struct slice name;
    bool ordered;
    uint64_t order; /* hash of the object, if ordered */
};

enum queue_put_result {
    QUEUE_STORED,
    QUEUE_SUSPECT,   /* stored; the same content came under another id before */
    QUEUE_DUPLICATE, /* seen within QUEUE_SEEN: nothing was stored */
    QUEUE_FULL,      /* max_events or max_bytes are open or dead; nothing was stored */
    QUEUE_FAILED,    /* the disk: nothing was stored */
};

/* A new webhook-id. They grow with time: so the index of them grows at its end, and a million cost
 * no more than a thousand. */
void queue_make_id(usec_t received_at, char out[QUEUE_ID_BYTES]);

/* One event. The slices are borrowed until it is answered: they lie behind it as a rule. */
struct queue_put {
    struct letter letter;    /* `run` set by who asks: gets the answer */
    struct mailbox *reply;   /* borrowed */
    char id[QUEUE_ID_BYTES]; /* the webhook-id; unique */
    struct slice hook;
    struct slice event_id;                  /* the provider's; may be empty */
    struct slice type;                      /* may be empty */
    usec_t received_at;                     /* since 1970 */
    unsigned char key[QUEUE_KEY_BYTES];     /* by which a repeat is known: a hash, with the hook */
    unsigned char content[QUEUE_KEY_BYTES]; /* by which a signed body is known: likewise */
    bool content_known;                     /* false: `content` says no more than `key` */
    bool content_counts;                    /* the same content under another key is a duplicate */
    struct slice fields;                    /* the headers that are kept: "Name: value\r\n"... */
    struct slice body;
    struct queue_put_target targets[QUEUE_TARGETS_MAX];
    unsigned target_count; /* 0: it is kept as seen only */

    enum queue_put_result result;
    char stored_id[QUEUE_ID_BYTES]; /* QUEUE_DUPLICATE: of the one before; "" if it is gone */
    char error[QUEUE_ERROR_BYTES];  /* QUEUE_FAILED, QUEUE_FULL: for the log */
};
void queue_put(struct queue *queue, struct queue_put *put);

/* ---- out ---- */

/* One that is under way; owned by who took it, until queue_settle(). */
struct queue_delivery {
    struct queue_delivery *next; /* for who has it */
    int64_t number;              /* of the delivery */
    char id[QUEUE_ID_BYTES];
    unsigned attempts; /* that were made before */
    usec_t received_at;
    struct slice event_id, type, fields, body; /* owned, behind it */
};

/* Asks for what is due of one target. */
struct queue_take {
    struct letter letter;
    struct mailbox *reply;
    const char *hook, *target; /* borrowed until it is answered */
    unsigned most;             /* deliveries, at least 1 */
    size_t most_bytes;         /* of them, but one is given always */

    struct queue_delivery *first; /* in the order in which they are due; NULL: none is */
    unsigned count;
    usec_t next_due; /* since 1970; 0: nothing else waits; in the past: there is more */
};
void queue_take(struct queue *queue, struct queue_take *take);

enum queue_outcome {
    QUEUE_DELIVERED,
    QUEUE_AGAIN, /* due at `due` */
    QUEUE_DEAD,
    QUEUE_GIVEN_BACK, /* no attempt was made: due at `due`; in the past: as before */
};

/* What became of a delivery. It is freed; the queue owns the settlement. */
struct queue_settlement {
    struct queue_settlement *next; /* the queue's */
    struct queue_delivery *take_delivery;
    enum queue_outcome outcome;
    usec_t due;                    /* since 1970 */
    unsigned status;               /* of the receiver's answer; 0: there was none */
    char error[QUEUE_ERROR_BYTES]; /* "": none */
    usec_t took;
};
/* `take_settlement` is from the heap. Not answered. One that cannot be written for now is tried
 * again with the next transaction; until then its delivery counts as under way. */
void queue_settle(struct queue *queue, struct queue_settlement *take_settlement);

/* ---- by hand ---- */

enum queue_change_kind {
    QUEUE_REPLAY, /* due from now on, as if they were new, under their old ids */
    QUEUE_DROP,   /* forgotten; what is under way ends */
};

enum queue_state {
    QUEUE_STATE_WAITING,
    QUEUE_STATE_HELD_BACK,
    QUEUE_STATE_DELIVERED,
    QUEUE_STATE_DEAD,
    QUEUE_STATES
};
/* "waiting", "held_back", "delivered", "dead". */
const char *queue_state_name(enum queue_state state);
bool queue_state_find(struct slice name, enum queue_state *ret);

/* Which deliveries: all that fit. Empty slices and zeros fit all. */
struct queue_filter {
    struct slice id; /* the webhook-id, or the provider's event id */
    struct slice hook, target, type;
    unsigned states;     /* bits: 1 << QUEUE_STATE_...; 0: any */
    usec_t since, until; /* received_at >= since, < until */
};

/* The slices are borrowed until it is answered. */
struct queue_change {
    struct letter letter;
    struct mailbox *reply;
    enum queue_change_kind kind;
    struct queue_filter filter;
    unsigned per_second; /* of QUEUE_REPLAY; 0: at once */

    uint64_t count;                /* deliveries that were changed */
    char error[QUEUE_ERROR_BYTES]; /* "": it is done, and on disk */
};
void queue_change(struct queue *queue, struct queue_change *change);

/* Any thread; what was known when the last transaction ended. */
struct queue_stats {
    uint64_t waiting, held_back, delivered, dead; /* deliveries that are kept */
    uint64_t events, bytes;                       /* that are kept */
    usec_t oldest; /* since 1970: when the oldest that is open came, or was replayed; 0: none is */
    uint64_t commits, failures;
    bool writable; /* the last transaction was written */
};
void queue_get_stats(struct queue *queue, struct queue_stats *ret);
