#include "gateway/server.h"

#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/problems.h"
#include "config/snapshot.h"
#include "gateway/admin/admin_server.h"
#include "gateway/breaker_report.h"
#include "gateway/client/listener.h"
#include "gateway/config_watch.h"
#include "gateway/descriptors.h"
#include "gateway/ledger/ledger.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/scribe.h"
#include "gateway/quotas.h"
#include "gateway/quotas_corrections.h"
#include "gateway/quotas_refill.h"
#include "gateway/reload.h"
#include "gateway/server_admin.h"
#include "gateway/server_audit.h"
#include "gateway/server_ledger.h"
#include "gateway/server_otlp.h"
#include "gateway/server_secrets.h"
#include "gateway/server_settle_again.h"
#include "gateway/server_state.h"
#include "gateway/server_webhooks.h"
#include "gateway/tokens/tokens.h"
#include "gateway/upstream/attempt.h"
#include "gateway/upstream/standing.h"
#include "gateway/worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <event2/thread.h>
#include <openssl/ssl.h>

/* ---- drain and stop ---- */

static void on_drain_timeout(struct timer *timer)
{
    struct server *server = (struct server *)((char *)timer - offsetof(struct server, drain_timer));
    log_warn("drain: gateway.timeouts.drain is over, cutting what is left");
    loop_stop(&server->loop);
}

/* One of the workers, or who delivers webhooks. */
static void on_drained(void *ctx)
{
    struct server *server = ctx;
    if (--server->draining_count == 0) {
        loop_stop(&server->loop);
    }
}

static void begin_drain(struct server *server)
{
    if (server->draining) {
        log_info("second signal: stopping at once");
        loop_stop(&server->loop);
        return;
    }
    server->draining = true;
    log_info("draining: no new connections, waiting for requests in flight");
    server->draining_count = server->worker_count;
    if (server_webhooks_drain(server, on_drained)) {
        server->draining_count++;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_drain(server->workers[i]);
    }
    loop_timer(&server->loop, &server->drain_timer, server->snapshot->gateway.timeouts.drain);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)what;
    struct server *server = ctx;
    if (number == SIGHUP) {
        reload(server, "signal");
    } else {
        begin_drain(server);
    }
}

/* ---- once a second ---- */

static void on_tick(struct timer *timer)
{
    struct server *server = (struct server *)((char *)timer - offsetof(struct server, tick));
    server_secrets_refresh(server);
    breaker_report_news(server->standings);
    audit_log_tick();
    server_otlp_tick(server);
    quotas_corrections_tick(server->quotas, server->snapshot, server->ledger);
    quotas_refill_tick(server->quotas, server->snapshot);
    server_settle_again_tick(server);
    loop_timer(&server->loop, &server->tick, SEC);
}

/* ---- circuits ---- */

static void on_circuit_letter(struct letter *letter, void *receiver)
{
    const struct server *server = receiver;
    memory_free(letter);
    breaker_report_news(server->standings);
}

/* On any thread. */
static void on_circuit_news(void *ctx)
{
    const struct server *server = ctx;
    struct letter *letter = MEMORY_NEW(struct letter);
    letter->run = on_circuit_letter;
    mailbox_post(server->mailbox, letter);
}

/* ---- start ---- */

/* A refusal names the key that the address stands at. */
static enum status open_listener(const char *address, enum worker_purpose purpose, bool probe,
                                 int *ret_fd, struct error *err)
{
    enum status status = listen_socket_open(address, probe, ret_fd, err);
    if (status != STATUS_OK) {
        error_prefix(err, purpose == WORKER_ALL ? "gateway.listen" : "gateway.webhook_listen");
    }
    return status;
}

static enum status open_one_address(struct server *server, const char *address,
                                    enum worker_purpose purpose, struct error *err)
{
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    enum worker_transport transport = is_unix ? WORKER_PLAIN : WORKER_TLS;
    const char *what = purpose == WORKER_ALL ? "" : ", webhooks alone";
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (is_unix && i > 0) {
            return STATUS_OK; /* one worker accepts what comes over a unix socket */
        }
        int fd = -1;
        TRY(open_listener(address, purpose, i == 0, &fd, err));
        if (i == 0 && !is_unix) {
            log_info("listening on %s (port %u)%s%s", address, listen_socket_port(fd),
                     server->tls == NULL ? "" : ", TLS", what);
        } else if (i == 0) {
            log_info("listening on %s%s", address, what);
        }
        TRY(worker_listen(server->workers[i], fd, transport, purpose, err));
    }
    return STATUS_OK;
}

static enum status make_workers(struct server *server, struct error *err)
{
    const struct gateway_settings *gateway = &server->snapshot->gateway;
    server->workers = memory_alloc(gateway->workers * sizeof(*server->workers));
    for (unsigned i = 0; i < gateway->workers; i++) {
        struct worker_settings settings = {
            .index = i,
            .snapshot = server->snapshot,
            .metrics = server->metrics,
            .scribe = server->scribe,
            .otlp = server->otlp,
            .tokens = server->tokens,
            .quotas = server->quotas,
            .ledger = server->ledger,
            .queue = server->queue,
            .source_rates = server->source_rates,
            .tls = server->tls,
            .buffered_bytes = &server->buffered_bytes,
            .open_connections = &server->open_connections,
            .main = server->mailbox,
            .drained = on_drained,
        };
        TRY(worker_new(&settings, &server->workers[i], err));
        server->worker_count = i + 1;
    }
    for (unsigned i = 0; i < gateway->listen_count; i++) {
        TRY(open_one_address(server, gateway->listen[i], WORKER_ALL, err));
    }
    for (unsigned i = 0; i < gateway->webhook_listen_count; i++) {
        TRY(open_one_address(server, gateway->webhook_listen[i], WORKER_WEBHOOKS, err));
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        TRY(worker_start(server->workers[i], err));
    }
    return STATUS_OK;
}

