#include "gateway/server_admin.h"

#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/problems.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/admin_token.h"
#include "gateway/breaker_report.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/openmetrics.h"
#include "gateway/observe/scribe.h"
#include "gateway/quota_report.h"
#include "gateway/quotas.h"
#include "gateway/reload.h"
#include "gateway/reprice_note.h"
#include "gateway/server_ledger.h"
#include "gateway/server_pages.h"
#include "gateway/server_secrets.h"
#include "gateway/server_state.h"
#include "gateway/server_webhooks_admin.h"
#include "gateway/tokens/tokens.h"
#include "gateway/upstream/standing.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/ssl.h>

/* ---- readiness and metrics ---- */

static enum status name_missing(const struct secret_slot *slot, const char *kind, const char *what,
                                const char *secret, struct buffer *out)
{
    struct credential *credential = credential_acquire((struct secret_slot *)slot);
    bool missing = credential == NULL;
    credential_unref(credential);
    return missing
               ? buffer_print(out, "credential_unavailable: %s%s, secret %s\n", kind, what, secret)
               : STATUS_OK;
}

static enum status name_missing_secrets(const struct snapshot *snapshot, struct buffer *out)
{
    const struct admin_settings *admin = &snapshot->admin;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        for (unsigned k = 0; k < route->credential_count; k++) {
            TRY(name_missing(route->credentials[k].slot, "route ", route->name,
                             route->credentials[k].secret_name, out));
        }
    }
    if (admin->token_slot != NULL) {
        TRY(name_missing(admin->token_slot, "admin.token", "", admin->token_secret, out));
    }
    if (admin->read_token_slot != NULL) {
        TRY(name_missing(admin->read_token_slot, "admin.read_token", "", admin->read_token_secret,
                         out));
    }
    return STATUS_OK;
}

static bool show_ready(void *ctx, struct buffer *out)
{
    const struct server *server = ctx;
    enum status status = name_missing_secrets(server->snapshot, out);
    if (status == STATUS_OK) {
        (void)standings_show_readiness(server->standings, server->snapshot, clock_now(), out);
        (void)tokens_show_readiness(server->tokens, clock_now(), out);
        status = server_webhooks_readiness(server, out);
    }
    if (status == STATUS_OK && server->draining) {
        status = buffer_append(out, SLICE("draining\n"));
    }
    return status == STATUS_OK && !server->draining;
}

static void note_counts(const struct server *server)
{
    size_t held = atomic_load(&server->buffered_bytes);
    metrics_set(server->metrics_block, METRIC_buffered_bytes, (int64_t)held);
    if (server->scribe != NULL) {
        metrics_set(server->metrics_block, METRIC_access_log_dropped_total,
                    (int64_t)scribe_dropped(server->scribe));
    }
    metrics_set(server->metrics_block, METRIC_audit_log_lost_total, (int64_t)audit_log_lost());
    metrics_set(server->metrics_block, METRIC_tenant_key_next_expiry_timestamp_seconds,
                snapshot_next_key_expiry(server->snapshot, clock_wall()) / SEC);
    server_ledger_count(server);
    server_webhooks_count(server);
}

static void say_too_long(void)
{
    log_warn("/metrics: the page is longer than its limit, its end is missing");
}

/* Behind what metrics_render() has appended. */
static bool show_others(const struct server *server, struct buffer *out)
{
    return standings_show_metrics(server->standings, server->snapshot, clock_now(), out) &&
           tokens_show_metrics(server->tokens, clock_now(), out) &&
           server_secrets_show_metrics(server, out) &&
           quotas_show_metrics(server->quotas, server->snapshot, out) == STATUS_OK;
}

static void show_metrics(void *ctx, struct buffer *out)
{
    const struct server *server = ctx;
    note_counts(server);
    if (!metrics_render(server->metrics, out) || !show_others(server, out)) {
        say_too_long();
    }
}

/* A page that is not whole has no end: the scraper shall not take it for one. */
static void show_openmetrics(void *ctx, struct buffer *out)
{
    const struct server *server = ctx;
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, out->max);
    note_counts(server);
    if (!metrics_render_exemplars(server->metrics, &page) || !show_others(server, &page) ||
        openmetrics_write(buffer_bytes(&page), out) != STATUS_OK) {
        say_too_long();
    }
}

