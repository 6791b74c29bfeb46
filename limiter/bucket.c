/*
 * In words, for the Lua twin: with e the milliseconds since at_ms, n = e * amount + fraction, and
 * q = n / period_ms, rounded down: if q >= debt all has drained: drained += debt, debt = 0,
 * fraction = 0. Else drained += q, debt -= q, fraction = n mod period_ms. Then at_ms = now. An
 * empty bucket carries no fraction: it cannot save up.
 */
#include "limiter/bucket.h"

#include <assert.h>

__extension__ typedef unsigned __int128 uint128;

static void drain(struct bucket *bucket, uint64_t amount)
{
    bucket->debt -= amount;
    bucket->drained = (bucket->drained + amount) % BUCKET_POSITIONS;
}

void bucket_advance(struct bucket *bucket, const struct bucket_rate *rate, int64_t now_ms)
{
    if (now_ms <= bucket->at_ms) {
        return;
    }
    uint64_t elapsed = (uint64_t)(now_ms - bucket->at_ms);
    bucket->at_ms = now_ms;
    uint128 numerator = (uint128)elapsed * rate->amount + bucket->fraction;
    uint128 whole = numerator / rate->period_ms;
    if (whole >= bucket->debt) {
        drain(bucket, bucket->debt);
        bucket->fraction = 0;
    } else {
        drain(bucket, (uint64_t)whole);
        bucket->fraction = (uint64_t)(numerator % rate->period_ms);
    }
}

uint64_t bucket_left(const struct bucket *bucket, const struct bucket_rate *rate)
{
    return bucket->debt < rate->burst ? rate->burst - bucket->debt : 0;
}

uint64_t bucket_take(struct bucket *bucket, uint64_t amount)
{
    bucket->debt += amount;
    return (bucket->drained + bucket->debt) % BUCKET_POSITIONS;
}

uint64_t bucket_give_back(struct bucket *bucket, uint64_t position, uint64_t taken, uint64_t unused)
{
    /* How far the end still is from being drained; a position that lies behind is a huge distance.
     */
    uint64_t ahead = (position - bucket->drained) % BUCKET_POSITIONS;
    if (ahead > BUCKET_POSITIONS / 2) {
        ahead = 0;
    }
    uint64_t undrained = ahead < taken ? ahead : taken;
    uint64_t back = undrained < unused ? undrained : unused;
    back = back < bucket->debt ? back : bucket->debt;
    bucket->debt -= back;
    return back;
}

/* Milliseconds until `amount` of the debt has drained. */
static int64_t time_to_drain(const struct bucket *bucket, const struct bucket_rate *rate,
                             uint64_t amount)
{
    if (amount == 0) {
        return 0;
    }
    uint128 missing = (uint128)amount * rate->period_ms - bucket->fraction;
    return (int64_t)((missing + rate->amount - 1) / rate->amount);
}

int64_t bucket_wait_ms(const struct bucket *bucket, const struct bucket_rate *rate, uint64_t amount)
{
    if (amount > rate->burst) {
        return -1;
    }
    uint64_t most = rate->burst - amount; /* the debt beside which it fits */
    return bucket->debt <= most ? 0 : time_to_drain(bucket, rate, bucket->debt - most);
}

int64_t bucket_full_ms(const struct bucket *bucket, const struct bucket_rate *rate)
{
    assert(rate->amount > 0);
    return time_to_drain(bucket, rate, bucket->debt);
}
