/*
 * wait_line: requests that wait for room in a quota, or for the one under the same idempotency key,
 * first come, first served: a line a key, for the whole process, whichever worker a request is on.
 *
 * Nothing is booked by standing in a line. Only its head asks the store again; the others learn
 * that they have become the head. Leaving costs nothing. At most WAIT_LINE_MAX in a line. Places
 * are used on their own worker's thread alone; other workers' waiters are woken by mailbox.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct mailbox;
struct waiter;
struct wait_lines;
struct wait_place;

enum { WAIT_LINE_MAX = 1000 };

struct wait_lines *wait_lines_new(void);
void wait_lines_free(struct wait_lines *lines); /* takes NULL; nobody waits any more */

/* Is anyone in this key's line? Then who comes now has to stand behind. One atomic read if no line
 * of the process has anyone in it. */
bool wait_line_busy(struct wait_lines *lines, struct slice key);

/* At the line's end. NULL: it is full. `waiter`, of the worker that reads `mailbox`, is woken when
 * the place becomes the head, and, while it is, when there may be room. */
struct wait_place *wait_line_join(struct wait_lines *lines, struct slice key,
                                  struct mailbox *mailbox, struct waiter *waiter);
/* The same for a line of requests that must be alike: its first one's `tag` is the line's. NULL,
 * and *ret_other: another tag stands in it. */
struct wait_place *wait_line_join_alike(struct wait_lines *lines, struct slice key, uint64_t tag,
                                        struct mailbox *mailbox, struct waiter *waiter,
                                        bool *ret_other);
bool wait_place_is_head(const struct wait_place *place);
struct slice wait_place_key(const struct wait_place *place);
/* Takes it out of the line and frees it; NULL allowed. The next one becomes the head. */
void wait_place_leave(struct wait_place *place);

/* Something was given back: wakes the head of this key's line, if there is one. */
void wait_line_room(struct wait_lines *lines, struct slice key);

/* How many wait in all lines, for the metric quota_waiting. */
unsigned wait_lines_count(const struct wait_lines *lines);
