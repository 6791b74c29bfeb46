/*
 * queue_rig: a queue in a folder of the test's own, a loop that its answers come to, and calls that
 * wait for them.
 */
#pragma once

#include "base/digest.h"
#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/webhook/queue.h"
#include "tests/support/scratch_folder.h"

#include <sqlite3.h>
#include <stdatomic.h>

static struct scratch_folder folder;
static const char *path;
static struct queue *queue;
static struct loop loop;
static struct mailbox *mailbox;
static struct error err;
static atomic_uint due_calls;
static struct queue_settings settings;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static inline void on_due(void *ctx)
{
    (void)ctx;
    (void)atomic_fetch_add(&due_calls, 1);
}

static inline void rig_start(void)
{
    OK(queue_start(&settings, &queue, &err));
}

static inline void rig_restart(void)
{
    queue_stop(TAKE(queue));
    rig_start();
}

static inline void rig_setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "webhooks.db");
    settings = (struct queue_settings){.path = path,
                                       .keep = 7 * 86400 * SEC,
                                       .max_age = 7 * 86400 * SEC,
                                       .max_events = 1000000,
                                       .max_bytes = UINT64_C(1) << 32,
                                       .due = on_due};
    OK(loop_init(&loop, &err));
    OK(mailbox_new(&loop, NULL, &mailbox, &err));
    rig_start();
}

static inline void rig_teardown(void)
{
    queue_stop(queue);
    mailbox_free(mailbox);
    loop_fini(&loop);
    scratch_remove(&folder);
}

/* ---- one call, and its answer ---- */

static unsigned answers;

static inline void on_answer(struct letter *letter, void *receiver)
{
    (void)letter;
    (void)receiver;
    answers++;
}

/* For so many answers since `answers` was 0. */
static inline void await_answers(unsigned count)
{
    while (answers < count) {
        loop_turn(&loop, LOOP_WAIT);
    }
    answers = 0;
}

static inline void hash_of(const char *text, unsigned char out[QUEUE_KEY_BYTES])
{
    digest_sha256(slice_from(text), out);
}

/* An event whose key is `event`, and its content, too; to the target "billing" of "stripe". */
static inline struct queue_put an_event(const char *event)
{
    struct queue_put put = {.letter = {.run = on_answer},
                            .reply = mailbox,
                            .hook = SLICE("stripe"),
                            .event_id = slice_from(event),
                            .type = SLICE("invoice.paid"),
                            .received_at = clock_wall(),
                            .fields = SLICE("Stripe-Signature: t=1\r\n"),
                            .body = SLICE("{\"object\": \"event\"}"),
                            .targets = {{.name = SLICE("billing")}},
                            .target_count = 1,
                            .result = QUEUE_FAILED};
    queue_make_id(put.received_at, put.id);
    hash_of(event, put.key);
    return put;
}

static inline enum queue_put_result put_it(struct queue_put *put)
{
    queue_put(queue, put);
    await_answers(1);
    return put->result;
}

static inline enum queue_put_result put_event(const char *event)
{
    struct queue_put put = an_event(event);
    return put_it(&put);
}

/* One event of an object, in order. */
static inline void put_ordered(const char *event, uint64_t object)
{
    struct queue_put put = an_event(event);
    put.targets[0].ordered = true;
    put.targets[0].order = object;
    cr_assert_eq(put_it(&put), QUEUE_STORED, "%s", put.error);
}

static inline struct queue_take take_of(const char *target, unsigned most)
{
    struct queue_take take = {.letter = {.run = on_answer},
                              .reply = mailbox,
                              .hook = "stripe",
                              .target = target,
                              .most = most,
                              .most_bytes = 1 << 20};
    queue_take(queue, &take);
    await_answers(1);
    return take;
}

/* The one that is due, or NULL. */
static inline struct queue_delivery *take_one(void)
{
    struct queue_take take = take_of("billing", 1);
    cr_assert_leq(take.count, 1U);
    return take.first;
}

static inline void settle(struct queue_delivery *delivery, enum queue_outcome outcome, usec_t due)
{
    struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
    settlement->take_delivery = delivery;
    settlement->outcome = outcome;
    settlement->due = due;
    settlement->status = outcome == QUEUE_DELIVERED ? 200 : 500;
    settlement->took = 1000;
    if (outcome == QUEUE_AGAIN || outcome == QUEUE_DEAD) {
        (void)snprintf(settlement->error, sizeof(settlement->error), "it said 500");
    }
    queue_settle(queue, settlement);
}

/* The event that it is of; "-": there is none. */
static inline const char *name_of(struct queue_delivery *delivery)
{
    if (delivery == NULL) {
        return "-";
    }
    return arena_print(&folder.arena, "%.*s", SLICE_ARG(delivery->event_id));
}

static inline struct queue_change change_of(enum queue_change_kind kind, struct queue_filter filter,
                                            unsigned per_second)
{
    struct queue_change change = {.letter = {.run = on_answer},
                                  .reply = mailbox,
                                  .kind = kind,
                                  .filter = filter,
                                  .per_second = per_second};
    queue_change(queue, &change);
    await_answers(1);
    return change;
}

/* All that was asked before is done, for a transaction behind it is. */
static inline void settle_down(void)
{
    (void)change_of(QUEUE_DROP, (struct queue_filter){.id = SLICE("nothing")}, 0);
}

static inline struct queue_stats stats_now(void)
{
    struct queue_stats stats;
    settle_down();
    queue_get_stats(queue, &stats);
    return stats;
}

/* A number that the database has, by another connection. */
static inline int64_t ask(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    int code = sqlite3_step(statement);
    int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    cr_expect(code == SQLITE_ROW || code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}
