#include "gateway/exchange/wait_line.h"

#include "base/memory.h"
#include "base/table.h"
#include "base/waiter.h"
#include "gateway/loop/mailbox.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { LINE_CHAINS = 1024 };

/* There is one while somebody stands in it. */
struct line {
    struct line *next; /* of its chain */
    struct wait_place *first, *last;
    unsigned count;
    uint64_t hash;
    uint64_t tag;
    struct slice key; /* follows in the same allocation */
};

/* Freed when its owner has left and no letter to it is on its way. */
struct wait_place {
    struct letter letter;
    struct wait_lines *lines; /* borrowed */
    struct line *line;        /* under the lock; NULL: has left */
    struct wait_place *next, *prev;
    struct mailbox *mailbox; /* borrowed; of its owner's worker */
    struct waiter *waiter;   /* borrowed; on that worker's thread */
    atomic_bool head;
    bool posted; /* under the lock: the letter is on its way */
};

/* The lock is held for a few pointers; letters are posted under it, so that a worker that has left
 * all its lines gets none any more. */
struct wait_lines {
    pthread_mutex_t lock;
    struct line *chains[LINE_CHAINS];
    atomic_uint waiting;
};

struct wait_lines *wait_lines_new(void)
{
    struct wait_lines *lines = MEMORY_NEW(struct wait_lines);
    (void)pthread_mutex_init(&lines->lock, NULL);
    return lines;
}

void wait_lines_free(struct wait_lines *lines)
{
    if (lines == NULL) {
        return;
    }
    assert(atomic_load(&lines->waiting) == 0);
    (void)pthread_mutex_destroy(&lines->lock);
    memory_free(lines);
}

static void lock(struct wait_lines *lines)
{
    (void)pthread_mutex_lock(&lines->lock);
}

static void unlock(struct wait_lines *lines)
{
    (void)pthread_mutex_unlock(&lines->lock);
}

static struct line **find(struct wait_lines *lines, struct slice key, uint64_t hash)
{
    struct line **at = &lines->chains[hash % LINE_CHAINS];
    while (*at != NULL && ((*at)->hash != hash || !slice_equal((*at)->key, key))) {
        at = &(*at)->next;
    }
    return at;
}

static struct line *new_line(struct slice key, uint64_t hash)
{
    struct line *line = memory_alloc(sizeof(*line) + key.len);
    char *copy = (char *)(line + 1);
    memcpy(copy, key.ptr, key.len);
    line->key = slice_make(copy, key.len);
    line->hash = hash;
    return line;
}

/* ---- letters ---- */

static void on_letter(struct letter *letter, void *receiver)
{
    struct wait_place *place = (struct wait_place *)letter;
    struct wait_lines *lines = place->lines;
    (void)receiver;
    lock(lines);
    place->posted = false;
    bool left = place->line == NULL;
    unlock(lines);
    if (left) {
        memory_free(place);
    } else {
        wake(place->waiter);
    }
}

/* Under the lock. */
static void tell(struct wait_place *place)
{
    if (!place->posted) {
        place->posted = true;
        place->letter.run = on_letter;
        mailbox_post(place->mailbox, &place->letter);
    }
}

/* ---- places ---- */

bool wait_line_busy(struct wait_lines *lines, struct slice key)
{
    if (atomic_load_explicit(&lines->waiting, memory_order_relaxed) == 0) {
        return false;
    }
    uint64_t hash = table_hash(key);
    lock(lines);
    bool busy = *find(lines, key, hash) != NULL;
    unlock(lines);
    return busy;
}

struct wait_place *wait_line_join(struct wait_lines *lines, struct slice key,
                                  struct mailbox *mailbox, struct waiter *waiter)
{
    bool other;
    return wait_line_join_alike(lines, key, 0, mailbox, waiter, &other);
}

struct wait_place *wait_line_join_alike(struct wait_lines *lines, struct slice key, uint64_t tag,
                                        struct mailbox *mailbox, struct waiter *waiter,
                                        bool *ret_other)
{
    uint64_t hash = table_hash(key);
    struct wait_place *place = MEMORY_NEW(struct wait_place);
    place->lines = lines;
    place->mailbox = mailbox;
    place->waiter = waiter;
    lock(lines);
    struct line **at = find(lines, key, hash);
    *ret_other = *at != NULL && (*at)->tag != tag;
    if (*ret_other || (*at != NULL && (*at)->count >= WAIT_LINE_MAX)) {
        unlock(lines);
        memory_free(place);
        return NULL;
    }
    if (*at == NULL) {
        *at = new_line(key, hash);
        (*at)->tag = tag;
    }
    struct line *line = *at;
    place->line = line;
    place->prev = line->last;
    if (line->last != NULL) {
        line->last->next = place;
    } else {
        line->first = place;
        atomic_store(&place->head, true);
    }
    line->last = place;
    line->count++;
    (void)atomic_fetch_add(&lines->waiting, 1);
    unlock(lines);
    return place;
}

bool wait_place_is_head(const struct wait_place *place)
{
    return atomic_load(&place->head);
}

struct slice wait_place_key(const struct wait_place *place)
{
    return place->line->key; /* as long as the owner stands there, the line does not move */
}

/* Under the lock. */
static void unlink_place(struct wait_place *place)
{
    struct line *line = place->line;
    if (place->prev != NULL) {
        place->prev->next = place->next;
    } else {
        line->first = place->next;
    }
    if (place->next != NULL) {
        place->next->prev = place->prev;
    } else {
        line->last = place->prev;
    }
    line->count--;
    place->line = NULL;
}

void wait_place_leave(struct wait_place *place)
{
    if (place == NULL) {
        return;
    }
    struct wait_lines *lines = place->lines;
    lock(lines);
    struct line *line = place->line;
    unlink_place(place);
    if (line->first == NULL) {
        struct line **at = find(lines, line->key, line->hash);
        *at = line->next;
        memory_free(line);
    } else if (atomic_load(&place->head)) {
        atomic_store(&line->first->head, true);
        tell(line->first);
    }
    (void)atomic_fetch_sub(&lines->waiting, 1);
    bool posted = place->posted;
    unlock(lines);
    if (!posted) { /* else the letter frees it */
        memory_free(place);
    }
}

void wait_line_room(struct wait_lines *lines, struct slice key)
{
    if (atomic_load_explicit(&lines->waiting, memory_order_relaxed) == 0) {
        return;
    }
    uint64_t hash = table_hash(key);
    lock(lines);
    const struct line *line = *find(lines, key, hash);
    if (line != NULL) {
        tell(line->first);
    }
    unlock(lines);
}

unsigned wait_lines_count(const struct wait_lines *lines)
{
    return atomic_load(&lines->waiting);
}
