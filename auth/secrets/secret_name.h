/*
 * secret_name: what a secret may be called, in the config, in each source and in the sealed file.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* Letters, digits, '-', '_', '.', 1..64 bytes, not beginning with '.'. */
bool secret_name_valid(struct slice name);
