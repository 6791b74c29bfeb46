#include "gateway/worker.h"

#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/client/listener.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/health_checks.h"
#include "gateway/ledger/ledger.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/metrics.h"
#include "gateway/quotas.h"
#include "gateway/upstream/attempt.h"
#include "gateway/webhook/ingress.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include <openssl/ssl.h>

#define TURN_WINDOW (15 * SEC)

struct worker {
    unsigned index;
    pthread_t thread;
    bool started;
    struct loop loop;
    struct client_side *clients;
    struct client_side *hook_clients; /* of listeners for webhooks alone */
    struct exchange_side exchanges;
    struct ingress_side *ingress; /* owned */
    struct mailbox *mailbox;      /* owned; letters to this worker */
    struct mailbox *main;         /* borrowed */
    struct metrics_block *metrics;
    struct health_checks *health; /* owned; NULL: another worker's, or over */
    struct quotas *quotas;        /* borrowed */
    SSL_CTX *tls;                 /* ref */
    void (*drained)(void *server);
    bool draining;
    bool reported;
    bool stopping;            /* as soon as the queue of webhooks has answered all */
    uint64_t accepted_before; /* as counted at the end of the last turn */
    uint64_t refused_before;
    struct timer window;  /* ends while nothing happens, too */
    usec_t window_before; /* longest turn of the window before */
};

/* ---- letters to the worker ---- */

struct adopt_letter {
    struct letter letter;
    struct snapshot *snapshot; /* ref */
    SSL_CTX *tls;              /* ref */
    struct queue *queue;       /* borrowed */
};

static void replace_tls(struct worker *worker, SSL_CTX *take_tls)
{
    SSL_CTX_free(worker->tls);
    worker->tls = take_tls;
    if (take_tls != NULL) {
        client_side_set_tls(worker->clients, take_tls);
        client_side_set_tls(worker->hook_clients, take_tls);
    }
}

static void on_adopt(struct letter *letter, void *receiver)
{
    struct adopt_letter *adopt = (struct adopt_letter *)letter;
    struct worker *worker = receiver;
    quotas_set_tenants(&worker->exchanges.quota, adopt->snapshot);
    exchange_side_adopt(&worker->exchanges, adopt->snapshot);
    ingress_side_set_queue(worker->ingress, adopt->queue);
    if (worker->health != NULL) {
        health_checks_adopt(worker->health, adopt->snapshot);
    }
    replace_tls(worker, adopt->tls);
    snapshot_unref(adopt->snapshot);
    memory_free(adopt);
}

static void on_drain(struct letter *letter, void *receiver)
{
    struct worker *worker = receiver;
    worker->draining = true;
    health_checks_stop(TAKE(worker->health));
    client_side_drain(worker->clients);
    client_side_drain(worker->hook_clients);
    memory_free(letter);
}

static void on_stop(struct letter *letter, void *receiver)
{
    struct worker *worker = receiver;
    worker->stopping = true;
    ingress_side_close(worker->ingress);
    memory_free(letter);
}

static void post(struct worker *worker, void (*run)(struct letter *letter, void *receiver))
{
    struct letter *letter = MEMORY_NEW(struct letter);
    letter->run = run;
    mailbox_post(worker->mailbox, letter);
}

void worker_adopt(struct worker *worker, const struct worker_news *news)
{
    struct adopt_letter *adopt = MEMORY_NEW(struct adopt_letter);
    adopt->letter.run = on_adopt;
    adopt->snapshot = snapshot_ref(news->snapshot);
    adopt->queue = news->queue;
    if (news->tls != NULL) {
        (void)SSL_CTX_up_ref(news->tls);
        adopt->tls = news->tls;
    }
    mailbox_post(worker->mailbox, &adopt->letter);
}

void worker_drain(struct worker *worker)
{
    post(worker, on_drain);
}

/* ---- the letter to main ---- */

