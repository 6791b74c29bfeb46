/*
 * server_state: what server.c and reload.c share. Main thread only, but for the two counts.
 */
#pragma once

#include "base/timer.h"
#include "gateway/loop/loop.h"

#include <stdatomic.h>
#include <stdbool.h>

struct admin_server;
struct config_watch;
struct delivery;
struct event;
struct ledger;
struct metrics;
struct metrics_block;
struct mailbox;
struct otlp;
struct queue;
struct quotas;
struct settle_again;
struct scribe;
struct secret;
struct remote_secrets;
struct secret_store;
struct snapshot;
struct source_rates;
struct ssl_ctx_st;
struct standings;
struct tokens;
struct worker;

enum { SERVER_SIGNALS = 3 };

struct server {
    struct loop loop;
    const char *config_path;
    struct config_watch *watch; /* owned */
    struct snapshot *snapshot;  /* ref; the one in force */
    usec_t config_taken;        /* since 1970: when it was */
    struct error reload_err;    /* why the last reload was refused; "": it was not */
    struct secret_store *secrets;
    struct remote_secrets *remote_secrets; /* owned; stores that are asked over the network */
    struct metrics *metrics;
    struct metrics_block *metrics_block; /* of the main thread */
    struct quotas *quotas;
    struct settle_again *settle_again;   /* owned; NULL: it is done */
    struct ledger *ledger;               /* owned; NULL: none */
    struct standings *standings;         /* owned; each snapshot is joined before it is published */
    struct secret *admin_token;          /* owned; of admin.token_file, else NULL */
    struct queue *queue;                 /* owned; of webhooks; NULL: there was no hook yet */
    unsigned webhook_changes;            /* that the queue is asked for by admins */
    _Atomic(struct delivery *) delivery; /* owned; delivers what is in the queue; NULL: as that */
    void (*webhooks_drained)(void *server); /* that waits for it; set before it is asked for */
    struct source_rates *source_rates;      /* owned */
    struct tokens *tokens;                  /* owned; had for secrets */
    struct otlp *otlp;                      /* owned; sends traces and metrics to a collector */
    struct scribe *scribe;                  /* NULL: no access log */
    struct admin_server *admin;
    struct mailbox *mailbox; /* letters to the main thread */
    struct ssl_ctx_st *tls;  /* ref; NULL: none */
    struct worker **workers;
    unsigned worker_count;
    unsigned draining_count; /* who is not drained yet */
    bool draining;
    struct event *signals[SERVER_SIGNALS];
    struct timer tick;
    struct timer drain_timer;
    atomic_size_t buffered_bytes;
    atomic_uint open_connections;
};
