/* The scripts against their twins in C: the same numbers, whatever is thrown at both. */
#include "base/embedded.h"
#include "dice.h"
#include "limiter/bucket.h"
#include "limiter/store_memory.h"
#include "script_fixture.h"

TestSuite(redis_twin, .init = begin, .fini = end, .timeout = 110);

extern const struct embedded_file redis_scripts_data[];

/* ---- buckets ---- */

static const char bucket_script[] =
    "local names = {'taken', 'settled', 'refunded', 'reserved', 'keep', 'debt', 'fraction', 'at',\n"
    "    'drained', 'amount', 'period'}\n"
    "local ledger, state, texts, said = ledger(), {kind = 'r'}, {}, 0\n"
    "for word in string.gmatch(ARGV[1], '%S+') do\n"
    "    texts[#texts + 1] = word\n"
    "    state[names[#texts]] = tonumber(word)\n"
    "end\n"
    "local op, a, b, c = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])\n"
    "if op == 'advance' then ledger.advance_rate(state, state.amount, state.period, a)\n"
    "elseif op == 'take' then said = ledger.take_rate(state, a)\n"
    "elseif op == 'give' then ledger.give_rate_back(state, a, b, c)\n"
    "elseif op == 'drain' then ledger.drain(state, math.min(a, state.debt)) end\n"
    "for i, name in ipairs(names) do texts[i] = string.format('%.0f', state[name]) end\n"
    "return string.format('%.0f ', said) .. table.concat(texts, ' ')\n";

static char bucket_hash[64];

static struct slice part_of_scripts(const char *name)
{
    const struct embedded_file *file = redis_scripts_data;
    while (strcmp(file->name, name) != 0) {
        file++;
    }
    return slice_make(file->bytes, file->len);
}

static void load_bucket_script(void)
{
    struct slice common = part_of_scripts("common.lua");
    struct slice ledger = part_of_scripts("ledger.lua");
    const char *text =
        arena_print(&arena, "%.*s%.*s%s", SLICE_ARG(common), SLICE_ARG(ledger), bucket_script);
    (void)snprintf(bucket_hash, sizeof(bucket_hash), "%s", command("SCRIPT LOAD %s", text));
}

struct twins {
    struct bucket bucket;
    struct bucket_rate rate;
    char state[256]; /* the script's */
};

/* What the script says; its state is kept. */
static uint64_t tell(struct twins *twins, const char *op, uint64_t a, uint64_t b, uint64_t c)
{
    const char *text = command("EVALSHA %s 0 %s %s %llu %llu %llu", bucket_hash, twins->state, op,
                               (unsigned long long)a, (unsigned long long)b, (unsigned long long)c);
    cr_assert_eq(last_reply->type, REDIS_REPLY_STRING, "%s", text);
    char *rest;
    uint64_t said = strtoull(text, &rest, 10);
    (void)snprintf(twins->state, sizeof(twins->state), "%s", rest + 1);
    return said;
}

static bool same_bucket(const struct twins *twins)
{
    char text[256];
    const struct bucket *bucket = &twins->bucket;
    (void)snprintf(text, sizeof(text), "0 0 0 0 0 %llu %llu %lld %llu %llu %llu",
                   (unsigned long long)bucket->debt, (unsigned long long)bucket->fraction,
                   (long long)bucket->at_ms, (unsigned long long)bucket->drained,
                   (unsigned long long)twins->rate.amount,
                   (unsigned long long)twins->rate.period_ms);
    return strcmp(text, twins->state) == 0;
}

/* Of any size: as many small ones as large ones. */
static uint64_t any_amount(struct dice *dice, uint64_t most)
{
    uint64_t amount = roll(dice, UINT64_C(1) << roll(dice, 54));
    return amount % (most + 1);
}

struct taken {
    uint64_t position, amount;
};

