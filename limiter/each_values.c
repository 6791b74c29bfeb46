/*
 * A stripe has the rules whose keys' hash falls on it; a rule has a table of its own, by the hash
 * of the value with open addressing. It grows as values come, and those that have died are left out
 * as it does, or when it is full. A rule of which none lives goes when another one comes.
 */
#include "limiter/each_values.h"

#include "base/memory.h"
#include "base/table.h"

#include <pthread.h>

enum { STRIPES = 256, PLACES_MIN = 16 };

/* How often those that have died are looked for, while a rule is full. */
#define CLEAN_EVERY (SEC / 2)
#define LIFE_OF_DAY (86400 * SEC)
/* Of concurrency: longer than all but few requests hold their slots. */
#define LIFE_OF_HELD (3600 * SEC)

struct place {
    uint64_t hash; /* of the value; 0: empty */
    usec_t until;  /* it lives until then */
};

struct rule {
    struct rule *next; /* of its stripe */
    uint64_t hash;
    struct slice key;     /* limit->key; in the same allocation */
    struct place *places; /* owned */
    unsigned size;        /* of places: a power of two, at least twice `count` */
    unsigned count;       /* of those that live, and of those not left out yet */
    usec_t until;         /* when the last of them dies */
    usec_t cleaned_at;
};

struct stripe {
    pthread_mutex_t lock; /* held for a few probes, or to go through one rule's places */
    struct rule *rules;
};

struct each_values {
    struct stripe stripes[STRIPES];
};

struct each_values *each_values_new(void)
{
    struct each_values *values = MEMORY_NEW(struct each_values);
    for (unsigned i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_init(&values->stripes[i].lock, NULL);
    }
    return values;
}

/* Frees it, and returns the next one. */
static struct rule *rule_free(struct rule *rule)
{
    struct rule *next = rule->next;
    memory_free(rule->places);
    memory_free(rule);
    return next;
}

void each_values_free(struct each_values *values)
{
    if (values == NULL) {
        return;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        struct rule *rule = values->stripes[i].rules;
        while (rule != NULL) {
            rule = rule_free(rule);
        }
        (void)pthread_mutex_destroy(&values->stripes[i].lock);
    }
    memory_free(values);
}

/* ---- rules ---- */

static struct rule *rule_new(struct slice key, uint64_t hash)
{
    struct rule *rule = memory_alloc(sizeof(*rule) + key.len);
    char *copy = (char *)(rule + 1);
    memcpy(copy, key.ptr, key.len);
    rule->key = slice_make(copy, key.len);
    rule->hash = hash;
    rule->size = PLACES_MIN;
    rule->places = memory_alloc(rule->size * sizeof(*rule->places));
    return rule;
}

/* Such as rules that a reload has removed. */
static void remove_dead_rules(struct stripe *stripe, usec_t now)
{
    struct rule **at = &stripe->rules;
    while (*at != NULL) {
        if ((*at)->until <= now) {
            *at = rule_free(*at);
        } else {
            at = &(*at)->next;
        }
    }
}

static struct rule *find_rule(struct stripe *stripe, struct slice key, uint64_t hash, usec_t now)
{
    for (struct rule *rule = stripe->rules; rule != NULL; rule = rule->next) {
        if (rule->hash == hash && slice_equal(rule->key, key)) {
            return rule;
        }
    }
    remove_dead_rules(stripe, now);
    struct rule *rule = rule_new(key, hash);
    rule->next = stripe->rules;
    stripe->rules = rule;
    return rule;
}

/* ---- values ---- */

/* The value's place, or the empty one that it may have. */
static struct place *find_place(struct place *places, unsigned size, uint64_t hash)
{
    uint64_t at = hash;
    while (places[at % size].hash != 0 && places[at % size].hash != hash) {
        at++;
    }
    return &places[at % size];
}

static unsigned count_live(const struct rule *rule, usec_t now)
{
    unsigned live = 0;
    for (unsigned i = 0; i < rule->size; i++) {
        live += rule->places[i].until > now;
    }
    return live;
}

/* Leaves out what has died, with room for twice as many as live. */
static void clean(struct rule *rule, usec_t now)
{
    unsigned live = count_live(rule, now);
    unsigned size = PLACES_MIN;
    while (size < 4 * live) {
        size *= 2;
    }
    struct place *places = memory_alloc(size * sizeof(*places));
    for (unsigned i = 0; i < rule->size; i++) {
        const struct place *place = &rule->places[i];
        if (place->until > now) {
            *find_place(places, size, place->hash) = *place;
        }
    }
    memory_free(rule->places);
    rule->places = places;
    rule->size = size;
    rule->count = live;
    rule->cleaned_at = now;
}

/* Is there room for one more? Moves the places. */
static bool make_room(struct rule *rule, usec_t now)
{
    bool full = rule->count >= LIMIT_VALUES_MAX;
    if (full && now - rule->cleaned_at < CLEAN_EVERY) {
        return false;
    }
    if (full || 2 * (rule->count + 1) > rule->size) {
        clean(rule, now);
    }
    return rule->count < LIMIT_VALUES_MAX;
}

static bool admit(struct rule *rule, uint64_t hash, usec_t now, usec_t life)
{
    struct place *place = find_place(rule->places, rule->size, hash);
    if (place->hash == 0) {
        if (!make_room(rule, now)) {
            return false;
        }
        place = find_place(rule->places, rule->size, hash);
        place->hash = hash;
        rule->count++;
    }
    usec_t until = now + life;
    place->until = until > place->until ? until : place->until;
    rule->until = until > rule->until ? until : rule->until;
    return true;
}

static usec_t life_of(const struct limit *limit)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return limit->period;
    case LIMIT_DAYS:
        return LIFE_OF_DAY * limit->days;
    case LIMIT_WEEK:
        return LIFE_OF_DAY * 7;
    case LIMIT_MONTH:
        return LIFE_OF_DAY * 31;
    case LIMIT_HELD:
        break;
    }
    return LIFE_OF_HELD;
}

bool each_values_admit(struct each_values *values, const struct limit *limit, struct slice value,
                       usec_t now)
{
    uint64_t key_hash = table_hash(limit->key);
    uint64_t value_hash = table_hash(value);
    struct stripe *stripe = &values->stripes[key_hash % STRIPES];
    (void)pthread_mutex_lock(&stripe->lock);
    struct rule *rule = find_rule(stripe, limit->key, key_hash, now);
    bool own = admit(rule, value_hash == 0 ? 1 : value_hash, now, life_of(limit));
    (void)pthread_mutex_unlock(&stripe->lock);
    return own;
}
