/*
 * memory: allocation that cannot fail (it aborts), and arenas that are freed as a whole.
 *
 * Anything that a peer can grow is bounded before it gets here: see buffer.h for capped buffers.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stddef.h>

/* Zeroed. */
MUST_USE void *memory_alloc(size_t size);
MUST_USE void *memory_resize(void *ptr, size_t size); /* like realloc; the new part is not zeroed */
MUST_USE void *memory_reserve(size_t size);           /* not zeroed */
MUST_USE char *memory_copy(struct slice text);        /* NUL-terminated */
void memory_free(void *ptr);                          /* takes NULL */
/* For CLEANUP() on a `char *` or `void *` variable. */
void memory_free_at(void *pointer_to_pointer);

#define MEMORY_NEW(type) ((type *)memory_alloc(sizeof(type)))

/* Zeroed up to `member`: what is from there on must be set before it is read. For large ones of
 * which most is not needed each time. */
#define MEMORY_NEW_UPTO(type, member)                                                              \
    ((type *)memory_reserve_zeroed(sizeof(type), offsetof(type, member)))
MUST_USE void *memory_reserve_zeroed(size_t size, size_t zeroed);

/* Grows `array` (with `count` used of `*size`) so that one more fits. */
#define MEMORY_GROW(array, count, size)                                                            \
    do {                                                                                           \
        if ((count) == *(size)) {                                                                  \
            *(size) = *(size) == 0 ? 8 : *(size)*2;                                                \
            (array) = memory_resize((array), *(size) * sizeof(*(array)));                          \
        }                                                                                          \
    } while (0)

struct arena_block;

/* Zero-initialized is an empty arena. */
struct arena {
    struct arena_block *blocks; /* owned */
    char *next;                 /* free space in the newest block */
    char *end;
};

/* Zeroed, aligned for any type. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* Not zeroed. */
MUST_USE void *arena_reserve(struct arena *arena, size_t size);
MUST_USE struct slice arena_copy(struct arena *arena, struct slice bytes); /* NUL follows */
MUST_USE const char *arena_print(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
void arena_fini(struct arena *arena);

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))
