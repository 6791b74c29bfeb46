/*
 * scrub: takes a credential out of what comes back: raw, percent-encoded, JSON-escaped, hex (both
 * cases), base64 (three alignments, both alphabets), each byte of a match replaced by '*'.
 *
 * Works over any split of the stream: only bytes that may begin a match are held back, so a
 * stream event's closing newline never is. Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct buffer;
struct scrubber;

enum {
    SCRUB_SECRET_MIN = 12,  /* shorter parts are not scrubbed */
    SCRUB_HELD_MAX = 32768, /* most bytes that one state may hold back: the longest needle */
};

/* Compiles the needles of all parts. Immutable afterwards; shared by threads. NULL if no part is
 * long enough. */
struct scrubber *scrubber_new(const struct slice *parts, unsigned count);
void scrubber_free(struct scrubber *scrubber); /* wipes; takes NULL */

/* One stream being scrubbed, by one scrubber. Zero-initialized is its beginning. */
struct scrub_state {
    char *held; /* owned; bytes that may begin a match */
    size_t held_len;
    size_t held_size;
    size_t covered;                  /* so many of them belong to a match that began before */
    unsigned hits;                   /* matches replaced so far */
    const struct scrubber *scrubber; /* borrowed: outlives the state; NULL before the first byte */
};

/* Appends the clean bytes of held + input to `out` and holds the rest back. The caller has made
 * room: at most held_len + input.len bytes are appended (STATUS_TOO_LARGE otherwise). */
MUST_USE enum status scrub(const struct scrubber *scrubber, struct scrub_state *state,
                           struct slice input, struct buffer *out);
/* What is held is no match: appends it. At the end of the stream. */
MUST_USE enum status scrub_end(struct scrub_state *state, struct buffer *out);
void scrub_state_fini(struct scrub_state *state); /* wipes */

/* In one piece and in place, for heads. Returns how many matches were replaced. */
unsigned scrub_in_place(const struct scrubber *scrubber, char *ptr, size_t len);
/* Whether a whole match is in `bytes`: of texts to which nothing is added. */
MUST_USE int scrub_has_match(const struct scrubber *scrubber, struct slice bytes);
/* Whether `bytes` surely has no match nor the beginning of one at its end, so that it can be passed
 * on as it is while nothing is held: the fast path. */
MUST_USE int scrub_is_clean(const struct scrubber *scrubber, struct slice bytes);
