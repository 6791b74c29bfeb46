/*
 * intake: bytes that were read from a provider and not used yet, for many readers over one scratch.
 *
 * Each read goes into the worker's one scratch, so that a thousand waiting streams own no buffer.
 * Whoever has unread bytes there keeps the scratch until another reader wants it; only then are
 * they copied, into a block of their own: at most what one read gave. One thread only.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>

enum { INTAKE_BYTES = 80 * 1024 }; /* above the largest head that is accepted */

struct intake;

/* The worker's scratch. */
struct intake_scratch {
    struct intake *holder; /* borrowed; whose bytes lie in it, or NULL */
    char bytes[INTAKE_BYTES];
};

struct intake {
    struct intake_scratch *scratch; /* borrowed: outlives it */
    struct slice unread;            /* in the scratch or in `kept` */
    char *kept;                     /* owned; NULL: `unread` is empty or in the scratch */
};

void intake_init(struct intake *intake, struct intake_scratch *scratch);
void intake_fini(struct intake *intake);

/* Where to read to: free bytes behind the unread ones, which may be moved for that. Somebody
 * else's slices into the scratch are invalid afterwards. Its length is 0 if all is in use. */
char *intake_reserve(struct intake *intake, size_t *ret_len);
/* So many bytes were read there. */
void intake_commit(struct intake *intake, size_t count);

static inline void intake_consume(struct intake *intake, size_t count)
{
    intake->unread = slice_skip(intake->unread, count);
}
