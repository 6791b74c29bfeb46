/*
 * server_ledger: the ledger of the running gateway: started before the workers, kept in step with
 * the config, counted, and asked for the admin API. Main thread.
 */
#pragma once

#include "base/status.h"
#include "gateway/admin/admin_server.h"

struct buffer;
struct server;

/* Nothing where the config has none. Quotas in memory go on from what it knows. */
MUST_USE enum status server_ledger_start(struct server *server, struct error *err);
/* After a reload. */
void server_ledger_adopt(struct server *server);
/* Into the metrics, before they are shown. */
void server_ledger_count(const struct server *server);

/* The row of one request as JSON. STATUS_NOT_FOUND: it is not there (yet, or any more), or there is
 * no ledger. */
MUST_USE enum status server_ledger_request(const struct server *server, const char *id,
                                           struct buffer *out, struct error *err);
/* Likewise of the one that made an object. */
MUST_USE enum status server_ledger_maker(const struct server *server, const char *object,
                                         struct buffer *out, struct error *err);
/* {"since":"...","usage":[...]}, or "objects". STATUS_INVALID: the error says what can be asked. */
MUST_USE enum status server_ledger_usage(const struct server *server,
                                         const struct usage_question *question, struct buffer *out,
                                         struct error *err);
