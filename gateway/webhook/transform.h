/*
 * transform: members of a JSON body are dropped or renamed before it is delivered.
 *
 * The text is edited, not printed anew: each value that stays has the bytes that it had, so numbers
 * of any length survive. Only the blanks between members on the way to what is edited may go.
 * Names are compared as what they mean: "\u0061" is "a". Where a name stands twice in an object,
 * all of them are dropped; of a rename the last one stays, as most who read it would have it. A
 * name of more than 256 bytes is never found. Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct hook_edit;

enum { TRANSFORM_MEMBERS_MAX = 1000 * 1000 }; /* of the arrays and objects that are looked into */

/* *ret_changed false: the body is to be sent as it is, nothing is in `out`: no edit found
 * something, or it is no JSON (or nested more deeply than 256). STATUS_TOO_LARGE: `out` is full, or
 * there are more members than TRANSFORM_MEMBERS_MAX. */
MUST_USE enum status transform_body(const struct hook_edit *edits, unsigned count,
                                    struct slice body, struct buffer *out, bool *ret_changed);
