/*
 * schema: the JSON Schema (draft 2020-12) of the config, for editors and pipelines, from the tables
 * that parse it. What it refuses, the parser refuses, too; what fields mean together (names that
 * are there, one of several keys, values written with a unit that are out of range) only the parser
 * knows.
 */
#pragma once

#include "base/status.h"

struct buffer;

MUST_USE enum status schema_write(struct buffer *out);
