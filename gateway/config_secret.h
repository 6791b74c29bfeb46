/*
 * config_secret: the value of a secret by its name in the config, for commands. Blocking.
 */
#pragma once

#include "base/status.h"

struct secret;
struct snapshot;

/* As the gateway reads it, from the sources of this config. *ret is the caller's. */
MUST_USE enum status config_secret_read(const struct snapshot *snapshot, const char *name,
                                        struct secret **ret, struct error *err);
