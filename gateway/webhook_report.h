/*
 * webhook_report: what is in the queue of webhooks, as the JSON that the admin API answers with.
 * Pure. What providers say of an event, its id and its type, may be anything: it stays text.
 */
#pragma once

#include "gateway/webhook/queue_reader.h"

struct buffer;

/* As a JSON string without NUL, which our own reader refuses. */
MUST_USE enum status webhook_report_text(struct slice text, struct buffer *out);
/* A delivery, as an object. */
MUST_USE enum status webhook_report_entry(const struct queue_entry *entry, struct buffer *out);
/* An event's own members, without braces. */
MUST_USE enum status webhook_report_event(const struct queue_entry *entry, struct buffer *out);
/* "headers" and "body", or "body_base64" if the body is no text, without braces. `fields` is
 * "Name: value\r\n"... */
MUST_USE enum status webhook_report_content(struct slice fields, struct slice body,
                                            struct buffer *out);

/* Of the deliveries to one target. */
struct webhook_sum {
    const char *hook, *target;
    bool configured; /* false: the config in force has no such target; the rest is what is left */
    uint64_t count[QUEUE_STATES];
    usec_t oldest;       /* since 1970; of what is open; 0: nothing is */
    const char *breaker; /* NULL: not known */
    unsigned in_flight;
};
MUST_USE enum status webhook_report_sum(const struct webhook_sum *sum, usec_t now,
                                        struct buffer *out);
/* The queue as a whole, as an object. */
MUST_USE enum status webhook_report_queue(const struct queue_stats *stats, usec_t now,
                                          struct buffer *out);
