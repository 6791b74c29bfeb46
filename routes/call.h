/*
 * call: what kind of call a request is, by its method and path: which members of its body say what
 * it may use, and how its answer says what it used. From the profile's "calls"
 * (profiles/README.md).
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct profile;

/* How answers say what was used, and how their event streams look. */
enum usage_dialect {
    USAGE_OPENAI_CHAT,      /* usage.prompt_tokens; chunks, then "data: [DONE]" */
    USAGE_OPENAI_RESPONSES, /* usage.input_tokens; "event: response.completed" */
    USAGE_ANTHROPIC,        /* usage.input_tokens; message_start, message_delta */
};

struct call {
    struct slice method; /* "POST" */
    struct slice path;   /* as in an allow rule: "/v1/chat/completions" */
    enum usage_dialect dialect;
    /* Names of members at the top of the request's JSON body; an empty one: there is none. */
    struct slice model;
    struct slice stream;  /* true: the answer is an event stream */
    struct slice choices; /* how many answers: "n" */
    const struct slice
        *output_limits;          /* most tokens of output; the first is the one that is written */
    unsigned output_limit_count; /* 0: such a call has no output (embeddings) */
    const struct slice
        *text_types; /* values of "type", anywhere in the body, that are text alone */
    unsigned text_type_count;
    const struct slice
        *references; /* members at the top that refer to more input than the body has */
    unsigned reference_count;
};

/* NULL: no call that the profile knows. `path` is the target behind the route's, without the query.
 */
const struct call *call_find(const struct profile *profile, struct slice method, struct slice path);
