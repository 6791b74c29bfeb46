/*
 * server_settle_again: a process that was killed may have acknowledged events whose settlement
 * (ADR 0013) was not on disk yet. What the last events of the queue say is said to the ledger once
 * more; what it knows already changes nothing. Main thread, before anything is served.
 */
#pragma once

struct server;

void server_settle_again(struct server *server);
