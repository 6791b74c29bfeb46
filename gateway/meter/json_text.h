/*
 * json_text: writes strings as JSON has them.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"
#include "base/status.h"

/* In quotes, with escapes where they must be. `text` is UTF-8; a byte that is not part of valid
 * text becomes U+FFFD. */
MUST_USE enum status json_text_write(struct slice text, struct buffer *out);