static void step_bucket(struct twins *twins, struct dice *dice, struct taken *taken)
{
    struct bucket *bucket = &twins->bucket;
    uint64_t amount = any_amount(dice, LIMIT_AMOUNT_MAX);
    int64_t time;
    switch (roll(dice, 5)) {
    case 0:
    case 1:
        time = bucket->at_ms - 5 + (int64_t)any_amount(dice, 10 * twins->rate.period_ms);
        bucket_advance(bucket, &twins->rate, time);
        (void)tell(twins, "advance", (uint64_t)time, 0, 0);
        break;
    case 2:
        *taken = (struct taken){bucket_take(bucket, amount), amount};
        cr_assert_eq(tell(twins, "take", amount, 0, 0), taken->position);
        break;
    case 3:
        (void)bucket_give_back(bucket, taken->position, taken->amount, amount);
        (void)tell(twins, "give", taken->position, taken->amount, amount);
        break;
    default:
        (void)bucket_forgive(bucket, amount);
        (void)tell(twins, "drain", amount, 0, 0);
        break;
    }
}

Test(redis_twin, buckets_are_equal_over_thousands_of_random_steps)
{
    struct dice dice = {.state = 2026};
    load_bucket_script();
    for (unsigned life = 0; life < 60; life++) {
        struct twins twins = {.bucket.at_ms = START};
        struct taken taken = {0};
        twins.rate.amount = 1 + any_amount(&dice, LIMIT_AMOUNT_MAX - 1);
        twins.rate.burst = 1 + any_amount(&dice, twins.rate.amount - 1);
        twins.rate.period_ms = 1000 * (1 + roll(&dice, 3600));
        (void)snprintf(twins.state, sizeof(twins.state), "0 0 0 0 0 0 0 %lld 0 %llu %llu",
                       (long long)START, (unsigned long long)twins.rate.amount,
                       (unsigned long long)twins.rate.period_ms);
        for (unsigned i = 0; i < 250; i++) {
            step_bucket(&twins, &dice, &taken);
            cr_assert(same_bucket(&twins), "life %u, step %u: debt %llu fraction %llu, \"%s\"",
                      life, i, (unsigned long long)twins.bucket.debt,
                      (unsigned long long)twins.bucket.fraction, twins.state);
        }
    }
}

/* ---- stores ---- */

enum { LIMITS = 9, OPEN_MAX = 12 };

static usec_t read_clock(void)
{
    return now_ms * MSEC;
}

/* The same reservation in both stores; NULL: none. */
struct pair {
    struct reservation *memory, *redis;
};

struct world {
    struct store_memory *memory;
    struct store_side side;
    struct limit limits[LIMITS];
    struct pair open[OPEN_MAX];
    struct dice dice;
};

static void make_limits(struct limit *limits)
{
    limits[0] = rate_of(LIMIT_REQUESTS, 40, 60000);
    limits[1] = rate_of(LIMIT_TOKENS, 100000, 60000);
    limits[2] = rate_of(LIMIT_COST, UINT64_C(900000000000007), 3600000);
    limits[3] = daily(LIMIT_TOKENS, 2000000);
    limits[4] = daily(LIMIT_COST, UINT64_C(4000000000000001)); /* 4 million USD */
    limits[5] = slots(5);
    limits[6] = rate_of(LIMIT_TOKENS, 30011, 7000);
    limits[7] = daily(LIMIT_TOKENS, 50021);
    limits[8] = daily(LIMIT_REQUESTS, 3000);
    limits[1].burst = 20000;
    limits[2].warn_percent = 33;
    limits[3].warn_percent = 80;
    limits[6].action = LIMIT_WARN;
    limits[7].action = LIMIT_WARN;
    limits[7].warn_percent = 50;
    limits[8].span = LIMIT_WEEK;
    for (unsigned i = 0; i < LIMITS; i++) {
        limits[i].key = key_of(arena_print(&arena, "limit%u", i));
    }
}

static struct reservation *copy_of(const struct reservation *reservation)
{
    struct reservation *copy = reserve(0);
    reservation_free(copy);
    copy = reservation_new(reservation->count, (size_t)reservation->count * LIMIT_KEY_MAX);
    memcpy(copy->id, reservation->id, sizeof(copy->id));
    copy->step = reservation->step;
    copy->tenant = reservation->tenant;
    copy->lifetime = reservation->lifetime;
    copy->output_want = reservation->output_want;
    copy->output_share = reservation->output_share;
    for (unsigned i = 0; i < copy->count; i++) {
        copy->demands[i] = reservation->demands[i];
        copy->demands[i].key = reservation_keep_key(copy, reservation->demands[i].key);
    }
    return copy;
}

