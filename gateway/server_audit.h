/*
 * server_audit: what the audit log is told of the process, its config and its secrets. Main thread.
 */
#pragma once

struct reload_cause;
struct secret_news;
struct server;

void server_audit_started(const struct server *server);
void server_audit_stopped(const struct server *server);

/* A reload was taken; was refused, and why. */
void server_audit_taken(const struct server *server, const struct reload_cause *cause);
void server_audit_refused(const struct server *server, const struct reload_cause *cause,
                          const char *why);

/* A secret was read with another value than before, or could not be. */
void server_audit_secret(const struct secret_news *news);
