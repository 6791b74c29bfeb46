/*
 * admin_token: the token that may change things over the admin listener: a file, made at the first
 * start with mode 0600.
 */
#pragma once

#include "base/status.h"

struct secret;

enum { ADMIN_TOKEN_LEN_MIN = 32 }; /* of one that was written by hand, or is a secret */

/* Reads it; one that is absent is made. The error names the file and what to do. */
MUST_USE enum status admin_token_open(const char *path, struct secret **ret, struct error *err);
/* Only reads it, for a command. */
MUST_USE enum status admin_token_read(const char *path, struct secret **ret, struct error *err);