static void want(struct world *world, struct reservation *reservation)
{
    static const unsigned shares[] = {0, 1, 4};
    reservation->output_want = roll(&world->dice, 2) * roll(&world->dice, 3000);
    reservation->output_share = shares[roll(&world->dice, 3)];
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        enum limit_unit unit = demand->limit->unit;
        if (unit == LIMIT_TOKENS) {
            demand->fixed = roll(&world->dice, 2000);
            demand->per_output = 1;
        } else if (unit == LIMIT_COST) {
            demand->fixed = roll(&world->dice, 9) == 0
                                ? roll(&world->dice, UINT64_C(2000000000000000))
                                : roll(&world->dice, UINT64_C(10000000000000));
            demand->per_output = roll(&world->dice, 2) * (1 + roll(&world->dice, 99999999));
        }
    }
}

/* One of each of some rules, in an order of its own. */
static struct reservation *random_reservation(struct world *world)
{
    unsigned chosen[LIMITS];
    unsigned count = 0;
    unsigned from = (unsigned)roll(&world->dice, LIMITS);
    for (unsigned i = 0; i < LIMITS && count < 5; i++) {
        if (roll(&world->dice, 3) == 0) {
            chosen[count++] = (from + i) % LIMITS;
        }
    }
    struct reservation *reservation = reserve_amount(&world->limits[from], 1);
    struct reservation *ret =
        count == 0 ? copy_of(reservation) : reservation_new(count, (size_t)count * LIMIT_KEY_MAX);
    for (unsigned i = 0; i < count; i++) {
        ret->demands[i].limit = &world->limits[chosen[i]];
        ret->demands[i].fixed = 1;
        ret->demands[i].key = reservation_keep_key(ret, world->limits[chosen[i]].key);
    }
    memcpy(ret->id, reservation->id, sizeof(ret->id));
    ret->tenant = "shop";
    ret->step = 1;
    ret->lifetime = 400 * DAY * MSEC;
    reservation_free(reservation);
    want(world, ret);
    return ret;
}

static void compare(const struct pair *pair, const char *what)
{
    cr_assert_eq(pair->redis->state, pair->memory->state, "%s: %s", what, reply_text());
    cr_assert_eq(pair->redis->extension_refused, pair->memory->extension_refused);
    cr_assert_eq(pair->redis->output_granted, pair->memory->output_granted, "%s: %s", what,
                 reply_text());
    for (unsigned i = 0; i < pair->redis->count; i++) {
        const struct demand *a = &pair->redis->demands[i];
        const struct demand *b = &pair->memory->demands[i];
        bool extends = strcmp(what, "extend") == 0;
        if (extends && (!limit_settles(b->limit) || b->limit->span == LIMIT_HELD)) {
            continue; /* it is left alone; Redis tells how it is now */
        }
        cr_assert(a->refused == b->refused && a->over == b->over && a->crossed == b->crossed &&
                      a->granted == b->granted && a->left == b->left && a->whole == b->whole &&
                      a->room_after == b->room_after && a->reset_after == b->reset_after,
                  "%s, demand %u (%.*s) of step %u: %s; in memory: %d %d %d %llu %llu %llu %lld "
                  "%lld",
                  what, i, SLICE_ARG(b->key), pair->redis->step, reply_text(), b->refused, b->over,
                  b->crossed, (unsigned long long)b->granted, (unsigned long long)b->left,
                  (unsigned long long)b->whole, (long long)b->room_after,
                  (long long)b->reset_after);
    }
}

static void ask_both(struct world *world, struct pair *pair)
{
    pair->redis = random_reservation(world);
    pair->memory = copy_of(pair->redis);
    world->side.ops->ask(world->side.side, pair->memory);
    (void)ask(pair->redis);
    compare(pair, "ask");
    if (pair->redis->state == RESERVATION_REFUSED) {
        reservation_free(pair->redis);
        world->side.ops->settle(world->side.side, pair->memory);
        *pair = (struct pair){NULL, NULL};
    }
}

static void extend_both(struct world *world, struct pair *pair)
{
    want(world, pair->redis);
    pair->memory->output_want = pair->redis->output_want;
    pair->memory->output_share = pair->redis->output_share;
    for (unsigned i = 0; i < pair->redis->count; i++) {
        pair->memory->demands[i].fixed = pair->redis->demands[i].fixed;
        pair->memory->demands[i].per_output = pair->redis->demands[i].per_output;
    }
    world->side.ops->extend(world->side.side, pair->memory);
    (void)extend(pair->redis);
    compare(pair, "extend");
}