/* ---- who may ---- */

/* A token of the secrets' sources is as long as one that is made. */
static bool is_token_of(struct secret_slot *slot, struct slice token)
{
    struct credential *credential = slot == NULL ? NULL : credential_acquire(slot);
    struct slice text = credential == NULL ? SLICE("") : secret_reveal(credential->secret);
    bool same = text.len >= ADMIN_TOKEN_LEN_MIN && secret_equal(token, text);
    credential_unref(credential);
    return same;
}

static enum admin_right right_of(void *ctx, struct slice token)
{
    const struct server *server = ctx;
    const struct admin_settings *admin = &server->snapshot->admin;
    bool all = server->admin_token != NULL ? secret_equal(token, secret_reveal(server->admin_token))
                                           : is_token_of(admin->token_slot, token);
    bool reads = is_token_of(admin->read_token_slot, token);
    return all ? ADMIN_ALL : reads ? ADMIN_READS : ADMIN_NOTHING;
}

static void note_refused(void *ctx, const char *peer, const char *path)
{
    (void)ctx;
    audit_refusal(&(struct audit_event){.kind = AUDIT_ADMIN_REFUSED, .peer = peer}, path);
}

/* ---- what is asked of other files ---- */

static enum status show_page(void *ctx, enum admin_page page, struct buffer *out, struct error *err)
{
    const struct server *server = ctx;
    note_counts(server);
    return server_page(server, page, out, err);
}

static enum status show_quotas(void *ctx, const char *tenant, struct buffer *out, struct error *err)
{
    const struct server *server = ctx;
    return quota_report_list(server->quotas, server->snapshot, tenant, out, err);
}

static enum status change_quota(void *ctx, const struct quota_change *change, struct buffer *out,
                                struct error *err)
{
    const struct server *server = ctx;
    return quota_report_change(server->quotas, server->snapshot, change, out, err);
}

static enum status show_breakers(void *ctx, struct buffer *out, struct error *err)
{
    const struct server *server = ctx;
    return breaker_report_list(server->standings, server->snapshot, out, err);
}

static enum status reset_breakers(void *ctx, const char *route, const char *peer,
                                  struct buffer *out, struct error *err)
{
    const struct server *server = ctx;
    return breaker_report_reset(server->standings, server->snapshot, route, peer, out, err);
}

static enum status show_request(void *ctx, const char *id, struct buffer *out, struct error *err)
{
    return server_ledger_request(ctx, id, out, err);
}

static void note_repriced(void *ctx, const struct usage_repriced *repriced)
{
    (void)ctx;
    reprice_note(repriced, REPRICE_NOTED_BY_GATEWAY);
}

static enum status show_maker(void *ctx, const char *object, struct buffer *out, struct error *err)
{
    return server_ledger_maker(ctx, object, out, err);
}

static enum status show_usage(void *ctx, const struct usage_question *question, struct buffer *out,
                              struct error *err)
{
    return server_ledger_usage(ctx, question, out, err);
}

/* ---- webhooks ---- */

static enum status show_webhooks(void *ctx, const struct webhook_question *question,
                                 struct buffer *out, struct error *err)
{
    return server_webhooks_list(ctx, question, out, err);
}

static enum status show_webhook_sums(void *ctx, struct buffer *out, struct error *err)
{
    return server_webhooks_sums(ctx, out, err);
}

static enum status show_webhook(void *ctx, const char *id, enum webhook_parts parts,
                                struct buffer *out, struct error *err)
{
    return server_webhooks_show(ctx, id, parts, out, err);
}

static enum status change_webhooks(void *ctx, const struct webhook_question *question,
                                   enum webhook_change change, struct admin_later *take_later,
                                   struct error *err)
{
    return server_webhooks_change(ctx, question, change, take_later, err);
}

/* ---- reload ---- */

struct list {
    struct buffer *out;
    unsigned count;
    enum status status;
};

static enum status put_item(struct list *list, const char *line)
{
    TRY(buffer_append(list->out, list->count++ == 0 ? SLICE("") : SLICE(",")));
    return encode_json_string(slice_from(line), list->out);
}

static void visit_line(void *ctx, const char *line)
{
    struct list *list = ctx;
    list->status = list->status == STATUS_OK ? put_item(list, line) : list->status;
}

