/*
 * queue_reader: what is in the queue, for people: lists and single events. Reads the database
 * beside the queue's thread, never waits for it and never writes. One thread.
 */
#pragma once

#include "gateway/webhook/queue.h"

struct queue_reader;

/* Of a file that a queue has opened before. */
MUST_USE enum status queue_reader_open(const char *path, struct queue_reader **ret,
                                       struct error *err);
void queue_reader_close(struct queue_reader *reader); /* takes NULL */

/* One delivery. The slices live during the call that tells it. */
struct queue_entry {
    int64_t number; /* counts up with time of receipt */
    struct slice id, hook, target, event_id, type;
    enum queue_state state;
    bool suspect;
    unsigned attempts;
    usec_t received_at, due; /* since 1970; due: of those that wait */
    usec_t ended_at;         /* delivered or dead; else 0 */
    unsigned status;         /* of the last answer; 0: none */
    struct slice error;      /* of the last attempt; may be empty */
    uint64_t bytes;          /* of the body */
};

/* Newest first, those before `before` (0: from the newest), at most `most`. */
MUST_USE enum status queue_reader_list(struct queue_reader *reader,
                                       const struct queue_filter *filter, int64_t before,
                                       unsigned most, void *ctx,
                                       void (*each)(void *ctx, const struct queue_entry *entry),
                                       struct error *err);

/* Counts by hook, target and state; those of 0 are left out. oldest: since when the oldest waits,
 * or waited until it was dead; 0: of what is delivered. */
MUST_USE enum status queue_reader_sums(struct queue_reader *reader, void *ctx,
                                       void (*each)(void *ctx, struct slice hook,
                                                    struct slice target, enum queue_state state,
                                                    uint64_t count, usec_t oldest),
                                       struct error *err);

/* One event by its webhook-id, with headers and body, then each of its deliveries.
 * STATUS_NOT_FOUND: there is none. */
MUST_USE enum status queue_reader_show(struct queue_reader *reader, struct slice id, void *ctx,
                                       void (*event)(void *ctx, const struct queue_entry *entry,
                                                     struct slice fields, struct slice body),
                                       void (*delivery)(void *ctx, const struct queue_entry *entry),
                                       struct error *err);
