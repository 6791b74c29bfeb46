#include "gateway/server_secrets.h"

#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/secrets/remote_secrets.h"
#include "gateway/server_audit.h"
#include "gateway/server_state.h"

/* ---- what is said of them ---- */

static void say_changed(struct server *server, const struct secret_news *news)
{
    const char *const labels[] = {news->name, "none", "read"};
    metrics_count(server->metrics_block, FAMILY_credential_refreshes_total, labels, 1);
    if (news->source_version[0] != '\0') {
        log_info("secret \"%s\": a new value is in force, version %s of %s", news->name,
                 news->source_version, news->source);
    } else {
        log_info("secret \"%s\": a new value is in force", news->name);
    }
}

static void on_secret_news(void *ctx, const struct secret_news *news)
{
    struct server *server = ctx;
    if (news->changed) {
        say_changed(server, news);
    }
    server_audit_secret(news);
    if (news->failed || news->missing) {
        metrics_add(server->metrics_block, METRIC_credential_failures_total, 1);
        log_warn("secret \"%s\": %s%s", news->name, news->err.message,
                 news->missing ? "; its routes answer 502 credential_unavailable"
                               : "; the old value stays in force for now");
    }
}

/* ---- what comes later ---- */

void server_secrets_refresh(struct server *server)
{
    secret_store_refresh(server->secrets, clock_now(), on_secret_news, server);
}

static void on_news_letter(struct letter *letter, void *receiver)
{
    struct server *server = receiver;
    memory_free(letter);
    remote_secrets_heard(server->remote_secrets);
    server_secrets_refresh(server);
}

/* On the thread that asks the stores. */
static void on_remote_news(void *ctx)
{
    const struct server *server = ctx;
    struct letter *letter = MEMORY_NEW(struct letter);
    letter->run = on_news_letter;
    mailbox_post(server->mailbox, letter);
}

/* ---- start and reload ---- */

static void wait_for_all(struct server *server, usec_t most)
{
    remote_secrets_wait(server->remote_secrets, server->secrets, most, on_secret_news, server);
    const char *name = secret_store_pending(server->secrets);
    if (name != NULL) {
        log_warn("secret \"%s\", and maybe others: its store has not answered within %lld s; it "
                 "is taken when it does",
                 name, (long long)(most / SEC));
    }
}

enum status server_secrets_start(struct server *server, struct error *err)
{
    const struct remote_news news = {.tell = on_remote_news, .ctx = server};
    server->remote_secrets = remote_secrets_new(
        metrics_block(server->metrics, server->snapshot->gateway.workers + 3), news);
    TRY(remote_secrets_prepare(server->remote_secrets, server->snapshot, err));
    remote_secrets_adopt(server->remote_secrets, server->snapshot, server->secrets);
    wait_for_all(server, REMOTE_START_WAIT);
    return STATUS_OK;
}

enum status server_secrets_prepare(struct server *server, const struct snapshot *snapshot,
                                   struct error *err)
{
    return remote_secrets_prepare(server->remote_secrets, snapshot, err);
}

void server_secrets_adopt(struct server *server)
{
    remote_secrets_adopt(server->remote_secrets, server->snapshot, server->secrets);
    wait_for_all(server, REMOTE_RELOAD_WAIT);
}

void server_secrets_stop(struct server *server)
{
    remote_secrets_free(server->remote_secrets);
}
