#include "routes/breaker.h"

/* No circuit stays open longer, whatever a policy says: so nothing overflows. */
#define OPEN_LONGEST (365 * 86400 * SEC)

static usec_t clamp(usec_t time)
{
    return time < 0 ? 0 : (time > OPEN_LONGEST ? OPEN_LONGEST : time);
}

/* ---- the window ---- */

static usec_t slice_length(const struct breaker_policy *policy)
{
    usec_t length = policy->window / BREAKER_SLICES;
    return length > 0 ? length : 1;
}

static void forget_calls(struct breaker *breaker, usec_t now)
{
    for (unsigned i = 0; i < BREAKER_SLICES; i++) {
        breaker->slices[i] = (struct breaker_slice){0};
    }
    breaker->newest = 0;
    breaker->slice_began = now;
}

/* Drops the slices that have left the window. Of several threads one may have read the clock before
 * another and come after it: its call counts in the newest slice. */
static void age_window(struct breaker *breaker, const struct breaker_policy *policy, usec_t now)
{
    usec_t length = slice_length(policy);
    usec_t passed = (now - breaker->slice_began) / length;
    if (passed >= BREAKER_SLICES) {
        forget_calls(breaker, now);
        return;
    }
    for (usec_t i = 0; i < passed; i++) {
        breaker->newest = (breaker->newest + 1) % BREAKER_SLICES;
        breaker->slices[breaker->newest] = (struct breaker_slice){0};
        breaker->slice_began += length;
    }
}

static bool reaches(unsigned part, unsigned whole, unsigned percent)
{
    return part > 0 && percent > 0 && (uint64_t)part * 100 >= (uint64_t)whole * percent;
}

static struct breaker_slice sum_of(const struct breaker *breaker)
{
    struct breaker_slice sum = {0};
    for (unsigned i = 0; i < BREAKER_SLICES; i++) {
        sum.calls += breaker->slices[i].calls;
        sum.failures += breaker->slices[i].failures;
        sum.slow += breaker->slices[i].slow;
    }
    return sum;
}

struct breaker_slice breaker_counts(const struct breaker *breaker,
                                    const struct breaker_policy *policy, usec_t now)
{
    struct breaker then = *breaker;
    age_window(&then, policy, now);
    return sum_of(&then);
}

static bool window_says_open(const struct breaker *breaker, const struct breaker_policy *policy)
{
    struct breaker_slice sum = sum_of(breaker);
    return sum.calls >= policy->min_requests &&
           (reaches(sum.failures, sum.calls, policy->failure_rate) ||
            reaches(sum.slow, sum.calls, policy->slow_rate));
}

/* ---- changes of state ---- */

static void change(struct breaker *breaker, enum breaker_state state, usec_t now)
{
    breaker->state = state;
    breaker->epoch++;
    breaker->changed_at = now;
    breaker->probing = 0;
    breaker->probed = 0;
}

/* open × 2^(times - 1) up to max_open, ±20 %. */
static usec_t open_time(const struct breaker_policy *policy, unsigned times, uint64_t random)
{
    usec_t open = clamp(policy->open);
    usec_t most = clamp(policy->max_open);
    for (unsigned i = 1; i < times && open < most; i++) {
        open = open > most / 2 ? most : open * 2;
    }
    return open - open / 5 + (usec_t)(random % (uint64_t)(open / 5 * 2 + 1));
}

static void open_circuit(struct breaker *breaker, const struct breaker_policy *policy, usec_t now,
                         uint64_t random)
{
    change(breaker, BREAKER_OPEN, now);
    breaker->opened += breaker->opened < UINT32_MAX ? 1 : 0;
    breaker->open_until = now + open_time(policy, breaker->opened, random);
}

void breaker_reset(struct breaker *breaker, usec_t now)
{
    change(breaker, BREAKER_CLOSED, now);
    forget_calls(breaker, now);
    breaker->connect_failures = 0;
    breaker->opened = 0;
    breaker->open_until = 0;
}

bool breaker_hint_well(struct breaker *breaker, usec_t now)
{
    if (breaker->state != BREAKER_OPEN) {
        return false;
    }
    change(breaker, BREAKER_HALF_OPEN, now);
    return true;
}

