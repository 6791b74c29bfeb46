/*
 * server_secrets: the secrets of the process: what a start and a reload wait for, and what happens
 * to them later. Main thread.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct server;
struct snapshot;

/* Reads all of them, and says which are missing. */
MUST_USE enum status server_secrets_start(struct server *server, struct error *err);
/* What a reload needs is made ready; and taken, when the snapshot is in force. */
MUST_USE enum status server_secrets_prepare(struct server *server, const struct snapshot *snapshot,
                                            struct error *err);
void server_secrets_adopt(struct server *server);
/* Looks what is due, once a second. */
void server_secrets_refresh(struct server *server);
/* {"secrets":[{"secret", "state", "source", "source_version", "version", "age_seconds"}]}: of each
 * that is in use, what is known of it; never a value. */
MUST_USE enum status server_secrets_show(const struct server *server, struct buffer *out);
/* Prometheus text: secret_age_seconds{name}. False: the buffer is full. */
bool server_secrets_show_metrics(const struct server *server, struct buffer *out);
void server_secrets_stop(struct server *server);
