/* kept_head: an answer's head with its own bytes, so that it outlives what it was read from. */
#pragma once

#include "base/http1.h"

struct kept_head {
    struct http1_response response;
    struct kept_head *next;      /* of an attempt's, where several may wait */
    struct http1_field fields[]; /* response.field_count of them, then the head's bytes */
};

/* `bytes`: what `response` was read from. Free it with memory_free(). */
struct kept_head *kept_head_new(const struct http1_response *response, const char *bytes);