/* ---- admission ---- */

static unsigned probes_wanted(const struct breaker_policy *policy)
{
    return policy->probes > 0 ? policy->probes : 1;
}

/* One place is always there: a reload may have set fewer probes than have succeeded already. */
static bool has_place(const struct breaker *breaker, const struct breaker_policy *policy)
{
    return breaker->probing == 0 || breaker->probing + breaker->probed < probes_wanted(policy);
}

bool breaker_would_admit(const struct breaker *breaker, const struct breaker_policy *policy,
                         usec_t now)
{
    if (policy->off) {
        return true;
    }
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_OPEN:
        return now >= breaker->open_until;
    case BREAKER_HALF_OPEN:
        return has_place(breaker, policy);
    }
    return false;
}

bool breaker_admit(struct breaker *breaker, const struct breaker_policy *policy, usec_t now,
                   struct breaker_permit *ret, usec_t *ret_after)
{
    *ret = (struct breaker_permit){0};
    *ret_after = 0;
    if (!breaker_would_admit(breaker, policy, now)) {
        *ret_after = breaker->state == BREAKER_OPEN ? breaker->open_until - now : 0;
        return false;
    }
    if (!policy->off && breaker->state == BREAKER_OPEN) {
        change(breaker, BREAKER_HALF_OPEN, now);
    }
    if (!policy->off && breaker->state == BREAKER_HALF_OPEN) {
        breaker->probing++;
        ret->probe = true;
    }
    ret->epoch = breaker->epoch;
    ret->held = true;
    return true;
}

/* ---- what became of calls ---- */

static bool failed(enum breaker_outcome outcome)
{
    return outcome == BREAKER_FAILURE || outcome == BREAKER_CONNECT_FAILURE;
}

static bool slow(const struct breaker_policy *policy, usec_t took)
{
    return policy->slow > 0 && policy->slow_rate > 0 && took > policy->slow;
}

static bool report_probe(struct breaker *breaker, const struct breaker_policy *policy, bool well,
                         usec_t now, uint64_t random)
{
    if (!well) {
        open_circuit(breaker, policy, now, random);
        return true;
    }
    if (++breaker->probed < probes_wanted(policy)) {
        return false;
    }
    breaker_reset(breaker, now);
    return true;
}

static bool report_call(struct breaker *breaker, const struct breaker_policy *policy,
                        enum breaker_outcome outcome, usec_t took, usec_t now)
{
    age_window(breaker, policy, now);
    struct breaker_slice *slice = &breaker->slices[breaker->newest];
    slice->calls++;
    slice->failures += failed(outcome) ? 1 : 0;
    slice->slow += slow(policy, took) ? 1 : 0;
    if (outcome == BREAKER_CONNECT_FAILURE) {
        breaker->connect_failures++;
    } else {
        breaker->connect_failures = 0;
    }
    return window_says_open(breaker, policy) ||
           (policy->consecutive > 0 && breaker->connect_failures >= policy->consecutive);
}

/* Time and chance are passed in, each for itself. NOLINTNEXTLINE(readability-function-size) */
bool breaker_report(struct breaker *breaker, const struct breaker_policy *policy,
                    struct breaker_permit *permit, enum breaker_outcome outcome, usec_t took,
                    usec_t now, uint64_t random)
{
    struct breaker_permit was = *permit;
    *permit = (struct breaker_permit){0};
    if (!was.held || was.epoch != breaker->epoch) {
        return false;
    }
    if (was.probe) {
        breaker->probing--;
    }
    if (policy->off || outcome == BREAKER_NEUTRAL) {
        return false;
    }
    if (was.probe) {
        bool well = !failed(outcome) && !slow(policy, took);
        return report_probe(breaker, policy, well, now, random);
    }
    if (breaker->state != BREAKER_CLOSED || !report_call(breaker, policy, outcome, took, now)) {
        return false;
    }
    open_circuit(breaker, policy, now, random);
    return true;
}

const char *breaker_state_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "unknown";
}
