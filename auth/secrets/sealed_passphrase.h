/*
 * sealed_passphrase: the key that scrypt (RFC 7914) makes of a passphrase, and what stands before a
 * sealed file that is under such a key: see sealed_file.h.
 *
 * Costs a quarter of a second and 32 MiB; the last keys are kept, in locked memory.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct secret;

enum { SEALED_LEAD_BYTES = 8 + 1 + 16 };

/* Does it begin so? */
bool sealed_lead_is(struct slice bytes);
/* With a salt of its own. */
void sealed_lead_new(char out[SEALED_LEAD_BYTES]);
/* `text` is a passphrase file's contents. STATUS_INVALID: it is too short or too long, or the lead
 * asks for more work than any that was written here. */
MUST_USE enum status sealed_passphrase_key(const char lead[SEALED_LEAD_BYTES], struct slice text,
                                           struct secret **ret, struct error *err);
