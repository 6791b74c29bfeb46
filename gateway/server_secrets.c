#include "gateway/server_secrets.h"

#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/observe/metrics.h"
#include "gateway/secrets/remote_secrets.h"
#include "gateway/server_audit.h"
#include "gateway/server_state.h"

#include <inttypes.h>

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

/* ---- for people ---- */

struct showing {
    struct buffer *out;
    usec_t now;
    bool any;
    enum status status;
};

static const char *state_of(const struct secret_standing *it)
{
    return it->failing ? it->in_force ? "stale" : "failing" : it->in_force ? "in force" : "missing";
}

static enum status put_standing(struct showing *showing, const struct secret_standing *it)
{
    struct buffer *out = showing->out;
    usec_t age = showing->now > it->confirmed_at ? showing->now - it->confirmed_at : 0;
    TRY(buffer_append(out, showing->any ? SLICE(",\n{") : SLICE("{")));
    showing->any = true;
    TRY(buffer_print(out, "\"secret\":\"%s\",\"state\":\"%s\",\"source\":\"%s\"", it->name,
                     state_of(it), it->source == NULL ? "" : it->source));
    TRY(buffer_append(out, SLICE(",\"source_version\":")));
    TRY(encode_json_string(slice_from(it->source_version), out));
    return buffer_print(out, ",\"version\":%" PRIu64 ",\"age_seconds\":%" PRId64 "}", it->version,
                        it->in_force ? age / SEC : 0);
}

static void show_one(void *ctx, const struct secret_standing *it)
{
    struct showing *showing = ctx;
    if (showing->status == STATUS_OK) {
        showing->status = put_standing(showing, it);
    }
}

enum status server_secrets_show(const struct server *server, struct buffer *out)
{
    struct showing showing = {.out = out, .now = clock_now()};
    TRY(buffer_append(out, SLICE("{\"secrets\":[\n")));
    secret_store_each(server->secrets, show_one, &showing);
    TRY(showing.status);
    return buffer_append(out, SLICE("\n]}\n"));
}

static enum status put_age(struct showing *showing, const struct secret_standing *it)
{
    usec_t age = showing->now > it->confirmed_at ? showing->now - it->confirmed_at : 0;
    if (!showing->any) {
        TRY(buffer_append(showing->out,
                          SLICE("# HELP sallyport_secret_age_seconds Since the source of a secret "
                                "that is in force last said that this is its value.\n"
                                "# TYPE sallyport_secret_age_seconds gauge\n")));
        showing->any = true;
    }
    return buffer_print(showing->out, "sallyport_secret_age_seconds{name=\"%s\"} %" PRId64 "\n",
                        it->name, age / SEC);
}

static void show_age(void *ctx, const struct secret_standing *it)
{
    struct showing *showing = ctx;
    if (showing->status == STATUS_OK && it->in_force) {
        showing->status = put_age(showing, it);
    }
}

bool server_secrets_show_metrics(const struct server *server, struct buffer *out)
{
    struct showing showing = {.out = out, .now = clock_now()};
    secret_store_each(server->secrets, show_age, &showing);
    return showing.status == STATUS_OK;
}

void server_secrets_stop(struct server *server)
{
    remote_secrets_free(server->remote_secrets);
}
