#include "gateway/quotas_refill.h"

#include "base/memory.h"
#include "base/table.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger.h"
#include "gateway/observe/log.h"
#include "gateway/quota_items.h"
#include "gateway/quotas_state.h"
#include "limiter/redis_commands.h"
#include "limiter/store_redis.h"
#include "limiter/window.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOKS_FOR (60 * SEC)

/* What a window is known by. */
struct window_name {
    uint64_t hash;
    int64_t end_ms;
};

struct sum {
    struct window_name name;
    uint64_t amount;
    struct slice key; /* its text, if the ledger has it: of a value of `each` */
    bool handed_in;   /* it was said in this epoch, */
    uint64_t said;    /* namely so much */
    struct sum *next, *next_of_hash;
};

/* Of one epoch. */
struct quotas_refill {
    struct ledger *ledger; /* borrowed */
    char epoch[17];        /* "": none yet */
    usec_t since;          /* monotonic */
    bool over, told;
    unsigned handed_over; /* of Redis, as far as the sums were said again behind it */
    struct arena arena;
    struct table sums;    /* by name; in the arena */
    struct table by_hash; /* lists by hash alone */
    struct sum *first;
    unsigned windows;
};

void quotas_refill_begin(struct quotas *quotas, struct ledger *ledger)
{
    char name[17];
    if (quotas->redis == NULL || ledger == NULL) {
        return;
    }
    const uint64_t *seed = ledger_seed(ledger);
    (void)snprintf(name, sizeof(name), "%016" PRIx64, table_hash_with(seed, SLICE("ledger")));
    store_redis_set_ledger(quotas->redis, name);
    quotas->refill = MEMORY_NEW(struct quotas_refill);
    quotas->refill->ledger = ledger;
}

static void forget(struct quotas_refill *refill)
{
    table_fini(&refill->sums);
    table_fini(&refill->by_hash);
    arena_fini(&refill->arena);
    refill->arena = (struct arena){0};
    refill->first = NULL;
    refill->windows = 0;
}

void quotas_refill_free(struct quotas_refill *refill)
{
    if (refill != NULL) {
        forget(refill);
        memory_free(refill);
    }
}

/* ---- what there is to say ---- */

static struct slice name_bytes(const struct window_name *name)
{
    return slice_make((const char *)name, sizeof(*name));
}

static struct slice hash_bytes(const struct window_name *name)
{
    return slice_make((const char *)&name->hash, sizeof(name->hash));
}

static struct sum *make_sum(struct quotas_refill *refill, const struct window_name *name)
{
    struct sum *sum = ARENA_NEW(&refill->arena, struct sum);
    sum->name = *name;
    sum->next = refill->first;
    refill->first = sum;
    (void)table_add(&refill->sums, name_bytes(&sum->name), sum);
    struct sum *head = table_add(&refill->by_hash, hash_bytes(&sum->name), sum);
    if (head != NULL) {
        sum->next_of_hash = head->next_of_hash;
        head->next_of_hash = sum;
    }
    return sum;
}

static void note_sum(void *ctx, const struct ledger_charge *charge, struct slice key)
{
    struct quotas_refill *refill = ctx;
    const struct window_name name = {charge->hash, charge->end_ms};
    struct sum *sum = table_get(&refill->sums, name_bytes(&name));
    sum = sum != NULL ? sum : make_sum(refill, &name);
    sum->amount += charge->amount;
    if (sum->key.len == 0 && key.len > 0) {
        sum->key = arena_copy(&refill->arena, key);
    }
}

/* ---- saying it ---- */

struct saying {
    struct quotas *quotas;
    struct quotas_refill *refill;
};

static void say(const struct saying *saying, const struct limit *limit, struct slice key,
                struct sum *sum)
{
    struct hand_in hand_in = {
        .key = key,
        .amount = sum->amount,
        .start_ms = window_at(limit, sum->name.end_ms - 1).start_ms,
        .end_ms = sum->name.end_ms,
    };
    if (sum->handed_in && sum->said == sum->amount) {
        return;
    }
    memcpy(hand_in.epoch, saying->refill->epoch, sizeof(hand_in.epoch));
    store_redis_hand_in(saying->quotas->redis, &hand_in);
    saying->refill->windows += !sum->handed_in;
    sum->handed_in = true;
    sum->said = sum->amount;
}

