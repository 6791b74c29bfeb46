#include "gateway/ledger/ledger_charges.h"

struct window_key {
    uint64_t hash, epoch;
    int64_t end_ms;
};

struct place {
    struct window_key key; /* the index borrows it */
    struct ledger_window window;
};

static struct slice key_bytes(const struct window_key *key)
{
    return slice_make((const char *)key, sizeof(*key));
}

static struct ledger_window *make(struct ledger_charges *charges, const struct window_key *key,
                                  const struct ledger_charge *charge)
{
    struct place *place = ARENA_NEW(&charges->arena, struct place);
    place->key = *key;
    place->window.sum = *charge;
    place->window.sum.amount = 0;
    place->window.next = charges->first;
    charges->first = &place->window;
    charges->count++;
    (void)table_add(&charges->index, key_bytes(&place->key), &place->window);
    return &place->window;
}

void ledger_charges_add(struct ledger_charges *charges, const struct ledger_charge *charge)
{
    const struct window_key key = {charge->hash, charge->epoch, charge->end_ms};
    if (charge->amount == 0) {
        return;
    }
    struct ledger_window *window = table_get(&charges->index, key_bytes(&key));
    if (window == NULL && charges->count >= LEDGER_WINDOWS_MAX) {
        charges->lost++;
        return;
    }
    if (window == NULL) {
        window = make(charges, &key, charge);
    }
    uint64_t room = (uint64_t)INT64_MAX - window->sum.amount;
    window->sum.amount += charge->amount < room ? charge->amount : room;
}

void ledger_charges_fini(struct ledger_charges *charges)
{
    table_fini(&charges->index);
    arena_fini(&charges->arena);
    *charges = (struct ledger_charges){0};
}