static enum status put_reload(const struct server *server, const struct reload_report *report,
                              struct buffer *out)
{
    struct list list = {.out = out};
    TRY(buffer_append(out, SLICE("{")));
    if (report->end != RELOAD_TAKEN) {
        TRY(buffer_append(out, SLICE("\"error\":")));
        TRY(encode_json_string(slice_from(report->err.message), out));
        TRY(buffer_append(out, SLICE(",\"problems\":[")));
        problems_each(report->problems, visit_line, &list);
    } else {
        TRY(buffer_print(out, "\"generation\":%" PRIu64 ",\"routes\":%u,\"tenants\":%u,",
                         server->snapshot->generation, server->snapshot->route_count,
                         server->snapshot->tenant_count));
        TRY(buffer_append(out, SLICE("\"warnings\":[")));
        problems_each_warning(report->problems, visit_line, &list);
    }
    TRY(list.status);
    return buffer_append(out, SLICE("]}\n"));
}

static enum admin_reload reload_for(void *ctx, const char *peer, struct buffer *out)
{
    struct server *server = ctx;
    struct reload_report report;
    if (server->draining) {
        return buffer_append(out, SLICE("{\"error\":\"the gateway is about to end\","
                                        "\"problems\":[]}\n")) == STATUS_OK
                   ? ADMIN_RELOAD_CONFLICT
                   : ADMIN_RELOAD_INVALID;
    }
    reload_reporting(server, &(struct reload_cause){.by = "admin", .peer = peer}, &report);
    if (put_reload(server, &report, out) != STATUS_OK) {
        log_warn("/api/v1/reload: the answer is longer than its limit, its end is missing");
    }
    problems_free(report.problems);
    return report.end == RELOAD_TAKEN      ? ADMIN_RELOADED
           : report.end == RELOAD_CONFLICT ? ADMIN_RELOAD_CONFLICT
                                           : ADMIN_RELOAD_INVALID;
}

const struct admin_ops server_admin_ops = {
    .ready = show_ready,
    .metrics = show_metrics,
    .openmetrics = show_openmetrics,
    .right = right_of,
    .page = show_page,
    .reload = reload_for,
    .quotas = show_quotas,
    .change_quota = change_quota,
    .breakers = show_breakers,
    .reset_breakers = reset_breakers,
    .request = show_request,
    .maker = show_maker,
    .repriced = note_repriced,
    .usage = show_usage,
    .webhooks = show_webhooks,
    .webhook_sums = show_webhook_sums,
    .webhook = show_webhook,
    .change_webhooks = change_webhooks,
    .refused = note_refused,
};

/* Where to look: the address as it is written, but for a port that was taken. */
static void say_where(const struct server *server)
{
    const char *listen = server->snapshot->admin.listen;
    const char *colon = strrchr(listen, ':');
    if (strncmp(listen, "unix:", 5) == 0 || colon == NULL) {
        log_info("the admin listener is on %s", listen);
        return;
    }
    log_info("the dashboard is at %s://%.*s:%u/",
             server->snapshot->admin.tls_cert != NULL ? "https" : "http", (int)(colon - listen),
             listen, admin_server_port(server->admin));
}

enum status server_admin_start(struct server *server, struct error *err)
{
    const struct admin_settings *admin = &server->snapshot->admin;
    SSL_CTX *tls = NULL;
    if (admin->listen == NULL) {
        return STATUS_OK;
    }
    if (admin->token_file != NULL) {
        TRY(admin_token_open(admin->token_file, &server->admin_token, err));
    }
    TRY(server_load_admin_tls(server->snapshot, &tls, err));
    struct admin_server_settings settings = {
        .base = server->loop.base,
        .listen = admin->listen,
        .hosts = admin->hosts,
        .host_count = admin->host_count,
        .ops = &server_admin_ops,
        .ctx = server,
        .tls = tls,
    };
    enum status status = admin_server_start(&settings, &server->admin, err);
    SSL_CTX_free(tls);
    if (status == STATUS_OK) {
        say_where(server);
    }
    return status;
}

void server_admin_adopt(struct server *server, SSL_CTX *tls)
{
    const struct admin_settings *admin = &server->snapshot->admin;
    if (server->admin != NULL) {
        admin_server_set_hosts(server->admin, admin->hosts, admin->host_count);
        admin_server_set_tls(server->admin, tls);
    }
}
