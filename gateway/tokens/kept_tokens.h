/*
 * kept_tokens: the refresh tokens that endpoints gave in place of those that the secrets have: each
 * is good once. They are written into the first sealed file of the config's secrets, as
 * NAME.rotated, before the one before is forgotten, so that a restart goes on with the last one.
 *
 * One belongs to the value of the secret that it followed: a new value begins anew. By the thread
 * that fetches tokens alone; reads and writes a small file.
 */
#pragma once

#include "base/slice.h"

struct credential;
struct kept_tokens;
struct secret;
struct snapshot;

struct kept_tokens *kept_tokens_new(void);
/* Writes what could not be written before; what still cannot be is said in the log. Takes NULL. */
void kept_tokens_free(struct kept_tokens *kept);

/* NULL: the secret's own is the last one. Until the next call. Here, too, what could not be written
 * before is written. */
const struct secret *kept_tokens_get(struct kept_tokens *kept, const struct snapshot *snapshot,
                                     const struct credential *secret);
/* What cannot be written is kept in memory, said in the log, and written later. */
void kept_tokens_put(struct kept_tokens *kept, const struct snapshot *snapshot,
                     const struct credential *secret, struct slice refresh_token);
/* How many are in memory alone. */
unsigned kept_tokens_unwritten(const struct kept_tokens *kept);
