/*
 * webhook_question: which deliveries of webhooks an operator means, from the texts that the admin
 * API was asked with. Pure.
 */
#pragma once

#include "gateway/admin/admin_server.h"
#include "gateway/webhook/queue.h"

enum {
    WEBHOOK_LIST_USUAL = 50,
    WEBHOOK_LIST_MAX = 1000,
    WEBHOOK_RATE_MAX = 100000,      /* replays a second */
    WEBHOOK_FILTER_TEXT_MAX = 1024, /* more is cut */
};

/* Times are so long before `now` ("24h"), seconds since 1970, or as the API writes them. The slices
 * are the question's. */
MUST_USE enum status webhook_question_filter(const struct webhook_question *question, usec_t now,
                                             struct queue_filter *ret, struct error *err);
/* Of a list. */
MUST_USE enum status webhook_question_page(const struct webhook_question *question,
                                           unsigned *ret_limit, int64_t *ret_before,
                                           struct error *err);
/* The same as webhook_question_filter(), but one that says nothing is refused unless all of them
 * are meant; and how many a second, 0: at once. */
MUST_USE enum status webhook_question_change(const struct webhook_question *question, usec_t now,
                                             struct queue_filter *ret, unsigned *ret_per_second,
                                             struct error *err);

/* "hook stripe, state dead", or "all", for logs: nothing in it but visible ASCII and blanks. */
void webhook_filter_write(const struct queue_filter *filter, char out[WEBHOOK_FILTER_TEXT_MAX]);
