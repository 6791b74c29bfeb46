/*
 * server_webhooks: the queue of webhooks, and who delivers what is in it, in the life of the
 * process. Main thread.
 *
 * Started before the workers, which put events in; stopped behind them, delivery first: then
 * nobody asks the queue for anything any more.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

struct server;
struct snapshot;

/* Nothing is started where the config has no hook. */
MUST_USE enum status server_webhooks_start(struct server *server, struct error *err);
/* Before a reload is taken: the first hook needs a queue. */
MUST_USE enum status server_webhooks_prepare(struct server *server, struct snapshot *snapshot,
                                             struct error *err);
/* After a reload. */
void server_webhooks_adopt(struct server *server);
/* No delivery is begun any more. `drained` is called on the main thread when none is under way;
 * false: there is nobody who delivers. */
bool server_webhooks_drain(struct server *server, void (*drained)(void *server));
void server_webhooks_stop(struct server *server);
