/*
 * worker: one thread with its own loop, listening sockets, connections, upstreams and metrics
 * block.
 *
 * Made and freed by the main thread; while it runs, told what to do by letters only.
 */
#pragma once

#include "base/status.h"

#include <stdatomic.h>

struct ledger;
struct mailbox;
struct metrics;
struct otlp;
struct queue;
struct quotas;
struct scribe;
struct snapshot;
struct source_rates;
struct ssl_ctx_st;
struct tokens;
struct worker;

struct worker_settings {
    unsigned index;
    struct snapshot *snapshot;         /* a reference is taken */
    struct metrics *metrics;           /* borrowed */
    struct scribe *scribe;             /* borrowed; NULL: no access log */
    struct otlp *otlp;                 /* borrowed; outlives the worker */
    struct tokens *tokens;             /* borrowed; outlives the worker */
    struct quotas *quotas;             /* borrowed; outlives the worker */
    struct ledger *ledger;             /* likewise; NULL: none */
    struct queue *queue;               /* likewise; of webhooks; NULL: none */
    struct source_rates *source_rates; /* likewise */
    struct ssl_ctx_st *tls;            /* a reference is taken; NULL: none */
    atomic_size_t *buffered_bytes;     /* borrowed; the process's */
    atomic_uint *open_connections;     /* likewise */
    struct mailbox *main;              /* borrowed: letters to the main thread */
    void (*drained)(void *server);     /* run on the main thread when a drain is over */
};

MUST_USE enum status worker_new(const struct worker_settings *settings, struct worker **ret,
                                struct error *err);
/* Before worker_start(): takes a listening socket. WORKER_TLS: with the settings given to
 * worker_new(), if there are any. WORKER_WEBHOOKS: all but webhooks is 404 there. */
enum worker_transport { WORKER_PLAIN, WORKER_TLS };
enum worker_purpose { WORKER_ALL, WORKER_WEBHOOKS };
MUST_USE enum status worker_listen(struct worker *worker, int take_fd,
                                   enum worker_transport transport, enum worker_purpose purpose,
                                   struct error *err);
MUST_USE enum status worker_start(struct worker *worker, struct error *err);

/* What a reload brings. */
struct worker_news {
    struct snapshot *snapshot; /* a reference is taken */
    struct ssl_ctx_st *tls;    /* likewise; NULL: none */
    struct queue *queue;       /* borrowed; NULL: none */
};

/* From the main thread, at any time after start. */
void worker_adopt(struct worker *worker, const struct worker_news *news);
void worker_drain(struct worker *worker);

/* Stops, joins and frees; what is in flight is cut. Also for one that was never started. */
void worker_free(struct worker *worker);
