#include "limiter/past_windows.h"

#include "base/memory.h"
#include "base/table.h"

#include <pthread.h>
#include <stdlib.h>

struct past_windows {
    uint64_t seed[2];
    struct past_window *list; /* owned; by hash */
    size_t count, size;
    pthread_mutex_t lock; /* of what follows, and of `used` and `edition` of all */
    uint64_t edition;
};

struct past_windows *past_windows_new(void)
{
    struct past_windows *past = MEMORY_NEW(struct past_windows);
    (void)pthread_mutex_init(&past->lock, NULL);
    return past;
}

void past_windows_free(struct past_windows *past)
{
    if (past != NULL) {
        (void)pthread_mutex_destroy(&past->lock);
        memory_free(past->list);
        memory_free(past);
    }
}

void past_windows_add(struct past_windows *past, const struct past_window *window)
{
    if (past->count == past->size) {
        past->size = past->size == 0 ? 64 : past->size * 2;
        past->list = memory_resize(past->list, past->size * sizeof(struct past_window));
    }
    past->list[past->count++] = *window;
}

static int compare(const void *a, const void *b)
{
    const struct past_window *left = a;
    const struct past_window *right = b;
    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

void past_windows_finish(struct past_windows *past, const uint64_t seed[2])
{
    past->seed[0] = seed[0];
    past->seed[1] = seed[1];
    if (past->count > 0) {
        qsort(past->list, past->count, sizeof(struct past_window), compare);
    }
}

/* The first of that hash, or where it would be. */
static size_t first_of(const struct past_windows *past, uint64_t hash)
{
    size_t from = 0;
    size_t to = past->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (past->list[middle].hash < hash) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t room = (uint64_t)INT64_MAX - a;
    return a + (b < room ? b : room);
}

uint64_t past_windows_change(struct past_windows *past, uint64_t hash, int64_t end_ms,
                             int64_t change)
{
    uint64_t edition = 0;
    if (past == NULL) {
        return 0;
    }
    (void)pthread_mutex_lock(&past->lock);
    for (size_t i = first_of(past, hash); i < past->count && past->list[i].hash == hash; i++) {
        struct past_window *window = &past->list[i];
        if (window->end_ms == end_ms && edition == 0) { /* several add up: one of them is enough */
            uint64_t less = change < 0 ? (uint64_t)-change : 0;
            window->used = change >= 0           ? add(window->used, (uint64_t)change)
                           : less < window->used ? window->used - less
                                                 : 0;
            edition = ++past->edition;
            window->edition = edition;
        }
    }
    (void)pthread_mutex_unlock(&past->lock);
    return edition;
}

/* Under the lock. */
static struct past_window sum_of(const struct past_windows *past, uint64_t hash, int64_t wall_ms)
{
    struct past_window found = {.hash = hash};
    for (size_t i = first_of(past, hash); i < past->count && past->list[i].hash == hash; i++) {
        const struct past_window *window = &past->list[i];
        if (wall_ms < window->start_ms || wall_ms >= window->end_ms) {
            continue;
        }
        found.used = add(found.used, window->used);
        found.edition = window->edition > found.edition ? window->edition : found.edition;
        if (window->end_ms > found.end_ms) {
            found.start_ms = window->start_ms;
            found.end_ms = window->end_ms;
        }
    }
    return found;
}

bool past_windows_find(struct past_windows *past, struct slice key, int64_t wall_ms,
                       struct past_window *ret)
{
    if (past == NULL || past->count == 0) {
        return false;
    }
    (void)pthread_mutex_lock(&past->lock);
    struct past_window found = sum_of(past, table_hash_with(past->seed, key), wall_ms);
    (void)pthread_mutex_unlock(&past->lock);
    if (found.end_ms == 0) {
        return false;
    }
    *ret = found;
    return true;
}
