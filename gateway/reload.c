#include "gateway/reload.h"

#include "base/problems.h"
#include "config/snapshot.h"
#include "gateway/client/listener.h"
#include "gateway/config_watch.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/scribe.h"
#include "gateway/otlp/otlp.h"
#include "gateway/server_admin.h"
#include "gateway/server_audit.h"
#include "gateway/server_ledger.h"
#include "gateway/server_secrets.h"
#include "gateway/server_state.h"
#include "gateway/server_webhooks.h"
#include "gateway/tokens/tokens.h"
#include "gateway/upstream/standing.h"
#include "gateway/worker.h"
#include "limiter/zone.h"

#include <string.h>

#include <openssl/ssl.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_texts(const char *const *a, unsigned a_count, const char *const *b,
                       unsigned b_count)
{
    bool same = a_count == b_count;
    for (unsigned i = 0; same && i < a_count; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

static bool same_listen(const struct gateway_settings *a, const struct gateway_settings *b)
{
    return same_texts(a->listen, a->listen_count, b->listen, b->listen_count);
}

static bool same_store(const struct store_settings *a, const struct store_settings *b)
{
    return a->redis == b->redis && same_text(a->address.host, b->address.host) &&
           same_text(a->address.unix_path, b->address.unix_path) &&
           a->address.port == b->address.port && same_text(a->address.user, b->address.user) &&
           same_text(a->address.password, b->address.password) &&
           a->address.database == b->address.database && a->address.tls == b->address.tls;
}

static const char advice[] = "cannot change in a reload: restart for it, or put it back";

/* What the counts that are kept depend on. */
static enum status check_fixed_store(const struct snapshot *old, const struct snapshot *new,
                                     struct error *err)
{
    if (!same_store(&old->store, &new->store)) {
        FAIL(err, STATUS_INVALID, "store.url %s", advice);
    }
    if (!same_text(old->store.address.ca, new->store.address.ca)) {
        FAIL(err, STATUS_INVALID, "store.tls %s", advice);
    }
    if (strcmp(old->store.name, new->store.name) != 0) {
        FAIL(err, STATUS_INVALID, "store.name %s", advice);
    }
    if (old->store.timeout != new->store.timeout) {
        FAIL(err, STATUS_INVALID, "store.timeout %s", advice);
    }
    if (old->store.gateways != new->store.gateways) {
        FAIL(err, STATUS_INVALID, "store.gateways %s", advice);
    }
    if (strcmp(zone_name(old->gateway.zone), zone_name(new->gateway.zone)) != 0) {
        FAIL(err, STATUS_INVALID, "gateway.time_zone %s", advice);
    }
    return STATUS_OK;
}

/* The first webhook opens the queue, and it stays open without any; another one it cannot become,
 * for what waits in it. */
static enum status check_fixed_webhooks(const struct snapshot *old, const struct snapshot *new,
                                        struct error *err)
{
    const struct gateway_settings *a = &old->gateway;
    const struct gateway_settings *b = &new->gateway;
    if (!same_texts(a->webhook_listen, a->webhook_listen_count, b->webhook_listen,
                    b->webhook_listen_count)) {
        FAIL(err, STATUS_INVALID, "gateway.webhook_listen %s", advice);
    }
    if (old->queue.path != NULL && new->queue.path != NULL &&
        strcmp(old->queue.path, new->queue.path) != 0) {
        FAIL(err, STATUS_INVALID, "webhook_queue.url %s", advice);
    }
    return STATUS_OK;
}

/* What is bound to sockets and threads of the running process. */
static enum status check_fixed(const struct snapshot *old, const struct snapshot *new,
                               struct error *err)
{
    if (!same_listen(&old->gateway, &new->gateway)) {
        FAIL(err, STATUS_INVALID, "gateway.listen %s", advice);
    }
    if (old->gateway.workers != new->gateway.workers) {
        FAIL(err, STATUS_INVALID, "gateway.workers %s", advice);
    }
    if ((old->gateway.tls_cert == NULL) != (new->gateway.tls_cert == NULL)) {
        FAIL(err, STATUS_INVALID, "gateway.tls %s (new certificate files are taken)", advice);
    }
    if (!same_text(old->admin.listen, new->admin.listen)) {
        FAIL(err, STATUS_INVALID, "admin.listen %s", advice);
    }
    if (!same_text(old->admin.token_file, new->admin.token_file)) {
        FAIL(err, STATUS_INVALID, "admin.token_file %s", advice);
    }
    if ((old->admin.tls_cert == NULL) != (new->admin.tls_cert == NULL)) {
        FAIL(err, STATUS_INVALID, "admin.tls %s (new certificate files are taken)", advice);
    }
    bool was_off = strcmp(old->gateway.access_log, "off") == 0;
    if (was_off != (strcmp(new->gateway.access_log, "off") == 0)) {
        FAIL(err, STATUS_INVALID, "gateway.access_log from or to \"off\" %s", advice);
    }
    if (old->gateway.limits.connections != new->gateway.limits.connections) {
        FAIL(err, STATUS_INVALID, "gateway.limits.connections %s", advice);
    }
    if (!same_text(old->ledger.path, new->ledger.path)) {
        FAIL(err, STATUS_INVALID, "ledger.url %s", advice);
    }
    if (old->ledger.max_bytes != new->ledger.max_bytes) {
        FAIL(err, STATUS_INVALID, "ledger.max_size %s", advice);
    }
    TRY(check_fixed_webhooks(old, new, err));
    return check_fixed_store(old, new, err);
}

enum status server_load_tls(const struct snapshot *snapshot, SSL_CTX **ret, struct error *err)
{
    *ret = NULL;
    if (snapshot->gateway.tls_cert == NULL) {
        return STATUS_OK;
    }
    const struct client_tls_files files = {.cert = snapshot->gateway.tls_cert,
                                           .key = snapshot->gateway.tls_key,
                                           .client_ca = snapshot->gateway.tls_client_ca,
                                           .require = snapshot->gateway.tls_require};
    return client_tls_new(&files, ret, err);
}

enum status server_load_admin_tls(const struct snapshot *snapshot, SSL_CTX **ret, struct error *err)
{
    *ret = NULL;
    if (snapshot->admin.listen == NULL || snapshot->admin.tls_cert == NULL) {
        return STATUS_OK;
    }
    const struct client_tls_files files = {.cert = snapshot->admin.tls_cert,
                                           .key = snapshot->admin.tls_key};
    enum status status = client_tls_new(&files, ret, err);
    if (status != STATUS_OK) {
        error_prefix(err, "admin.tls");
    }
    return status;
}

static void log_problem(void *ctx, const char *line)
{
    (void)ctx;
    log_error("reload refused: %s", line);
}

static void log_warning(void *ctx, const char *line)
{
    (void)ctx;
    log_warn("config: %s", line);
}

void log_config_warnings(const struct problems *problems)
{
    problems_each_warning(problems, log_warning, NULL);
}

/* What a reload takes, before it is in force. */
struct candidate {
    struct snapshot *snapshot; /* ref */
    SSL_CTX *tls;              /* ref; NULL: none */
    SSL_CTX *admin_tls;        /* likewise */
};

static void drop(struct candidate *candidate)
{
    snapshot_unref(candidate->snapshot);
    SSL_CTX_free(candidate->tls);
    SSL_CTX_free(candidate->admin_tls);
}

static enum status load(struct server *server, struct candidate *ret, struct problems *problems,
                        struct error *err)
{
    enum status status =
        snapshot_load(server->config_path, server->secrets, problems, &ret->snapshot);
    if (status != STATUS_OK) {
        problems_each(problems, log_problem, NULL);
        FAIL(err, status, "%s has problems", server->config_path);
    }
    log_config_warnings(problems);
    return STATUS_OK;
}

/* What the config names is opened. */
static enum status prepare(struct server *server, struct candidate *candidate, struct error *err)
{
    const struct snapshot *snapshot = candidate->snapshot;
    TRY(server_load_tls(snapshot, &candidate->tls, err));
    TRY(server_load_admin_tls(snapshot, &candidate->admin_tls, err));
    TRY(audit_log_prepare(snapshot->gateway.audit_log, err));
    TRY(otlp_prepare(server->otlp, snapshot, err));
    TRY(tokens_adopt(server->tokens, candidate->snapshot, err));
    TRY(server_secrets_prepare(server, snapshot, err));
    if (server->scribe != NULL) {
        TRY(scribe_reopen(server->scribe, snapshot->gateway.access_log, err));
    }
    return server_webhooks_prepare(server, candidate->snapshot, err);
}

static enum reload_end try_reload(struct server *server, struct candidate *ret,
                                  struct problems *problems, struct error *err)
{
    if (load(server, ret, problems, err) != STATUS_OK) {
        return RELOAD_INVALID;
    }
    if (check_fixed(server->snapshot, ret->snapshot, err) != STATUS_OK) {
        return RELOAD_CONFLICT;
    }
    return prepare(server, ret, err) == STATUS_OK ? RELOAD_TAKEN : RELOAD_INVALID;
}

/* The queue stays open without a hook, for what waits in it, and no later config gives it another
 * file. */
static void keep_queue(const struct snapshot *old, struct snapshot *new)
{
    if (new->queue.path == NULL && old->queue.path != NULL) {
        new->queue = old->queue;
        new->queue.path = arena_copy(&new->arena, slice_from(old->queue.path)).ptr;
    }
}

static void swap_in(struct server *server, const struct candidate *take)
{
    struct snapshot *snapshot = take->snapshot;
    snapshot->generation = server->snapshot->generation + 1;
    keep_queue(server->snapshot, snapshot);
    standings_join(server->standings, snapshot);
    snapshot_unref(server->snapshot);
    SSL_CTX_free(server->tls);
    config_watch_set(server->watch,
                     snapshot->gateway.reload_by_signal ? CONFIG_WATCH_OFF : CONFIG_WATCH_ON);
    server->snapshot = snapshot;
    server->config_taken = clock_wall();
    server->tls = take->tls;
    server_ledger_adopt(server);
    server_secrets_adopt(server); /* new routes have their secrets before they serve */
    otlp_adopt(server->otlp, snapshot);
    server_webhooks_adopt(server);
    server_admin_adopt(server, take->admin_tls);
    SSL_CTX_free(take->admin_tls);
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_adopt(
            server->workers[i],
            &(struct worker_news){.snapshot = snapshot, .tls = take->tls, .queue = server->queue});
    }
}

static void refuse(struct server *server, const struct reload_cause *cause, const struct error *err)
{
    metrics_set(server->metrics_block, METRIC_config_last_reload_success, 0);
    log_error("reload refused, the old config stays in force: %s", err->message);
    audit_log_abandon();
    server->reload_err = *err;
    server_audit_refused(server, cause, err->message);
}

void reload_reporting(struct server *server, const struct reload_cause *cause,
                      struct reload_report *ret)
{
    struct candidate candidate = {0};
    *ret = (struct reload_report){.problems = problems_new()};
    config_watch_note(server->watch);
    ret->end = try_reload(server, &candidate, ret->problems, &ret->err);
    if (ret->end != RELOAD_TAKEN) {
        drop(&candidate);
        refuse(server, cause, &ret->err);
        return;
    }
    audit_log_commit();
    swap_in(server, &candidate);
    server->reload_err = (struct error){0};
    metrics_set(server->metrics_block, METRIC_config_last_reload_success, 1);
    metrics_set(server->metrics_block, METRIC_config_generation,
                (int64_t)server->snapshot->generation);
    char counts[SNAPSHOT_COUNTS_MAX];
    snapshot_counts(server->snapshot, counts);
    log_info("reloaded %s: %s", server->config_path, counts);
    server_audit_taken(server, cause);
}

void reload(struct server *server, const char *by)
{
    struct reload_report report;
    reload_reporting(server, &(struct reload_cause){.by = by}, &report);
    problems_free(report.problems);
}

void reload_changed(void *ctx)
{
    struct server *server = ctx;
    if (!server->draining) {
        log_info("%s has changed: reloading", server->config_path);
        reload(server, "file");
    }
}
