/*
 * json_at: the text, number or word at an RFC 6901 pointer in a JSON text of any length, without
 * building a tree of it. Pure.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum { JSON_AT_BYTES = 256 };

/* False: nothing is there, or an object, an array, null, or a text of more than JSON_AT_BYTES; or
 * what is before it is no JSON. Of a name that stands twice the first counts. */
bool json_at(struct slice json, struct slice pointer, char out[JSON_AT_BYTES],
             struct slice *ret_text);
