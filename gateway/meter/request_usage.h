/*
 * request_usage: what a call's usage table says that is known without the answer: constants, and
 * what is counted in the request's body, such as the characters of a text that is to be spoken.
 */
#pragma once

#include "base/slice.h"
#include "routes/usage_table.h"

/* `body` is the whole body, or empty if it is not held. What it does not tell, because it is no
 * JSON or has it twice, stays away. */
void request_usage_read(const struct usage_table *table, struct slice body,
                        struct usage_figures *ret);