struct drained_letter {
    struct letter letter;
    void (*drained)(void *server);
};

static void on_drained(struct letter *letter, void *receiver)
{
    struct drained_letter *drained = (struct drained_letter *)letter;
    drained->drained(receiver);
    memory_free(drained);
}

static void report_drained(struct worker *worker)
{
    struct drained_letter *drained = MEMORY_NEW(struct drained_letter);
    drained->letter.run = on_drained;
    drained->drained = worker->drained;
    mailbox_post(worker->main, &drained->letter);
    worker->reported = true;
}

/* ---- the turn ---- */

static void on_window(struct timer *timer)
{
    struct worker *worker = (struct worker *)((char *)timer - offsetof(struct worker, window));
    worker->window_before = worker->loop.longest_turn;
    worker->loop.longest_turn = 0;
    loop_timer(&worker->loop, &worker->window, TURN_WINDOW);
}

static void publish_longest_turn(struct worker *worker)
{
    const struct loop *loop = &worker->loop;
    usec_t longest =
        loop->longest_turn > worker->window_before ? loop->longest_turn : worker->window_before;
    metrics_set(worker->metrics, METRIC_loop_longest_turn_seconds, longest);
}

/* Adds what `total` has grown by since `*before`. */
static void publish_growth(struct metrics_block *metrics, enum metric metric, uint64_t total,
                           uint64_t *before)
{
    if (total != *before) {
        metrics_add(metrics, metric, (int64_t)(total - *before));
        *before = total;
    }
}

static unsigned count_clients(const struct worker *worker)
{
    return client_side_count(worker->clients) + client_side_count(worker->hook_clients);
}

static void publish_counts(struct worker *worker)
{
    struct metrics_block *metrics = worker->metrics;
    struct upstream_counts counts = upstream_side_counts(worker->exchanges.upstreams);

    metrics_set(metrics, METRIC_connections_open, count_clients(worker));
    metrics_set(metrics, METRIC_exchanges,
                worker->exchanges.count + ingress_side_count(worker->ingress));
    metrics_set(metrics, METRIC_upstream_connections, counts.open);
    metrics_set(metrics, METRIC_upstream_idle_connections, counts.idle);
    publish_growth(metrics, METRIC_connections_total,
                   client_side_accepted(worker->clients) +
                       client_side_accepted(worker->hook_clients),
                   &worker->accepted_before);
    publish_growth(metrics, METRIC_connections_refused_total,
                   client_side_refused(worker->clients) + client_side_refused(worker->hook_clients),
                   &worker->refused_before);
}

static void after_turn(void *ctx)
{
    struct worker *worker = ctx;
    const struct store_side *store = &worker->exchanges.quota.store;
    store->ops->turn_end(store->side);
    exchange_side_after_turn(&worker->exchanges);
    publish_counts(worker);
    publish_longest_turn(worker);
    if (worker->draining && !worker->reported && count_clients(worker) == 0) {
        report_drained(worker);
    }
    if (worker->stopping && !ingress_side_busy(worker->ingress)) {
        loop_stop(&worker->loop);
    }
}

/* ---- life ---- */

static enum status open_loop(struct worker *worker, struct error *err)
{
    TRY(loop_init(&worker->loop, err));
    enum status status = mailbox_new(&worker->loop, worker, &worker->mailbox, err);
    if (status != STATUS_OK) {
        loop_fini(&worker->loop);
    }
    return status;
}

static struct client_side *new_clients(struct worker *worker,
                                       const struct worker_settings *settings,
                                       const struct connection_ops *ops,
                                       enum worker_purpose purpose)
{
    return client_side_new(&(struct client_side_settings){
        .loop = &worker->loop,
        .ops = ops,
        .ctx = worker->ingress,
        .open_connections = settings->open_connections,
        .max_connections = settings->snapshot->gateway.limits.connections,
        .asks_nothing = purpose != WORKER_ALL,
    });
}

