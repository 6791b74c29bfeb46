/*
 * needles: every way in which the parts of a credential may be written in an answer.
 *
 * Raw, percent-encoded, JSON-escaped, hex and base64, in the variants that common encoders write.
 * No needle contains a line break, so that the end of a line never looks like the beginning of
 * one; they lie in locked memory.
 */
#pragma once

#include "base/slice.h"

struct secret;

enum {
    NEEDLE_PART_MIN = 12,          /* shorter parts are passed over */
    NEEDLE_PIECE = 4096,           /* longer parts are looked for in pieces of this length */
    NEEDLE_MAX = 6 * NEEDLE_PIECE, /* "\u0001" is the longest form of a byte */
};

/* Zero-initialized is empty. */
struct needles {
    struct secret **all; /* owned, and each of them */
    size_t count;
    size_t size;
};

/* Adds all forms of a part. A part of several lines is looked for as a whole where the form has
 * no line breaks, and line by line; lines such as "-----BEGIN PRIVATE KEY-----" are public. */
void needles_add(struct needles *needles, struct slice part);

/* Sorts by bytes and drops what is there twice. */
void needles_sort(struct needles *needles);
void needles_fini(struct needles *needles);
