#include "gateway/upstream/h2_memory.h"

#include "base/memory.h"
#include "base/secret.h"

#include <stdalign.h>
#include <stddef.h>
#include <string.h>

/* Before each piece: free() is not told how long it is. */
struct piece {
    size_t size;
    alignas(max_align_t) char bytes[];
};

static struct piece *piece_of(void *ptr)
{
    return (struct piece *)((char *)ptr - offsetof(struct piece, bytes));
}

/* Sizes are nghttp2's own, of what it has bounded: they do not overflow. */
static void *make(size_t size, void *ctx)
{
    (void)ctx;
    struct piece *piece = memory_reserve(sizeof(*piece) + size);
    piece->size = size;
    return piece->bytes;
}

static void drop(void *ptr, void *ctx)
{
    (void)ctx;
    if (ptr != NULL) {
        struct piece *piece = piece_of(ptr);
        secret_wipe(piece->bytes, piece->size);
        memory_free(piece);
    }
}

static void *make_zeroed(size_t count, size_t size, void *ctx)
{
    void *ptr = make(count * size, ctx);
    memset(ptr, 0, count * size);
    return ptr;
}

/* Never where it is: what libc moves it leaves behind. */
static void *resize(void *ptr, size_t size, void *ctx)
{
    void *moved = make(size, ctx);
    if (ptr != NULL) {
        size_t old = piece_of(ptr)->size;
        memcpy(moved, ptr, old < size ? old : size);
        drop(ptr, ctx);
    }
    return moved;
}

nghttp2_mem *h2_memory(void)
{
    static nghttp2_mem memory = {NULL, make, drop, make_zeroed, resize};
    return &memory;
}