static void watch_signals(struct server *server)
{
    static const int numbers[SERVER_SIGNALS] = {SIGHUP, SIGTERM, SIGINT};
    (void)signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < SERVER_SIGNALS; i++) {
        server->signals[i] = evsignal_new(server->loop.base, numbers[i], on_signal, server);
        (void)event_add(server->signals[i], NULL);
    }
}

static enum status load_first_config(struct server *server, struct error *err)
{
    struct problems *problems = problems_new();
    enum status status =
        snapshot_load(server->config_path, server->secrets, problems, &server->snapshot);
    if (status != STATUS_OK) {
        problems_print(problems, stderr);
        err->message[0] = '\0';
    } else {
        log_config_warnings(problems);
    }
    problems_free(problems);
    return status == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

static enum status start(struct server *server, struct error *err)
{
    TRY(loop_init(&server->loop, err));
    TRY(mailbox_new(&server->loop, server, &server->mailbox, err));
    server->secrets = secret_store_new();
    server->standings = standings_new();
    standings_on_news(server->standings, on_circuit_news, server);
    server->watch = config_watch_new(&server->loop, server->config_path, reload_changed, server);
    TRY(load_first_config(server, err));
    descriptors_reserve(server->snapshot->gateway.limits.connections);
    if (server->snapshot->gateway.reload_by_signal) {
        config_watch_set(server->watch, CONFIG_WATCH_OFF);
    }
    standings_join(server->standings, server->snapshot);

    const struct snapshot *snapshot = server->snapshot;
    TRY(server_load_tls(snapshot, &server->tls, err));
    server->metrics = metrics_new(snapshot->gateway.workers);
    server->metrics_block = metrics_block(server->metrics, snapshot->gateway.workers);
    server->config_taken = clock_wall();
    metrics_set(server->metrics_block, METRIC_config_last_reload_success, 1);
    metrics_set(server->metrics_block, METRIC_config_generation, 1);
    if (strcmp(snapshot->gateway.access_log, "off") != 0) {
        TRY(scribe_start(snapshot->gateway.access_log, &server->scribe, err));
    }
    TRY(audit_log_prepare(snapshot->gateway.audit_log, err));
    audit_log_commit();
    server_audit_started(server);
    TRY(quotas_new(snapshot, &server->quotas, err));
    TRY(server_ledger_start(server, err));
    server->tokens = tokens_new(metrics_block(server->metrics, snapshot->gateway.workers + 2));
    TRY(tokens_adopt(server->tokens, server->snapshot, err));
    TRY(server_secrets_start(server, err));
    TRY(server_otlp_start(server, err));
    TRY(server_webhooks_start(server, err));
    server_settle_again(server);
    TRY(server_admin_start(server, err));
    TRY(make_workers(server, err));
    watch_signals(server);
    timer_init(&server->tick, on_tick);
    timer_init(&server->drain_timer, on_drain_timeout);
    server->loop.now = clock_now();
    loop_timer(&server->loop, &server->tick, SEC);
    return STATUS_OK;
}

static void stop(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_free(server->workers[i]);
    }
    memory_free(server->workers);
    server_settle_again_free(server->settle_again);
    server_webhooks_stop(server);
    ledger_stop(server->ledger);
    admin_server_stop(server->admin);
    for (unsigned i = 0; i < SERVER_SIGNALS; i++) {
        if (server->signals[i] != NULL) {
            event_free(server->signals[i]);
        }
    }
    server_otlp_stop(server); /* its last metrics are of all that follows, too */
    tokens_free(server->tokens);
    server_secrets_stop(server);
    if (server->scribe != NULL) {
        scribe_stop(server->scribe);
    }
    timer_cancel(&server->loop.timers, &server->tick);
    timer_cancel(&server->loop.timers, &server->drain_timer);
    config_watch_free(server->watch);
    mailbox_free(server->mailbox);
    quotas_free(server->quotas);
    server_audit_stopped(server);
    audit_log_stop();
    standings_free(server->standings);
    secret_free(server->admin_token);
    snapshot_unref(server->snapshot);
    secret_store_free(server->secrets);
    metrics_free(server->metrics);
    SSL_CTX_free(server->tls);
    loop_fini(&server->loop);
}

/* What libevent has to say, as of a name server that does not answer, is said in our own form. */
static void on_library_words(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN) {
        log_warn("libevent: %s", text);
    }
}

enum status server_run(const char *config_path, struct error *err)
{
    struct server server = {.config_path = config_path};
    log_init();
    secret_protect_process();
    descriptors_raise_limit();
    if (evthread_use_pthreads() != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "libevent cannot use threads here");
    }
    event_set_log_callback(on_library_words);
    upstream_global_init();
    enum status status = start(&server, err);
    if (status == STATUS_OK) {
        char counts[SNAPSHOT_COUNTS_MAX];
        snapshot_counts(server.snapshot, counts);
        log_info("serving: %s; by %u worker%s", counts, server.worker_count,
                 server.worker_count == 1 ? "" : "s");
        loop_run(&server.loop);
    }
    stop(&server);
    return status;
}
