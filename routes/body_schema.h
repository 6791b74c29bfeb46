/*
 * body_schema: what a JSON body has to look like, and whether it does: read once, checked in one
 * pass without a tree, in memory that does not grow with the body. Pure.
 *
 * Of JSON Schema (2020-12): type, required, properties, additionalProperties, items, enum, const,
 * minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength (both in
 * Unicode code points), minItems, maxItems; true, false and {}. Annotations are passed over. What
 * else a schema says is an error, for it would not be enforced.
 */
#pragma once

#include "base/json_pick.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;
struct schema_node;

enum { BODY_SCHEMA_BYTES_MAX = 64 * 1024, BODY_SCHEMA_PROPERTIES_MAX = 64 };

/* A schema's text. The error names the place in it. */
MUST_USE enum status body_schema_read(struct arena *arena, struct slice text,
                                      const struct schema_node **ret, struct error *err);

/* One that is put together: it begins with NULL, which takes all. STATUS_INVALID: there are too
 * many names at one level, or `type` is none ("string", "integer", …). */
MUST_USE enum status body_schema_require(struct arena *arena, struct schema_node **root,
                                         const struct json_place *place, struct error *err);
MUST_USE enum status body_schema_type(struct arena *arena, struct schema_node **root,
                                      const struct json_place *place, struct slice type,
                                      struct error *err);

/* STATUS_INVALID: the error says what is wrong, and where, as far as the schema has names for it;
 * it quotes nothing of the body. */
MUST_USE enum status body_schema_check(const struct schema_node *root, struct slice body,
                                       struct error *err);
