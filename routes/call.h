/*
 * call: what kind of call a request is, by its method and path: which members of its body say what
 * it may use, and how its answer says what it used. From the profile's "calls"
 * (profiles/README.md).
 */
#pragma once

#include "base/slice.h"
#include "routes/usage_table.h"

#include <stdbool.h>
#include <stdint.h>

struct profile;

enum { CALL_NAMES_MAX = 8 }; /* in each list of names of members */

struct call_names {
    const struct slice *names;
    unsigned count;
};

/* Input that the provider adds by itself where the member is there: the words that explain tools to
 * the model, for example. */
struct added_input {
    struct slice member;
    uint64_t tokens;
};

struct object_rule;

struct call {
    struct slice method;             /* "POST" */
    struct slice path;               /* as in an allow rule: "/v1/chat/completions" */
    const struct usage_table *usage; /* how its answers say what they used */
    enum usage_dialect dialect;      /* of that */
    bool repeatable;                 /* see call_may_repeat() */
    /* What it makes, where its path alone says so, be it nothing (NULL): else object_rule_find().
     */
    bool object_known;
    const struct object_rule *object;
    bool any_body; /* it may be anything, and nothing is read in it but what `usage` asks for */
    struct slice streams; /* the answer is a stream: "always", or with this in the query */
    bool include_usage; /* its streams tell their usage only if stream_options.include_usage asks */
    /* Names of members at the top of the request's JSON body; an empty one: there is none. */
    struct slice model;
    struct slice stream;       /* true: the answer is an event stream */
    struct call_names choices; /* how many answers: "n"; the largest counts */
    struct slice batch; /* in a list there each text, and each list, is an input of its own */
    const struct slice
        *output_limits;          /* most tokens of output; the first is the one that is written */
    unsigned output_limit_count; /* 0: such a call has no output (embeddings) */
    uint64_t output_default;     /* the limit where none is sent; 0: the model's */
    uint64_t output_each;        /* of a call without limits: tokens for each choice, at most */
    struct slice nested;         /* a member that holds, as members of its own, these two: */
    struct slice nested_limit, nested_choices;
    const struct added_input *added_input;
    unsigned added_input_count;
    struct call_names references; /* what they name is input beyond the body */
    /* Anywhere in the body: */
    const struct slice *text_types; /* values of "type" that are text alone */
    unsigned text_type_count;
    struct call_names text_members; /* are text, whatever is in them: schemas, for example */
    struct call_names attachments;  /* lead to input beyond the body, wherever they are */
    struct call_names contents;     /* an object with an "id" and none of these stands for something
                                       that the provider keeps */
};

/* A request that costs twice when it is sent twice, but does no harm. */
struct repeatable_call {
    struct slice method;
    struct slice path; /* as in an allow rule: a segment may be "*" */
};

/* Is it one? By method and path alone, so also where nobody reads the body. */
bool call_may_repeat(const struct profile *profile, struct slice method, struct slice path);

/* NULL: no call that the profile knows. `path` is the target behind the route's, without the query.
 */
const struct call *call_find(const struct profile *profile, struct slice method, struct slice path);

/* The model that the call's path names, a part of it, as it stands there; empty: it names none. */
struct slice call_path_model(const struct call *call, struct slice path);

/* Whether the call's path and query alone make the answer a stream. */
bool call_streams(const struct call *call, struct slice query);

/* Whether there can be output: it is limited, or of a known size. */
static inline bool call_has_output(const struct call *call)
{
    return call->output_limit_count > 0 || call->nested_limit.len > 0 || call->output_each > 0;
}
