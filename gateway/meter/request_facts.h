/*
 * request_facts: what a request's body says about what it may use, found in one pass without a
 * tree.
 *
 * The body is UTF-8 JSON that is not encoded; a member that is read here and occurs twice at its
 * level, or has a wrong type, refuses the request (400), for the provider may read it differently.
 * null counts as absent.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct call;

enum { MODEL_NAME_MAX = 128 };

struct request_facts {
    char model[MODEL_NAME_MAX + 1]; /* as the body has it, unescaped; "": none */
    bool text_only;                 /* nothing but text is sent: a byte is at most one token */
    uint64_t text_bytes;            /* of the whole body, and what the provider adds to it */
    uint64_t inputs;                /* that are read one by one, each up to the model's context */
    bool has_output_limit;
    uint64_t output_limit; /* of each choice: the largest of the members that are there, or the
                              provider's own for calls that have none */
    uint64_t choices;      /* of all inputs together; 1 if not said */
    bool stream;
    bool include_usage; /* OpenAI: stream_options.include_usage is true */
};

/* `call` NULL: of an unknown call: "model" is looked for at the top, nothing else. Errors say which
 * member, and what is wrong with it; they quote nothing of the body. */
MUST_USE enum status request_facts_read(const struct call *call, struct slice body,
                                        struct request_facts *ret, struct error *err);

/* The body with `"NAME":limit` put in as its first member; if it has NAME with null, with the limit
 * in its place. The body was read before. */
MUST_USE enum status request_write_output_limit(struct slice body, struct slice name,
                                                uint64_t limit, struct buffer *out);

/* The body with stream_options.include_usage true: in what is there of "stream_options", else as
 * its first member. STATUS_INVALID: that is no object, or may be read in two ways. */
MUST_USE enum status request_write_include_usage(struct slice body, struct buffer *out);
/* How much longer that makes it, at most. */
enum { INCLUDE_USAGE_MAX = 64 };
