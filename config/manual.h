/*
 * manual: docs/CONFIG.md, from the tables that parse the config.
 */
#pragma once

#include "base/status.h"

struct buffer;

MUST_USE enum status manual_write(struct buffer *out);
