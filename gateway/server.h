/*
 * server: the process that serves: config, sockets, workers, signals, reload, drain, the admin
 * listener and the refresh of secrets. Everything here runs on the main thread.
 */
#pragma once

#include "base/status.h"

/* Serves until it was told to stop. `config_path` is read now and at each reload. The error is one
 * line for stderr; STATUS_INVALID means that the config's problems were printed already. */
MUST_USE enum status server_run(const char *config_path, struct error *err);
