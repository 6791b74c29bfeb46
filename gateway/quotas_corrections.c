#include "gateway/quotas_corrections.h"

#include "base/memory.h"
#include "base/table.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/quota_items.h"
#include "gateway/quotas_refill.h"
#include "gateway/quotas_state.h"
#include "limiter/redis_commands.h"
#include "limiter/store_memory.h"
#include "limiter/store_redis.h"

#include <string.h>

/* ---- a store in memory ---- */

struct corrections {
    struct store_correction *list; /* owned */
    unsigned count, room;
};

static void add_correction(void *ctx, const struct ledger_difference *difference)
{
    struct corrections *corrections = ctx;
    if (difference->change == 0) {
        return;
    }
    MEMORY_GROW(corrections->list, corrections->count, &corrections->room);
    corrections->list[corrections->count++] =
        (struct store_correction){.hash = difference->window.hash,
                                  .start_ms = difference->window.start_ms,
                                  .end_ms = difference->window.end_ms,
                                  .change = difference->change};
}

static void correct_memory(struct quotas *quotas, struct ledger *ledger)
{
    struct corrections corrections = {0};
    ledger_take_differences(ledger, &corrections, add_correction);
    if (corrections.count > 0) {
        store_memory_correct(quotas->memory, ledger_seed(ledger), corrections.list,
                             corrections.count);
    }
    memory_free(corrections.list);
}

/* ---- Redis ---- */

struct said {
    struct ledger_difference difference; /* its key in the arena */
    bool is_said;
    struct said *next, *next_of_hash;
};

struct saying {
    struct quotas *quotas;
    struct ledger *ledger;
    char epoch[17]; /* of the present data */
    uint64_t epoch_number;
    bool of_former_data; /* there are some */
    struct arena arena;
    struct table by_hash; /* lists */
    struct said *first;
};

/* Of data that Redis has no more, and of what was charged without it, the sum is handed in: that
 * has changed with it. What a store in memory has counted, before there was Redis, it was never
 * told. */
static void note(void *ctx, const struct ledger_difference *difference)
{
    struct saying *saying = ctx;
    if (difference->window.epoch != saying->epoch_number) {
        saying->of_former_data |= difference->window.epoch != LEDGER_EPOCH_MEMORY;
        return;
    }
    struct said *said = ARENA_NEW(&saying->arena, struct said);
    said->difference = *difference;
    said->difference.key = arena_copy(&saying->arena, difference->key);
    said->next = saying->first;
    saying->first = said;
    struct slice hash = slice_make((const char *)&said->difference.window.hash, sizeof(uint64_t));
    struct said *head = table_add(&saying->by_hash, hash, said);
    if (head != NULL) {
        said->next_of_hash = head->next_of_hash;
        head->next_of_hash = said;
    }
}

static void say(const struct saying *saying, struct slice key, struct said *said)
{
    const struct ledger_difference *difference = &said->difference;
    struct hand_in hand_in = {
        .key = key,
        .start_ms = difference->window.start_ms,
        .end_ms = difference->window.end_ms,
        .edition = difference->edition,
        .since = difference->since,
        .correction = difference->sum,
    };
    if (!said->is_said && difference->edition > 0) {
        memcpy(hand_in.epoch, saying->epoch, sizeof(hand_in.epoch));
        store_redis_hand_in(saying->quotas->redis, &hand_in);
        said->is_said = true;
    }
}

static bool say_item(void *ctx, const struct quota_item *item)
{
    const struct saying *saying = ctx;
    if (limit_span_is_window(item->limit->span)) {
        uint64_t hash = ledger_key_hash(saying->ledger, item->key);
        struct said *said =
            table_get(&saying->by_hash, slice_make((const char *)&hash, sizeof(hash)));
        for (; said != NULL; said = said->next_of_hash) {
            say(saying, item->key, said);
        }
    }
    return true;
}

static void say_all(struct saying *saying, const struct snapshot *snapshot)
{
    if (saying->first != NULL) {
        quota_items_each(snapshot, NULL, say_item, saying);
    }
    for (struct said *said = saying->first; said != NULL; said = said->next) {
        if (said->difference.key.len > 0) { /* one of the values of a rule */
            say(saying, said->difference.key, said);
        }
    }
}

/* One after the other of a window: until the last ones are there, more add up in the ledger. */
static void correct_redis(struct quotas *quotas, const struct snapshot *snapshot,
                          struct ledger *ledger)
{
    struct saying saying = {.quotas = quotas, .ledger = ledger};
    if (!store_redis_epoch(quotas->redis, saying.epoch)) {
        return;
    }
    saying.epoch_number = redis_epoch_number(saying.epoch);
    unsigned lost = store_redis_hand_ins_lost(quotas->redis);
    if (lost != quotas->hand_ins_lost) {
        quotas->hand_ins_lost = lost;
        ledger_tell_differences_again(ledger);
    }
    if (store_redis_is_handing_in(quotas->redis)) {
        return;
    }
    ledger_take_differences(ledger, &saying, note);
    say_all(&saying, snapshot);
    if (saying.of_former_data) {
        quotas_refill_again(quotas);
    }
    table_fini(&saying.by_hash);
    arena_fini(&saying.arena);
}

void quotas_corrections_tick(struct quotas *quotas, const struct snapshot *snapshot,
                             struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    if (quotas->redis != NULL) {
        correct_redis(quotas, snapshot, ledger);
    } else {
        correct_memory(quotas, ledger);
    }
}
