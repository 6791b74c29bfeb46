#include "gateway/webhook/queue_under_way.h"

#include "base/memory.h"

#include <assert.h>

enum { FEWEST_PLACES = 64 };

/* Numbers come from here, not from peers, and they follow each other. */
static size_t home_of(const struct queue_under_way *set, int64_t number)
{
    uint64_t mixed = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (set->size - 1);
}

/* Where it is, or where it would be put. */
static size_t place_of(const struct queue_under_way *set, int64_t number)
{
    size_t place = home_of(set, number);
    while (set->places[place] != 0 && set->places[place] != number) {
        place = (place + 1) & (set->size - 1);
    }
    return place;
}

static void resize(struct queue_under_way *set, size_t size)
{
    struct queue_under_way larger = {
        .places = memory_alloc(size * sizeof(*set->places)), .size = size, .count = set->count};
    for (size_t i = 0; i < set->size; i++) {
        if (set->places[i] != 0) {
            larger.places[place_of(&larger, set->places[i])] = set->places[i];
        }
    }
    memory_free(set->places);
    *set = larger;
}

void queue_under_way_fini(struct queue_under_way *set)
{
    memory_free(set->places);
    *set = (struct queue_under_way){0};
}

bool queue_under_way_has(const struct queue_under_way *set, int64_t number)
{
    return set->count > 0 && set->places[place_of(set, number)] == number;
}

void queue_under_way_add(struct queue_under_way *set, int64_t number)
{
    assert(number != 0);
    if (set->count * 2 >= set->size) {
        resize(set, set->size == 0 ? FEWEST_PLACES : set->size * 2);
    }
    size_t place = place_of(set, number);
    assert(set->places[place] == 0);
    set->places[place] = number;
    set->count++;
}

/* Those behind it that would not be found any more move up. */
void queue_under_way_remove(struct queue_under_way *set, int64_t number)
{
    assert(queue_under_way_has(set, number));
    size_t mask = set->size - 1;
    size_t hole = place_of(set, number);
    for (size_t at = (hole + 1) & mask; set->places[at] != 0; at = (at + 1) & mask) {
        size_t home = home_of(set, set->places[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            set->places[hole] = set->places[at];
            hole = at;
        }
    }
    set->places[hole] = 0;
    set->count--;
}