static void settle_both(struct world *world, struct pair *pair)
{
    for (unsigned i = 0; i < pair->redis->count; i++) {
        struct demand *demand = &pair->redis->demands[i];
        demand->used = roll(&world->dice, demand->granted + demand->granted / 8 + 2);
        pair->memory->demands[i].used = demand->used;
    }
    (void)settle(pair->redis, pair->redis->demands[0].used);
    world->side.ops->settle(world->side.side, pair->memory);
    reservation_free(pair->redis);
    *pair = (struct pair){NULL, NULL};
}

static void compare_entries(struct world *world, const struct limit *limit)
{
    struct store_entry a = entry_of(limit);
    struct store_entry b = {0};
    if (store_memory_read(world->memory, limit, limit->key, &b)) {
        /* The past of totals that a double could not count is forgotten. */
        bool totals = b.taken > BUCKET_POSITIONS ||
                      (a.taken == b.taken && a.settled == b.settled && a.refunded == b.refunded);
        cr_assert(a.used == b.used && a.reserved == b.reserved && a.open == b.open && totals,
                  "%.*s: %s; in memory: %llu %llu %llu %llu %llu %llu", SLICE_ARG(limit->key),
                  reply_text(), (unsigned long long)b.used, (unsigned long long)b.reserved,
                  (unsigned long long)b.taken, (unsigned long long)b.settled,
                  (unsigned long long)b.refunded, (unsigned long long)b.open);
    }
}

static void change_both(struct world *world, const struct limit *limit)
{
    uint64_t amount = any_amount(&world->dice, limit->amount);
    bool raises = roll(&world->dice, 2) == 0;
    bool known = raises ? store_memory_raise(world->memory, limit, limit->key, amount)
                        : store_memory_reset(world->memory, limit, limit->key);
    if (known) {
        (void)send_written(redis_write_change(&ns, raises ? REDIS_RAISE : REDIS_RESET, limit,
                                              limit->key, amount, &out));
    }
}

static void pass_some_time(struct world *world)
{
    static const int64_t most[] = {50, 3000, 60000, HOUR, 2 * HOUR, 2 * DAY};
    unsigned chance = (unsigned)roll(&world->dice, 64);
    pass((int64_t)roll(&world->dice, (uint64_t)most[chance < 60 ? chance / 15 : chance - 58]));
    beat(NULL, 0); /* the memory store's slots outlive any silence */
}

static void step_both(struct world *world)
{
    struct pair *pair = &world->open[roll(&world->dice, OPEN_MAX)];
    unsigned chance = (unsigned)roll(&world->dice, 100);
    if (chance < 20) {
        pass_some_time(world);
    } else if (chance == 20) {
        change_both(world, &world->limits[roll(&world->dice, LIMITS)]);
    } else if (pair->redis == NULL) {
        ask_both(world, pair);
    } else if (chance < 60) {
        extend_both(world, pair);
    } else {
        settle_both(world, pair);
    }
}

static void live(uint64_t seed, unsigned steps)
{
    static const struct limiter_clock clock = {read_clock, read_clock};
    struct world *world = memory_alloc(sizeof(*world));
    world->memory = store_memory_new(&clock);
    world->side = store_memory_side(world->memory);
    world->dice.state = seed;
    make_limits(world->limits);
    for (unsigned i = 0; i < steps; i++) {
        step_both(world);
        compare_entries(world, &world->limits[roll(&world->dice, LIMITS)]);
    }
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        if (world->open[i].redis != NULL) {
            settle_both(world, &world->open[i]);
        }
    }
    for (unsigned i = 0; i < LIMITS; i++) {
        compare_entries(world, &world->limits[i]);
        cr_expect_eq(entry_of(&world->limits[i]).open, 0);
    }
    store_memory_free(world->memory);
    memory_free(world);
}

Test(redis_twin, ten_thousand_random_steps_are_decided_as_by_the_memory_store)
{
    live(1, 10000);
}

Test(redis_twin, so_are_those_of_another_life)
{
    live(2, 4000);
}
