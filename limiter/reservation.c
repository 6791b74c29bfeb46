#include "limiter/reservation.h"

#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <string.h>

/* Where the next key goes: kept behind the demands, in front of the keys. */
static char *keys_of(struct reservation *reservation)
{
    return (char *)&reservation->demands[reservation->count];
}

struct reservation *reservation_new(unsigned count, size_t key_bytes)
{
    assert(count <= RESERVATION_DEMANDS_MAX);
    struct reservation *reservation =
        memory_alloc(sizeof(*reservation) + count * sizeof(struct demand) + key_bytes);
    reservation->count = count;
    reservation->key_room = key_bytes;
    return reservation;
}

void reservation_free(struct reservation *reservation)
{
    if (reservation != NULL && reservation->release != NULL) {
        reservation->release(reservation->owner);
    }
    memory_free(reservation);
}

struct slice reservation_keep_key(struct reservation *reservation, struct slice key)
{
    assert(reservation->key_room - reservation->key_bytes >= key.len);
    char *place = keys_of(reservation) + reservation->key_bytes;
    if (key.len > 0) {
        memcpy(place, key.ptr, key.len);
    }
    reservation->key_bytes += key.len;
    return slice_make(place, key.len);
}

void reservation_begin(struct reservation *reservation)
{
    reservation->output_granted = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->granted = 0;
        demand->taken_alone = 0;
        demand->former = 0;
        demand->window_end_ms = 0;
        demand->over = false;
        demand->refused = false;
    }
}

uint64_t demand_hash(const struct demand *demand)
{
    return demand->key_hash != 0 ? demand->key_hash : table_hash(demand->key);
}

uint64_t demand_window_reserved(const struct demand *demand)
{
    return demand->granted - demand->former;
}

uint64_t demand_window_charge(const struct demand *demand)
{
    uint64_t reserved = demand_window_reserved(demand);
    if (!limit_settles(demand->limit)) {
        return reserved; /* charged at once */
    }
    if (demand->used >= demand->granted) {
        return reserved + (demand->used - demand->granted);
    }
    uint64_t unused = demand->granted - demand->used;
    return unused < reserved ? reserved - unused : 0;
}

uint64_t demand_amount(const struct demand *demand, uint64_t output)
{
    uint64_t amount;
    if (__builtin_mul_overflow(output, demand->per_output, &amount) ||
        __builtin_add_overflow(amount, demand->fixed, &amount) || amount > LIMIT_AMOUNT_MAX) {
        return LIMIT_AMOUNT_MAX + 1;
    }
    return amount;
}

uint64_t demand_output_room(const struct demand *demand, uint64_t left, unsigned share)
{
    assert(share > 0);
    if (demand->per_output == 0) {
        return UINT64_MAX;
    }
    return left <= demand->fixed ? 0 : (left - demand->fixed) / share / demand->per_output;
}

const struct demand *reservation_refusal(const struct reservation *reservation)
{
    const struct demand *worst = NULL;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (!demand->refused) {
            continue;
        }
        /* Never is the longest time of all, and counts as one. */
        uint64_t after = (uint64_t)demand->room_after;
        bool waits = demand->limit->wait > 0;
        if (worst == NULL || (worst->limit->wait > 0 && !waits) ||
            ((worst->limit->wait > 0) == waits && after > (uint64_t)worst->room_after)) {
            worst = demand;
        }
    }
    return worst;
}
