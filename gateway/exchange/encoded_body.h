/*
 * encoded_body: the bytes of an encoded body, which leave as they came, but only once all that they
 * decode to was looked at: here for the credential, and by whoever reads the text that is given
 * out. A byte of text that may belong to a match holds back the encoded ones that it came in. A
 * match in the text, or in the encoded bytes themselves (what is stored, or beside the text), is
 * refused: it cannot be taken out.
 *
 * Knows no HTTP and nothing of an exchange. Its caller asks for steps, and brings bytes and takes
 * text when it is told to. Only for gateway/exchange.
 */
#pragma once

#include "base/slice.h"
#include "gateway/meter/decode.h"
#include "routes/codings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct scrubber;

enum {
    ENCODED_TEXT_BYTES = 16 * 1024, /* decoded in a step, at most */
    ENCODED_HELD_MAX = 512 * 1024,  /* of the encoded bytes: a block of zstd, what came behind it,
                                       and what 32 KiB of text may be a match's beginning in */
};

enum encoded_want {
    ENCODED_STEP,  /* encoded_body_step() */
    ENCODED_TEXT,  /* look at encoded_body_text(), then encoded_body_seen() */
    ENCODED_BYTES, /* all is decoded and looked at: encoded_body_put(), or encoded_body_end() */
    ENCODED_OVER,  /* encoded_body_end() was called: all may leave */
    ENCODED_REFUSED,
};

enum encoded_refusal {
    ENCODED_UNREADABLE,
    ENCODED_MATCH, /* the credential is in it */
    ENCODED_NO_MEMORY,
};

struct encoded_body;

/* NULL: `memory` has no room. `scrubber` may be NULL; `scratch` takes two steps' text and
 * SCRUB_HELD_MAX, and is empty between calls. Both are borrowed. All bytes that are held, and the
 * decoder's window, are asked of `memory`. */
struct encoded_body *encoded_body_new(enum coding coding, const struct scrubber *scrubber,
                                      struct buffer *scratch, const struct decode_memory *memory);
void encoded_body_free(struct encoded_body *body); /* wipes; takes NULL */

enum encoded_want encoded_body_wants(const struct encoded_body *body);
void encoded_body_step(struct encoded_body *body);

struct slice encoded_body_text(const struct encoded_body *body);
void encoded_body_seen(struct encoded_body *body, size_t count);

/* Takes bytes from the front of `data`, and says how many. */
size_t encoded_body_put(struct encoded_body *body, struct slice data);
/* There are no more. */
void encoded_body_end(struct encoded_body *body);

/* The bytes at the front that may leave, until the next call that is not one of these two. */
struct slice encoded_body_clear(const struct encoded_body *body);
void encoded_body_leave(struct encoded_body *body, size_t count);

uint64_t encoded_body_received(const struct encoded_body *body); /* bytes that were put */
size_t encoded_body_held(const struct encoded_body *body);       /* of them, that have not left */
/* What was done so far, in decoded bytes: a step is some, too. */
uint64_t encoded_body_work(const struct encoded_body *body);

/* After ENCODED_REFUSED. The text goes on a sentence "the answer is encoded, and ..."; static. */
enum encoded_refusal encoded_body_refusal(const struct encoded_body *body, const char **ret_why);
