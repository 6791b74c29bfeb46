/*
 * json_at: the text, number or word at an RFC 6901 pointer in a JSON text of any length, or the
 * elements of an array there, without building a tree of it. Pure.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_AT_BYTES = 256 };

/* False: nothing is there, or an object, an array, null, or a text of more than JSON_AT_BYTES; or
 * what is before it is no JSON. Of a name that stands twice the first counts. */
bool json_at(struct slice json, struct slice pointer, char out[JSON_AT_BYTES],
             struct slice *ret_text);

/* Where an array is at the pointer (empty: the text itself): calls for its first `most` elements
 * that are objects or arrays, in their order, with their texts as they are; `index` counts all
 * elements, from 0. Returns how many elements it has; 0, and nothing was called: it has none, or is
 * not there, or something up to its end is no JSON. */
uint64_t json_each_at(struct slice json, struct slice pointer, uint64_t most, void *ctx,
                      void (*each)(void *ctx, uint64_t index, struct slice element));
