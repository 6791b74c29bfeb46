#include "gateway/server_audit.h"

#include "auth/secrets/secret_store.h"
#include "config/snapshot.h"
#include "gateway/config_digest.h"
#include "gateway/observe/audit_log.h"
#include "gateway/reload.h"
#include "gateway/server_state.h"

void server_audit_started(const struct server *server)
{
    char digest[CONFIG_DIGEST_SIZE];
    const struct audit_event event = {.kind = AUDIT_PROCESS_STARTED,
                                      .config = config_digest(server->config_path, digest),
                                      .generation = server->snapshot->generation};
    audit_note(&event, "sallyport " SALLYPORT_VERSION " with %s", server->config_path);
}

void server_audit_stopped(const struct server *server)
{
    audit_note(&(struct audit_event){.kind = AUDIT_PROCESS_STOPPED}, "%s",
               server->draining ? "it was told to" : "it could not go on");
}

void server_audit_taken(const struct server *server, const struct reload_cause *cause)
{
    char digest[CONFIG_DIGEST_SIZE];
    const struct audit_event event = {.kind = AUDIT_CONFIG_TAKEN,
                                      .by = cause->by,
                                      .peer = cause->peer,
                                      .config = config_digest(server->config_path, digest),
                                      .generation = server->snapshot->generation};
    audit_note(&event, "%s", server->config_path);
}

void server_audit_refused(const struct server *server, const struct reload_cause *cause,
                          const char *why)
{
    char digest[CONFIG_DIGEST_SIZE];
    const struct audit_event event = {.kind = AUDIT_CONFIG_REFUSED,
                                      .by = cause->by,
                                      .peer = cause->peer,
                                      .config = config_digest(server->config_path, digest),
                                      .generation = server->snapshot->generation};
    audit_note(&event, "%s", why);
}

void server_audit_secret(const struct secret_news *news)
{
    if (news->changed) {
        audit_note(&(struct audit_event){.kind = AUDIT_SECRET_READ,
                                         .secret = news->name,
                                         .version = news->version},
                   "a new value is in force, from %s%s%s",
                   news->where == NULL ? news->source : news->where,
                   news->source_version[0] == '\0' ? "" : ", version ", news->source_version);
    }
    if (news->failed || news->missing) {
        audit_note(&(struct audit_event){.kind = AUDIT_SECRET_FAILED, .secret = news->name}, "%s%s",
                   news->err.message,
                   news->missing ? "; no value is in force" : "; the old value stays in force");
    }
}
