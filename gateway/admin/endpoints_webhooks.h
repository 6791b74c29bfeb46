/*
 * endpoints_webhooks: the queue of webhooks: its deliveries, one webhook, sums; and what is
 * replayed or dropped by hand. Internal to admin/.
 */
#pragma once

#include <stdbool.h>

struct admin_answer;
struct admin_ops;
struct admin_request;

#define ENDPOINT_WEBHOOKS_PATH "/api/v1/webhooks/"

void endpoint_show_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer);
void endpoint_show_webhook_sums(const struct admin_request *request, const struct admin_ops *ops,
                                void *ctx, struct admin_answer *answer);
void endpoint_show_webhook(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer);
/* ?body=true: what needs more than the right to read. */
bool endpoint_webhook_body_wanted(const struct admin_request *request);
void endpoint_replay_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                              void *ctx, struct admin_answer *answer);
void endpoint_drop_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer);
