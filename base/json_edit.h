/*
 * json_edit: a member at the top of a JSON object, found and written without a tree: all other
 * bytes stay as they are. As strict as json_scan; a name that stands there twice is refused, for
 * who reads it next may take the other one. Errors quote nothing but the name.
 */
#pragma once

#include "base/json_scan.h"
#include "base/slice.h"
#include "base/status.h"

struct buffer;

struct json_member {
    struct slice value;   /* as it is written, a part of the object; ptr NULL: there is none */
    enum json_event kind; /* of the value: what it is, or begins with */
};

/* STATUS_INVALID: no JSON, no object, or the name is there twice. */
MUST_USE enum status json_member_find(struct slice object, struct slice name,
                                      struct json_member *ret, struct error *err);
/* The object with `value`, a JSON text, in place of what json_member_find() found of `name`, or as
 * its first member. STATUS_TOO_LARGE: the buffer is full, and has a part of it. */
MUST_USE enum status json_member_write(struct slice object, const struct json_member *found,
                                       struct slice name, struct slice value, struct buffer *out);
/* The object with `value`, a JSON text, in place of the member's, or the member as its first.
 * STATUS_TOO_LARGE: the buffer is full, and has a part of it. */
MUST_USE enum status json_member_put(struct slice object, struct slice name, struct slice value,
                                     struct buffer *out, struct error *err);
