/*
 * reload: a new config is read and checked as a whole, then swapped in; a bad one changes nothing,
 * and the log and a metric say why. Requests under way finish on the config they started with.
 */
#pragma once

#include "base/status.h"

struct problems;
struct server;
struct snapshot;
struct ssl_ctx_st;

/* `by` is what made it necessary, for the audit log: "signal", "file". */
void reload(struct server *server, const char *by);
/* The same, as config_watch calls it with the server; not while the server drains. */
void reload_changed(void *ctx);

/* Says what of a valid config will hardly be meant. */
void log_config_warnings(const struct problems *problems);

/* The TLS settings that the config asks for; NULL if it asks for none. */
MUST_USE enum status server_load_tls(const struct snapshot *snapshot, struct ssl_ctx_st **ret,
                                     struct error *err);
