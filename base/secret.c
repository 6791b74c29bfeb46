#include "base/secret.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <openssl/crypto.h>

/*
 * The bytes lie in pages that are locked and left out of dumps. RLIMIT_MEMLOCK may be small, so
 * short secrets share pages: a page is cut into pieces of one size, and free pieces are kept in a
 * list for each size. Such pages are kept for the next secret; longer ones have a mapping of their
 * own. The struct itself is on the heap, so that a leak checker sees one that is not freed.
 */
enum { PAGE_BYTES = 4096, SIZES = 3 };

static const size_t piece_sizes[SIZES] = {64, 256, 1024};

struct piece {
    struct piece *next;
};

struct secret {
    size_t len;
    size_t room; /* of the piece or mapping */
    char *bytes; /* owned */
};

/* As malloc's: the process's, for what a page costs is the process's. */
static struct {
    pthread_mutex_t mutex;
    struct piece *free[SIZES];
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *map_locked(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        (void)fputs("sallyport: out of memory\n", stderr);
        abort();
    }
    /* Best effort: beyond the limit the bytes may be swapped out, and that is all. */
    (void)mlock(pages, size);
    (void)madvise(pages, size, MADV_DONTDUMP);
    return pages;
}

static void cut_page(unsigned index)
{
    char *page = map_locked(PAGE_BYTES);
    for (size_t at = 0; at < PAGE_BYTES; at += piece_sizes[index]) {
        struct piece *piece = (struct piece *)(void *)(page + at);
        piece->next = pool.free[index];
        pool.free[index] = piece;
    }
}

/* SIZES: a mapping of its own. */
static unsigned size_index(size_t len)
{
    unsigned index = 0;
    while (index < SIZES && piece_sizes[index] < len) {
        index++;
    }
    return index;
}

static char *take_piece(unsigned index)
{
    (void)pthread_mutex_lock(&pool.mutex);
    if (pool.free[index] == NULL) {
        cut_page(index);
    }
    struct piece *piece = pool.free[index];
    pool.free[index] = piece->next;
    (void)pthread_mutex_unlock(&pool.mutex);
    return (char *)piece;
}

static void give_piece_back(char *bytes, unsigned index)
{
    struct piece *piece = (struct piece *)(void *)bytes;
    (void)pthread_mutex_lock(&pool.mutex);
    piece->next = pool.free[index];
    pool.free[index] = piece;
    (void)pthread_mutex_unlock(&pool.mutex);
}

struct secret *secret_new(struct slice bytes)
{
    struct secret *secret = MEMORY_NEW(struct secret);
    unsigned index = size_index(bytes.len);
    secret->len = bytes.len;
    if (index < SIZES) {
        secret->room = piece_sizes[index];
        secret->bytes = take_piece(index);
    } else {
        secret->room = (bytes.len + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        secret->bytes = map_locked(secret->room);
    }
    if (bytes.len > 0) {
        memcpy(secret->bytes, bytes.ptr, bytes.len);
    }
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL) {
        return;
    }
    secret_wipe(secret->bytes, secret->room);
    unsigned index = size_index(secret->len);
    if (index < SIZES) {
        give_piece_back(secret->bytes, index);
    } else {
        (void)munmap(secret->bytes, secret->room);
    }
    memory_free(secret);
}

void secret_free_at(struct secret **secret)
{
    secret_free(*secret);
}

struct slice secret_reveal(const struct secret *secret)
{
    return slice_make(secret->bytes, secret->len);
}

bool secret_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void secret_wipe(void *ptr, size_t len)
{
    if (len > 0) {
        explicit_bzero(ptr, len);
    }
}

void secret_protect_process(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
}
