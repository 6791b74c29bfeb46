/*
 * secret_parts: which parts of a credential's value are to be scrubbed.
 *
 * The whole value always; "user:password" and "ID:SECRET[:TOKEN]" between the colons, too; of a
 * provider's JSON file each string value of SECRET_PARTS_JSON_MIN bytes or more, for the shorter
 * ones are types, numbers and regions that answers may well contain. Parts below SCRUB_SECRET_MIN
 * are passed over.
 */
#pragma once

#include "base/slice.h"

struct scrubber;

enum { SECRET_PARTS_JSON_MIN = 24, SECRET_PARTS_MAX = 64 };

/* NULL if nothing of it is long enough to be scrubbed. */
struct scrubber *scrubber_for_secret(struct slice value);
