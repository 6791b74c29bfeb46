/*
 * secret: bytes that must not leak: locked in memory, left out of core dumps, wiped, compared in
 * constant time. They come out only through secret_reveal(): grep for it to audit.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct secret;

/* Copies the bytes; the caller wipes its own. */
struct secret *secret_new(struct slice bytes);
void secret_free(struct secret *secret); /* takes NULL */
/* For CLEANUP(). */
void secret_free_at(struct secret **secret);
struct slice secret_reveal(const struct secret *secret);

/* Constant time in the contents; the lengths may show. */
bool secret_equal(struct slice a, struct slice b);
/* Not optimised away. */
void secret_wipe(void *ptr, size_t len);
/* No core dumps, not attachable by others (PR_SET_DUMPABLE 0, RLIMIT_CORE 0). */
void secret_protect_process(void);
