#include "gateway/observe/exemplar.h"

#include <string.h>

/* Each word is stored with release and loaded with acquire: a reader that sees any word of a turn
 * sees that this turn has begun, too. There are no fences, which ThreadSanitizer does not know. */
void exemplar_write(struct exemplar *exemplar, const struct exemplar_view *view)
{
    uint64_t words[EXEMPLAR_ID_WORDS];
    uint64_t turn = atomic_load_explicit(&exemplar->turn, memory_order_relaxed);
    memcpy(words, view->id, sizeof(words));
    atomic_store_explicit(&exemplar->turn, turn + 1, memory_order_relaxed);
    for (unsigned i = 0; i < EXEMPLAR_ID_WORDS; i++) {
        atomic_store_explicit(&exemplar->id[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&exemplar->value, view->value, memory_order_release);
    atomic_store_explicit(&exemplar->wall, view->wall, memory_order_release);
    atomic_store_explicit(&exemplar->turn, turn + 2, memory_order_release);
}

bool exemplar_read(const struct exemplar *exemplar, struct exemplar_view *ret)
{
    enum { TRIES_MAX = 8 };
    for (unsigned try = 0; try < TRIES_MAX; try++) {
        uint64_t words[EXEMPLAR_ID_WORDS];
        uint64_t turn = atomic_load_explicit(&exemplar->turn, memory_order_acquire);
        for (unsigned i = 0; i < EXEMPLAR_ID_WORDS; i++) {
            words[i] = atomic_load_explicit(&exemplar->id[i], memory_order_acquire);
        }
        ret->value = atomic_load_explicit(&exemplar->value, memory_order_acquire);
        ret->wall = atomic_load_explicit(&exemplar->wall, memory_order_acquire);
        if (turn % 2 == 0 && turn == atomic_load_explicit(&exemplar->turn, memory_order_relaxed)) {
            memcpy(ret->id, words, sizeof(words));
            return turn > 0;
        }
    }
    return false;
}
