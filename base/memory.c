#include "base/memory.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BLOCK_BYTES = 4096 - 16 };

/* glibc keeps what was freed of that size a thread, without a lock; its calloc() does not look
 * there. Larger pieces may be fresh pages, which calloc() knows to be zero. */
enum { QUICK_BYTES = 1024 };

struct arena_block {
    struct arena_block *older;
    alignas(max_align_t) char bytes[];
};

static void *checked(void *ptr)
{
    if (ptr == NULL) {
        (void)fputs("sallyport: out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void *memory_alloc(size_t size)
{
    if (size == 0 || size > QUICK_BYTES) {
        return checked(calloc(1, size == 0 ? 1 : size));
    }
    void *ptr = checked(malloc(size));
    explicit_bzero(ptr, size); /* gcc makes a calloc() of malloc() and memset() */
    return ptr;
}

void *memory_reserve(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *memory_reserve_zeroed(size_t size, size_t zeroed)
{
    return memset(memory_reserve(size), 0, zeroed);
}

void *memory_resize(void *ptr, size_t size)
{
    return checked(realloc(ptr, size == 0 ? 1 : size));
}

char *memory_copy(struct slice text)
{
    char *copy = memory_resize(NULL, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

void memory_free(void *ptr)
{
    free(ptr);
}

void memory_free_at(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

static void add_block(struct arena *arena, size_t room)
{
    struct arena_block *block = memory_resize(NULL, sizeof(*block) + room);
    block->older = arena->blocks;
    arena->blocks = block;
    arena->next = block->bytes;
    arena->end = block->bytes + room;
}

void *arena_reserve(struct arena *arena, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if ((size_t)(arena->end - arena->next) < rounded || arena->next == NULL) {
        size_t usual = ARENA_BLOCK_BYTES - sizeof(struct arena_block);
        if (rounded > usual / 4 && arena->blocks != NULL) {
            /* A large one gets a block of its own, behind the newest, whose room stays in use. */
            struct arena_block *block = memory_resize(NULL, sizeof(*block) + rounded);
            block->older = arena->blocks->older;
            arena->blocks->older = block;
            return block->bytes;
        }
        add_block(arena, rounded > usual ? rounded : usual);
    }
    void *result = arena->next;
    arena->next += rounded;
    return result;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *result = arena_reserve(arena, size);
    memset(result, 0, size);
    return result;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    char *copy = arena_reserve(arena, bytes.len + 1);
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    copy[bytes.len] = '\0';
    return slice_make(copy, bytes.len);
}

const char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_reserve(arena, (size_t)len + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_fini(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    *arena = (struct arena){0};
}
