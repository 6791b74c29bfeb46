/*
 * source_rates: a generic cell rate for each source: kept is the one time at which all that it sent
 * is forgotten. So in any span t at most `count` + count * t / period fit.
 *
 * The places are few for each hash, so that all of it is bounded and looked through at once: who
 * needs one takes that of the source that would be forgotten next.
 */
#include "gateway/webhook/source_rates.h"

#include "base/address.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>

enum {
    STRIPES = 64,
    WAYS = 16,
    SETS = SOURCE_RATES_MAX / STRIPES / WAYS,
    SOURCE_BYTES = 64, /* what stands for an address, at most */
    HOOK_BYTES = 256,
};

struct source {
    uint64_t hash;    /* of hook and address; seeded, so that nobody can choose another's */
    usec_t forgotten; /* by then all that it sent is; in the past: a free place */
};

struct stripe {
    pthread_mutex_t lock;
    struct source sources[SETS][WAYS];
};

struct source_rates {
    struct stripe stripes[STRIPES];
};

struct source_rates *source_rates_new(void)
{
    struct source_rates *rates = MEMORY_NEW(struct source_rates);
    for (unsigned i = 0; i < STRIPES; i++) {
        int failed = pthread_mutex_init(&rates->stripes[i].lock, NULL);
        assert(failed == 0);
        (void)failed;
    }
    return rates;
}

void source_rates_free(struct source_rates *rates)
{
    if (rates == NULL) {
        return;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_destroy(&rates->stripes[i].lock);
    }
    memory_free(rates);
}

/* What of an address is one source: all of an IPv4 address, the /64 of an IPv6 one. */
static size_t write_source(struct slice address, char out[SOURCE_BYTES])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char bytes[16];
    if (address_parse(AF_INET, address, out)) {
        return 4;
    }
    if (address_parse(AF_INET6, address, bytes)) {
        bool is_ipv4 = memcmp(bytes, mapped, sizeof(mapped)) == 0;
        memcpy(out, is_ipv4 ? bytes + sizeof(mapped) : bytes, is_ipv4 ? 4 : 8);
        return is_ipv4 ? 4 : 8;
    }
    size_t len = address.len < SOURCE_BYTES ? address.len : SOURCE_BYTES; /* "unix" */
    memcpy(out, address.ptr, len);
    return len;
}

static uint64_t hash_of(const char *hook, struct slice address)
{
    char key[HOOK_BYTES + 1 + SOURCE_BYTES];
    size_t len = strnlen(hook, HOOK_BYTES);
    memcpy(key, hook, len);
    key[len++] = '\0';
    len += write_source(address, key + len);
    return table_hash(slice_make(key, len));
}

/* The source's place, or, if it has none, the one to take: *ret_known says which. Under the lock.
 */
static struct source *find(struct stripe *stripe, uint64_t hash, bool *ret_known)
{
    struct source *set = stripe->sources[hash / STRIPES % SETS];
    struct source *least = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].hash == hash && set[i].forgotten != 0) {
            *ret_known = true;
            return &set[i];
        }
        if (set[i].forgotten < least->forgotten) {
            least = &set[i];
        }
    }
    *ret_known = false;
    return least;
}

/* For each one that is sent; at least 1. */
static usec_t interval_of(const struct hook_rate *rate)
{
    usec_t interval = rate->period / rate->count;
    return interval > 0 ? interval : 1;
}

bool source_rates_have_room(struct source_rates *rates, const char *hook, struct slice address,
                            const struct hook_rate *rate, usec_t now, usec_t *ret_after)
{
    *ret_after = 0;
    if (rate->count == 0) {
        return true;
    }
    uint64_t hash = hash_of(hook, address);
    struct stripe *stripe = &rates->stripes[hash % STRIPES];
    bool known = false;
    (void)pthread_mutex_lock(&stripe->lock);
    const struct source *source = find(stripe, hash, &known);
    usec_t forgotten = known ? source->forgotten : 0;
    (void)pthread_mutex_unlock(&stripe->lock);
    usec_t interval = interval_of(rate);
    usec_t latest = now + interval * (rate->count - 1);
    if (forgotten <= latest) {
        return true;
    }
    *ret_after = forgotten - latest;
    return false;
}

void source_rates_count(struct source_rates *rates, const char *hook, struct slice address,
                        const struct hook_rate *rate, usec_t now)
{
    if (rate->count == 0) {
        return;
    }
    uint64_t hash = hash_of(hook, address);
    struct stripe *stripe = &rates->stripes[hash % STRIPES];
    bool known = false;
    (void)pthread_mutex_lock(&stripe->lock);
    struct source *source = find(stripe, hash, &known);
    usec_t from = known && source->forgotten > now ? source->forgotten : now;
    usec_t most = now + interval_of(rate) * rate->count;
    source->hash = hash;
    source->forgotten = from + interval_of(rate) < most ? from + interval_of(rate) : most;
    (void)pthread_mutex_unlock(&stripe->lock);
}
