/*
 * server_otlp: the exporter of traces and metrics in the life of the process. Main thread.
 */
#pragma once

#include "base/status.h"

struct server;

/* The exporter of the config in force begins. */
MUST_USE enum status server_otlp_start(struct server *server, struct error *err);
/* Once a second: sends the metrics when their time has come. */
void server_otlp_tick(struct server *server);
/* After the workers have ended: sends what is left, within two seconds. */
void server_otlp_stop(struct server *server);
