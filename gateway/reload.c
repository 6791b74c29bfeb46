#include "gateway/reload.h"

#include "auth/secrets/secret_store.h"
#include "base/problems.h"
#include "config/snapshot.h"
#include "gateway/admin/admin_server.h"
#include "gateway/client/listener.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/scribe.h"
#include "gateway/server_state.h"
#include "gateway/worker.h"

#include <string.h>

#include <openssl/ssl.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_listen(const struct gateway_settings *a, const struct gateway_settings *b)
{
    if (a->listen_count != b->listen_count) {
        return false;
    }
    for (unsigned i = 0; i < a->listen_count; i++) {
        if (strcmp(a->listen[i], b->listen[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* What is bound to sockets and threads of the running process. */
static enum status check_fixed(const struct snapshot *old, const struct snapshot *new,
                               struct error *err)
{
    static const char advice[] = "cannot change in a reload: restart for it, or put it back";
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
    bool was_off = strcmp(old->gateway.access_log, "off") == 0;
    if (was_off != (strcmp(new->gateway.access_log, "off") == 0)) {
        FAIL(err, STATUS_INVALID, "gateway.access_log from or to \"off\" %s", advice);
    }
    if (old->gateway.limits.connections != new->gateway.limits.connections) {
        FAIL(err, STATUS_INVALID, "gateway.limits.connections %s", advice);
    }
    return STATUS_OK;
}

enum status server_load_tls(const struct snapshot *snapshot, SSL_CTX **ret, struct error *err)
{
    *ret = NULL;
    if (snapshot->gateway.tls_cert == NULL) {
        return STATUS_OK;
    }
    return client_tls_new(snapshot->gateway.tls_cert, snapshot->gateway.tls_key, ret, err);
}

static void log_problem(void *ctx, const char *line)
{
    (void)ctx;
    log_error("reload refused: %s", line);
}

static enum status load(struct server *server, struct snapshot **ret, struct error *err)
{
    struct problems *problems = problems_new();
    enum status status = snapshot_load(server->config_path, server->secrets, problems, ret);
    if (status != STATUS_OK) {
        problems_each(problems, log_problem, NULL);
        (void)error_set(err, status, __FILE__, __LINE__, "%s has problems", server->config_path);
    }
    problems_free(problems);
    return status;
}

static enum status try_reload(struct server *server, struct snapshot **ret, SSL_CTX **ret_tls,
                              struct error *err)
{
    TRY(load(server, ret, err));
    TRY(check_fixed(server->snapshot, *ret, err));
    TRY(server_load_tls(*ret, ret_tls, err));
    if (server->scribe != NULL) {
        TRY(scribe_reopen(server->scribe, (*ret)->gateway.access_log, err));
    }
    return STATUS_OK;
}

static void swap_in(struct server *server, struct snapshot *take_snapshot, SSL_CTX *take_tls)
{
    take_snapshot->generation = server->snapshot->generation + 1;
    snapshot_unref(server->snapshot);
    SSL_CTX_free(server->tls);
    server->snapshot = take_snapshot;
    server->tls = take_tls;
    secret_store_set_sources(server->secrets, take_snapshot->secret_sources,
                             take_snapshot->secret_source_count);
    server_refresh_secrets(server); /* new routes have their secrets before they serve */
    if (server->admin != NULL) {
        admin_server_set_hosts(server->admin, take_snapshot->admin.hosts,
                               take_snapshot->admin.host_count);
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_adopt(server->workers[i], take_snapshot, take_tls);
    }
}

void reload(struct server *server)
{
    struct snapshot *snapshot = NULL;
    SSL_CTX *tls = NULL;
    struct error err = {0};
    if (try_reload(server, &snapshot, &tls, &err) != STATUS_OK) {
        snapshot_unref(snapshot);
        SSL_CTX_free(tls);
        metrics_set(server->metrics_block, METRIC_config_last_reload_success, 0);
        log_error("reload refused, the old config stays in force: %s", err.message);
        return;
    }
    swap_in(server, snapshot, tls);
    metrics_set(server->metrics_block, METRIC_config_last_reload_success, 1);
    metrics_set(server->metrics_block, METRIC_config_generation,
                (int64_t)server->snapshot->generation);
    log_info("reloaded %s: %u routes, %u tenants", server->config_path,
             server->snapshot->route_count, server->snapshot->tenant_count);
}
