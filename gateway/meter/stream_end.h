/*
 * stream_end: ends an event stream before the provider does, in the provider's own grammar, so that
 * its SDK sees an answer that hit its limit: OpenAI's finish_reason "length", usage (if asked for)
 * and [DONE]; response.incomplete; Anthropic's content_block_stop, message_delta with stop_reason
 * "max_tokens", message_stop.
 */
#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "routes/usage.h"

#include <stdbool.h>

struct usage_scan;

/* Appends the closing events, to be sent between two events of what `scan` has seen. `usage` is
 * what is charged. */
MUST_USE enum status stream_end_write(const struct usage_scan *scan, const struct usage *usage,
                                      bool include_usage, struct buffer *out);
