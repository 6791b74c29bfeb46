/*
 * server_settle_again: a process that was killed may have acknowledged events whose settlement
 * (ADR 0013) was not on disk yet. What the last events of the queue say is said to the ledger once
 * more; what it knows already changes nothing. The oldest come first, and each waits until there is
 * room for it beside what is new. Main thread.
 */
#pragma once

struct server;
struct settle_again;

/* Before anything is served: begins with what there is room for. */
void server_settle_again(struct server *server);
/* Once a second: goes on. */
void server_settle_again_tick(struct server *server);
/* What is left is in the queue. Takes NULL. */
void server_settle_again_free(struct settle_again *again);
