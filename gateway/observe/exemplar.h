/*
 * exemplar: a trace that stands for a bucket of a histogram: who looks at a slow bucket has one of
 * its requests to look at.
 *
 * One thread writes, any thread reads, nobody waits: `turn` is odd while it is written, so a reader
 * knows what it must not believe. Fixed in size; the newest replaces the one before.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/trace_context.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXEMPLAR_ID_WORDS = TRACE_ID_LEN / sizeof(uint64_t) };

struct exemplar { /* zeros: there is none */
    _Atomic uint64_t turn;
    _Atomic uint64_t id[EXEMPLAR_ID_WORDS]; /* the digits as they are */
    _Atomic int64_t value, wall;
};

/* A copy. */
struct exemplar_view {
    char id[TRACE_ID_LEN];
    usec_t value; /* what the bucket counts */
    usec_t wall;  /* when, since 1970 */
};

/* By the one writer. The view's id is a trace's: hexadecimal digits, which need no escape. */
void exemplar_write(struct exemplar *exemplar, const struct exemplar_view *view);

/* False: there is none, or it was written whenever it was looked at. */
bool exemplar_read(const struct exemplar *exemplar, struct exemplar_view *ret);