enum status worker_new(const struct worker_settings *settings, struct worker **ret,
                       struct error *err)
{
    struct worker *worker = MEMORY_NEW(struct worker);
    enum status status = open_loop(worker, err);
    if (status != STATUS_OK) {
        memory_free(worker);
        return status;
    }
    worker->index = settings->index;
    worker->main = settings->main;
    worker->drained = settings->drained;
    worker->metrics = metrics_block(settings->metrics, settings->index);
    exchange_side_init(&worker->exchanges,
                       &(struct exchange_side_settings){
                           .loop = &worker->loop,
                           .metrics = worker->metrics,
                           .otlp = settings->otlp,
                           .minted = settings->tokens,
                           .scribe = settings->scribe,
                           .ledger = settings->ledger,
                           .ring = settings->ledger == NULL
                                       ? NULL
                                       : ledger_ring_of(settings->ledger, settings->index),
                           .buffered_bytes = settings->buffered_bytes,
                       },
                       settings->snapshot);
    worker->quotas = settings->quotas;
    quotas_attach(worker->quotas, &worker->loop, worker->mailbox, &worker->exchanges.quota);
    quotas_set_tenants(&worker->exchanges.quota, settings->snapshot);
    worker->ingress = ingress_side_new(&(struct ingress_settings){
        .exchanges = &worker->exchanges,
        .queue = settings->queue,
        .mailbox = worker->mailbox,
        .rates = settings->source_rates,
    });
    worker->clients = new_clients(worker, settings, &ingress_connection_ops, WORKER_ALL);
    worker->hook_clients =
        new_clients(worker, settings, &ingress_only_connection_ops, WORKER_WEBHOOKS);
    if (settings->tls != NULL) {
        (void)SSL_CTX_up_ref(settings->tls);
        worker->tls = settings->tls;
    }
    if (worker->index == 0) { /* one asks for all */
        worker->health = health_checks_start(&worker->loop, worker->metrics, settings->snapshot);
    }
    timer_init(&worker->window, on_window);
    loop_timer(&worker->loop, &worker->window, TURN_WINDOW);
    worker->loop.after_turn = after_turn;
    worker->loop.after_turn_ctx = worker;
    *ret = worker;
    return STATUS_OK;
}

enum status worker_listen(struct worker *worker, int take_fd, enum worker_transport transport,
                          enum worker_purpose purpose, struct error *err)
{
    SSL_CTX *tls = transport == WORKER_TLS ? worker->tls : NULL;
    struct client_side *clients = purpose == WORKER_ALL ? worker->clients : worker->hook_clients;
    return client_side_listen(clients, take_fd, tls, err);
}

static void *thread_main(void *ctx)
{
    struct worker *worker = ctx;
    char name[16];
    sigset_t all;
    (void)sigfillset(&all); /* signals are the main thread's */
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    (void)snprintf(name, sizeof(name), "worker %u", worker->index % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    loop_run(&worker->loop);
    return NULL;
}

enum status worker_start(struct worker *worker, struct error *err)
{
    int failed = pthread_create(&worker->thread, NULL, thread_main, worker);
    if (failed != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "worker %u: cannot start a thread: %s", worker->index,
             strerrordesc_np(failed));
    }
    worker->started = true;
    return STATUS_OK;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (worker->started) {
        post(worker, on_stop);
        (void)pthread_join(worker->thread, NULL);
    }
    health_checks_stop(worker->health);
    ingress_side_free(worker->ingress);
    exchange_side_fini(&worker->exchanges);
    quotas_detach(worker->quotas, &worker->exchanges.quota);
    client_side_free(worker->clients);
    client_side_free(worker->hook_clients);
    mailbox_free(worker->mailbox);
    SSL_CTX_free(worker->tls);
    timer_cancel(&worker->loop.timers, &worker->window);
    loop_fini(&worker->loop);
    memory_free(worker);
}
