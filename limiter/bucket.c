/*
 * In words, for the Lua twin, all in whole numbers:
 *
 * Advance: with e the milliseconds since at_ms (if the clock went back: nothing is done),
 * n = e * amount + fraction and q = n / period_ms rounded down: if q >= debt all has drained, so
 * drained += debt, debt = 0, fraction = 0. Else drained += q, debt -= q, fraction = n mod
 * period_ms. Then at_ms = now. An empty bucket carries no fraction: it cannot save up.
 *
 * Take: debt += taken, at most BUCKET_DEBT_MAX; the position is drained + debt.
 *
 * Give back: ahead = position - drained. If ahead > debt the position lies behind what has drained,
 * and if debt > BUCKET_POSITIONS / 2 it cannot be told: nothing is given back. Else
 * back = min(ahead, taken, unused), debt -= back and drained += back; if back = ahead > 0, what had
 * drained of the unit in front goes with it: fraction = 0.
 *
 * `drained` and positions are modulo BUCKET_POSITIONS. What is given back counts as drained, so
 * drained + debt grows by what is taken alone, and debt - ahead is always what was taken after that
 * reservation. Giving back ahead at most, the debt never falls below that: what came later is never
 * forgiven, whatever was given back in between, and in which order.
 */
#include "limiter/bucket.h"

#include <assert.h>

__extension__ typedef unsigned __int128 uint128;

static void drain(struct bucket *bucket, uint64_t amount)
{
    bucket->debt -= amount;
    bucket->drained = (bucket->drained + amount) % BUCKET_POSITIONS;
    if (bucket->debt == 0) {
        bucket->fraction = 0;
    }
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
    uint64_t room = BUCKET_DEBT_MAX - bucket->debt;
    bucket->debt += amount < room ? amount : room;
    return (bucket->drained + bucket->debt) % BUCKET_POSITIONS;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t bucket_give_back(struct bucket *bucket, uint64_t position, uint64_t taken, uint64_t unused)
{
    uint64_t ahead = (position - bucket->drained) % BUCKET_POSITIONS;
    if (ahead > bucket->debt || bucket->debt > BUCKET_POSITIONS / 2) {
        return 0;
    }
    uint64_t back = least(ahead, least(taken, unused));
    drain(bucket, back);
    if (back == ahead && back > 0) {
        bucket->fraction = 0;
    }
    return back;
}

uint64_t bucket_forgive(struct bucket *bucket, uint64_t amount)
{
    uint64_t forgiven = least(amount, bucket->debt);
    drain(bucket, forgiven);
    return forgiven;
}

/* Milliseconds until `amount` of the debt has drained. */
static int64_t time_to_drain(const struct bucket *bucket, const struct bucket_rate *rate,
                             uint64_t amount)
{
    if (amount == 0) {
        return 0;
    }
    uint128 missing = (uint128)amount * rate->period_ms - bucket->fraction;
    uint128 wait = (missing + rate->amount - 1) / rate->amount;
    return wait < BUCKET_WAIT_MAX_MS ? (int64_t)wait : BUCKET_WAIT_MAX_MS;
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
