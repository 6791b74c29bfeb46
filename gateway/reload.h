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

/* What made it necessary, for the audit log. */
struct reload_cause {
    const char *by;   /* "signal", "file", "admin" */
    const char *peer; /* of "admin": who asked; else NULL */
};

enum reload_end {
    RELOAD_TAKEN,
    RELOAD_INVALID,
    RELOAD_CONFLICT, /* valid, but what it changes cannot be changed in this process */
};

struct reload_report {
    enum reload_end end;
    struct error err;          /* of what was refused; else "" */
    struct problems *problems; /* owned: free it; what is wrong, or warnings */
};

/* `by` is "signal" or "file". */
void reload(struct server *server, const char *by);
/* The same, and says what came of it. */
void reload_reporting(struct server *server, const struct reload_cause *cause,
                      struct reload_report *ret);
/* The same, as config_watch calls it with the server; not while the server drains. */
void reload_changed(void *ctx);

/* Says what of a valid config will hardly be meant. */
void log_config_warnings(const struct problems *problems);

/* The TLS settings that the config asks for; NULL if it asks for none. */
MUST_USE enum status server_load_tls(const struct snapshot *snapshot, struct ssl_ctx_st **ret,
                                     struct error *err);
/* Those of the admin listener. */
MUST_USE enum status server_load_admin_tls(const struct snapshot *snapshot, struct ssl_ctx_st **ret,
                                           struct error *err);
