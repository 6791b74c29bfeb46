/*
 * queue_store: the queue's database as its one writer sees it: batches, each a transaction, and
 * what is read between them. Not for several threads at once; may wait for the disk. The time is
 * passed in. Internal to the queue.
 */
#pragma once

#include "gateway/webhook/queue.h"
#include "gateway/webhook/queue_schema.h"
#include "gateway/webhook/queue_targets.h"
#include "gateway/webhook/queue_under_way.h"

struct queue_limits {
    usec_t keep, max_age;
    uint64_t max_events, max_bytes;
};

/* As the database has them. An event is over when all that is kept of it was delivered. */
struct queue_totals {
    int64_t next_event; /* numbers are not used twice */
    uint64_t events, bytes;
    uint64_t over_events, over_bytes; /* of those */
    bool changed;
};

struct queue_store {
    char *path;  /* owned */
    int lock_fd; /* open as long as the file is this process's */
    sqlite3 *db;
    sqlite3_stmt *statements[QUEUE_STATEMENTS];
    struct queue_targets targets;
    struct queue_under_way under_way;
    struct queue_totals totals;
    bool stale;    /* what is in memory is not what is in the database: it is to be read again */
    int wal_pages; /* after the last commit */
    bool news;     /* something waits, or is due earlier, since who asks has reset this */
    unsigned char swept_key[QUEUE_SEEN_KEY_BYTES]; /* how far those seen were looked through */
    int swept_kind;
};

/* STATUS_INVALID: it is no queue of this version. STATUS_UNAVAILABLE: another process has it. The
 * error names the file. */
MUST_USE enum status queue_store_open(const char *path, struct queue_store **ret,
                                      struct error *err);
void queue_store_close(struct queue_store *store); /* takes NULL */

/* ---- a batch: what fails, but for one put, leaves all as it was before, once called off ---- */

MUST_USE enum status queue_store_begin(struct queue_store *store, struct error *err);
MUST_USE enum status queue_store_commit(struct queue_store *store, struct error *err);
void queue_store_call_off(struct queue_store *store);

/* Says in the put what became of it; not a failure: QUEUE_FULL, and QUEUE_FAILED if only this one
 * cannot be stored. */
MUST_USE enum status queue_store_put(struct queue_store *store, const struct queue_limits *limits,
                                     struct queue_put *put, usec_t now, struct error *err);
/* Whether its delivery is under way any longer is for the caller to say. */
MUST_USE enum status queue_store_settle(struct queue_store *store,
                                        const struct queue_settlement *settlement, usec_t now,
                                        struct error *err);

/* A change that goes on: a step looks at some deliveries, so that it holds up nobody. */
struct queue_change_run {
    const struct queue_change *change;
    int64_t after, last; /* numbers of deliveries: where it is, where it ends */
    usec_t began;
    uint64_t count;
    bool begun, done;
};
MUST_USE enum status queue_store_change(struct queue_store *store, struct queue_change_run *run,
                                        usec_t now, struct error *err);

/* One small step; *ret_more: there may be more to do. */
MUST_USE enum status queue_store_expire(struct queue_store *store,
                                        const struct queue_limits *limits, usec_t now,
                                        bool *ret_more, struct error *err);

/* ---- between batches ---- */

/* What it gives out is under way. */
MUST_USE enum status queue_store_take(struct queue_store *store, struct queue_take *take,
                                      usec_t now, struct error *err);
/* Since when the oldest that is open waits; 0: none is. */
MUST_USE enum status queue_store_oldest(struct queue_store *store, usec_t *ret, struct error *err);

/* ---- for the files of the store ---- */

/* The statement, reset, to bind to. */
sqlite3_stmt *queue_statement(struct queue_store *store, enum queue_statement which);
void queue_bind_text(sqlite3_stmt *statement, int index, struct slice text);
/* Lives until the statement's next step. */
struct slice queue_column(sqlite3_stmt *statement, int index);
/* A statement that yields nothing. */
MUST_USE enum status queue_run(struct queue_store *store, enum queue_statement which,
                               struct error *err);
/* *ret_row: there is one, or one more. After the last that is wanted: queue_end(). */
MUST_USE enum status queue_step(struct queue_store *store, enum queue_statement which,
                                bool *ret_row, struct error *err);
void queue_end(struct queue_store *store, enum queue_statement which);

/* The deliveries of an event have numbers that follow it. */
static inline int64_t queue_event_of(int64_t delivery)
{
    return delivery / QUEUE_TARGETS_MAX;
}

/* One delivery, as far as its moves need it. */
struct queue_row {
    int64_t number;
    struct queue_target *target;
    int state;
    usec_t due;
    bool ordered;
    int64_t line;
};
/* Of a statement's row that begins with number, target, state, due, line. */
MUST_USE enum status queue_row_of(struct queue_store *store, sqlite3_stmt *statement,
                                  struct queue_row *ret, struct error *err);
/* *ret_there: there is one of that number. */
MUST_USE enum status queue_row_read(struct queue_store *store, int64_t number,
                                    struct queue_row *ret, bool *ret_there, struct error *err);
/* Deletes it; the next in its line may go, and an event of which nothing is left is deleted, too.
 */
MUST_USE enum status queue_row_delete(struct queue_store *store, const struct queue_row *row,
                                      usec_t now, struct error *err);
/* It ended, and said why. */
MUST_USE enum status queue_row_kill(struct queue_store *store, const struct queue_row *row,
                                    const char *why, usec_t now, struct error *err);
/* One that is under way: nothing comes of it, and until then the next in its line waits. */
MUST_USE enum status queue_row_drop_under_way(struct queue_store *store,
                                              const struct queue_row *row, struct error *err);
/* One that waits: due then, as if it was never tried. */
MUST_USE enum status queue_row_hurry(struct queue_store *store, const struct queue_row *row,
                                     usec_t due, struct error *err);
/* One that has ended: as if it was new, at the end of its line, due then. */
MUST_USE enum status queue_row_replay(struct queue_store *store, const struct queue_row *row,
                                      usec_t due, struct error *err);
/* *ret_place: at the end of the line; *ret_first: nobody is there. */
MUST_USE enum status queue_line_end(struct queue_store *store, int64_t target, int64_t line,
                                    int64_t *ret_place, bool *ret_first, struct error *err);
/* The first of the line is held back no longer. */
MUST_USE enum status queue_line_release(struct queue_store *store, struct queue_target *target,
                                        int64_t line, struct error *err);
/* Of an event of which a delivery has ended or gone: is it over now, or is nothing left? */
MUST_USE enum status queue_event_look(struct queue_store *store, int64_t event, usec_t now,
                                      struct error *err);
MUST_USE enum status queue_event_delete(struct queue_store *store, int64_t event,
                                        struct error *err);
/* The event that was over first; *ret_any: there is one. over_at: not after. */
MUST_USE enum status queue_event_delete_oldest(struct queue_store *store, usec_t over_at,
                                               bool *ret_any, struct error *err);
/* Something of the target waits, from then on. */
void queue_store_tell(struct queue_store *store, struct queue_target *target, usec_t due);