static bool say_item(void *ctx, const struct quota_item *item)
{
    struct saying *saying = ctx;
    if (limit_span_is_window(item->limit->span)) {
        uint64_t hash = ledger_key_hash(saying->refill->ledger, item->key);
        struct sum *sum =
            table_get(&saying->refill->by_hash, slice_make((const char *)&hash, sizeof(hash)));
        for (; sum != NULL; sum = sum->next_of_hash) {
            say(saying, item->limit, item->key, sum);
        }
    }
    return true;
}

/* The rule that a value's key is of; NULL: it is none's any more. */
static const struct limit *rule_of(const struct snapshot *snapshot, struct slice key)
{
    for (unsigned i = 0; i < snapshot->limit_count; i++) {
        const struct limit *limit = snapshot->limits[i];
        if (limit_is_of_values(limit) && limit_span_is_window(limit->span) &&
            slice_starts_with(key, limit->key) && key.len > limit->key.len &&
            key.ptr[limit->key.len] == ':') {
            return limit;
        }
    }
    return NULL;
}

static void say_values(const struct saying *saying, const struct snapshot *snapshot)
{
    for (struct sum *sum = saying->refill->first; sum != NULL; sum = sum->next) {
        const struct limit *limit = sum->key.len == 0 ? NULL : rule_of(snapshot, sum->key);
        if (limit != NULL) {
            say(saying, limit, sum->key, sum);
        }
    }
}

static void say_all(struct quotas *quotas, const struct snapshot *snapshot)
{
    struct saying saying = {quotas, quotas->refill};
    if (quotas->refill->first != NULL) {
        quota_items_each(snapshot, NULL, say_item, &saying);
        say_values(&saying, snapshot);
    }
}

/* ---- the tick ---- */

static void enter(struct quotas_refill *refill, const char *epoch)
{
    forget(refill);
    memcpy(refill->epoch, epoch, sizeof(refill->epoch));
    refill->since = clock_now();
    refill->over = false;
    refill->told = false;
}

/* What was taken alone is in the sums, and Redis has noted that it has some of them: so they are
 * looked for from now on, and said whether they have changed or not. */
static bool must_begin_anew(struct quotas *quotas)
{
    struct quotas_refill *refill = quotas->refill;
    unsigned handed_over = store_redis_handed_over(quotas->redis);
    if (handed_over == refill->handed_over) {
        return false;
    }
    refill->handed_over = handed_over;
    for (struct sum *sum = refill->first; sum != NULL; sum = sum->next) {
        sum->said = UINT64_MAX;
    }
    quotas_refill_again(quotas);
    return true;
}

/* All of one look is there before the next one: then it is done, if nothing can change any more. */
static void look(struct quotas *quotas, const struct snapshot *snapshot, uint64_t number)
{
    struct quotas_refill *refill = quotas->refill;
    bool open = false;
    for (struct sum *sum = refill->first; sum != NULL; sum = sum->next) {
        sum->amount = 0; /* a window that is told no more is over */
    }
    if (!ledger_take_former(refill->ledger, number, &open, refill, note_sum)) {
        ledger_ask_former(refill->ledger, number);
        return;
    }
    say_all(quotas, snapshot);
    if (refill->windows > 0 && !refill->told) {
        log_info("store: %u windows of quotas are filled in from the ledger", refill->windows);
    }
    refill->told = true;
    refill->over = !open && clock_now() - refill->since > LOOKS_FOR;
    if (!refill->over) {
        ledger_ask_former(refill->ledger, number);
    }
}

void quotas_refill_tick(struct quotas *quotas, const struct snapshot *snapshot)
{
    char epoch[17];
    struct quotas_refill *refill = quotas->refill;
    if (refill == NULL || !store_redis_epoch(quotas->redis, epoch)) {
        return;
    }
    if (strcmp(epoch, refill->epoch) != 0) {
        enter(refill, epoch);
    }
    if (store_redis_is_handing_in(quotas->redis) || store_redis_is_handing_over(quotas->redis)) {
        return;
    }
    if (must_begin_anew(quotas)) {
        ledger_ask_former(refill->ledger, redis_epoch_number(epoch));
        return;
    }
    if (refill->over) {
        return;
    }
    if (refill->told) {
        store_redis_handed_in(quotas->redis, epoch);
    }
    look(quotas, snapshot, redis_epoch_number(epoch));
}

void quotas_refill_again(struct quotas *quotas)
{
    struct quotas_refill *refill = quotas->refill;
    if (refill != NULL) {
        refill->since = clock_now();
        refill->over = false;
    }
}
