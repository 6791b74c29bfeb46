#include "limiter/each_values.h"

#include "base/memory.h"
#include "base/table.h"

#include <pthread.h>

/* A rule's values: open addressing by hash; a place whose time is over may be taken by another
 * value. Twice as many places as values, so that probing stays short. */
enum { PLACES = 32768, PROBES_MAX = 32, RULE_CHAINS = 256 };

_Static_assert(PLACES >= 2 * LIMIT_VALUES_MAX, "too few places");

struct place {
    uint64_t hash; /* of the value; 0: empty */
    usec_t until;  /* it lives until then */
};

struct rule {
    struct rule *next; /* of its chain */
    uint64_t hash;
    unsigned live; /* as counted last, and those that came since */
    usec_t counted_at;
    struct slice key;     /* limit->key; follows in the same allocation */
    struct place *places; /* owned */
};

struct each_values {
    pthread_mutex_t lock; /* held for a few probes */
    struct rule *chains[RULE_CHAINS];
};

/* How often those that have died are counted out, while a rule is full. */
#define RECOUNT_EVERY SEC
#define LIFE_OF_DAY   (86400 * SEC)
#define LIFE_OF_HELD  (3600 * SEC)

struct each_values *each_values_new(void)
{
    struct each_values *values = MEMORY_NEW(struct each_values);
    (void)pthread_mutex_init(&values->lock, NULL);
    return values;
}

void each_values_free(struct each_values *values)
{
    if (values == NULL) {
        return;
    }
    for (unsigned i = 0; i < RULE_CHAINS; i++) {
        for (struct rule *rule = values->chains[i]; rule != NULL;) {
            struct rule *next = rule->next;
            memory_free(rule->places);
            memory_free(rule);
            rule = next;
        }
    }
    (void)pthread_mutex_destroy(&values->lock);
    memory_free(values);
}

static struct rule *find_rule(struct each_values *values, struct slice key)
{
    uint64_t hash = table_hash(key);
    struct rule **chain = &values->chains[hash % RULE_CHAINS];
    for (struct rule *rule = *chain; rule != NULL; rule = rule->next) {
        if (rule->hash == hash && slice_equal(rule->key, key)) {
            return rule;
        }
    }
    struct rule *rule = memory_alloc(sizeof(*rule) + key.len);
    char *copy = (char *)(rule + 1);
    memcpy(copy, key.ptr, key.len);
    rule->key = slice_make(copy, key.len);
    rule->hash = hash;
    rule->places = memory_alloc(PLACES * sizeof(*rule->places));
    rule->next = *chain;
    *chain = rule;
    return rule;
}

static void count_live(struct rule *rule, usec_t now)
{
    rule->live = 0;
    rule->counted_at = now;
    for (unsigned i = 0; i < PLACES; i++) {
        rule->live += rule->places[i].hash != 0 && rule->places[i].until > now;
    }
}

static bool has_room(struct rule *rule, usec_t now)
{
    if (rule->live >= LIMIT_VALUES_MAX && now - rule->counted_at >= RECOUNT_EVERY) {
        count_live(rule, now);
    }
    return rule->live < LIMIT_VALUES_MAX;
}

/* The value's own place, or one that it may take, or NULL. */
static struct place *find_place(struct rule *rule, uint64_t hash, usec_t now)
{
    struct place *free_place = NULL;
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        struct place *place = &rule->places[(hash + i) % PLACES];
        if (place->hash == hash) {
            return place;
        }
        bool dead = place->hash == 0 || place->until <= now;
        if (dead && free_place == NULL) {
            free_place = place;
        }
        if (place->hash == 0) {
            break;
        }
    }
    return free_place;
}

static bool admit(struct rule *rule, uint64_t hash, usec_t now, usec_t life)
{
    struct place *place = find_place(rule, hash, now);
    if (place == NULL) {
        return false;
    }
    bool lives = place->hash == hash && place->until > now;
    if (!lives && !has_room(rule, now)) {
        return false;
    }
    rule->live += !lives;
    *place = (struct place){.hash = hash, .until = now + life};
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
    uint64_t hash = table_hash(value);
    hash += hash == 0;
    (void)pthread_mutex_lock(&values->lock);
    bool own = admit(find_rule(values, limit->key), hash, now, life_of(limit));
    (void)pthread_mutex_unlock(&values->lock);
    return own;
}
