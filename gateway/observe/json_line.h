/*
 * json_line: the members of a JSON line, written into room that was reserved for all of it. For
 * the logs that have a line for each request.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/slice.h"

enum {
    JSON_LINE_WORST_ESCAPE = 6,      /* \u0001: bytes that one of a text may become */
    JSON_LINE_PATH_MAX_BYTES = 2048, /* of a path; the rest is cut, so that a line stays a line */
    JSON_LINE_METHOD_MAX_BYTES = 64, /* likewise */
};

void json_line_put(struct buffer *out, struct slice text);
/* `name` is all before the value: ",\"path\":\"". Nothing for an empty value. */
void json_line_text(struct buffer *out, struct slice name, struct slice value);
void json_line_number(struct buffer *out, struct slice name, uint64_t value);
/* As milliseconds with three decimals; nothing if it is negative. */
void json_line_duration(struct buffer *out, struct slice name, usec_t duration);
/* {"time":"..." */
void json_line_begin(struct buffer *out, usec_t wall);
struct slice json_line_cut(struct slice text, size_t most);
