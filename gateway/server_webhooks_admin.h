/*
 * server_webhooks_admin: what the admin listener shows of the queue of webhooks, and what is
 * replayed and dropped over it. Main thread.
 */
#pragma once

#include "gateway/admin/admin_server.h"

struct server;

/* As struct admin_ops has them. */
enum status server_webhooks_list(const struct server *server,
                                 const struct webhook_question *question, struct buffer *out,
                                 struct error *err);
enum status server_webhooks_sums(const struct server *server, struct buffer *out,
                                 struct error *err);
enum status server_webhooks_show(const struct server *server, const char *id,
                                 enum webhook_parts parts, struct buffer *out, struct error *err);
/* Whoever is gone by then is in the audit log, too. The answer is {"count": N}, which are on disk,
 * or 503 where the queue cannot, or takes longer than CHANGE_PATIENCE: then it goes on, and the
 * audit log will tell of it. */
enum status server_webhooks_change(struct server *server, const struct webhook_question *question,
                                   enum webhook_change kind, struct admin_later *take_later,
                                   struct error *err);

/* Into the gauges, before they are shown. */
void server_webhooks_count(const struct server *server);
/* A line for /readyz, if the queue cannot be written. */
enum status server_webhooks_readiness(const struct server *server, struct buffer *out);
