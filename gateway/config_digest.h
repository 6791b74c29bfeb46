/*
 * config_digest: what a config was, for the audit log. Blocking; main thread.
 *
 * Of a file the SHA-256 that sha256sum prints. Of a folder that of one line for each file that
 * counts, as sha256sum prints it there, sorted: sha256sum *.yaml *.yml *.json | sort | sha256sum
 */
#pragma once

#include "base/digest.h"

enum { CONFIG_DIGEST_SIZE = 2 * SHA256_BYTES + 1 };

/* Of what is there now; hex digits. NULL: it cannot be read. */
const char *config_digest(const char *path, char out[CONFIG_DIGEST_SIZE]);
