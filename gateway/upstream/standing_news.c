/* standing_news: what changes in circuits, and how it is told; see standing.h. */
#include "gateway/upstream/standing_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 160 };

/* ---- circuits ---- */

bool circuit_admit(struct breaker *breaker, const struct breaker_policy *policy, usec_t now,
                   struct breaker_permit *ret_permit, usec_t *ret_after,
                   struct standing_change *ret)
{
    enum breaker_state before = breaker->state;
    bool admitted = breaker_admit(breaker, policy, now, ret_permit, ret_after);
    ret->event = breaker->state != before ? STANDING_PROBES : STANDING_SAME;
    return admitted;
}

/* Why a circuit that was closed before is open now. */
static enum standing_event why_opened(const struct breaker_policy *policy,
                                      const struct standing_change *change,
                                      enum breaker_outcome outcome)
{
    uint64_t failures = (uint64_t)change->counts.failures * 100;
    uint64_t enough = (uint64_t)change->counts.calls * policy->failure_rate;
    if (outcome == BREAKER_CONNECT_FAILURE && policy->consecutive > 0 &&
        change->in_a_row >= policy->consecutive) {
        return STANDING_OPENED_BY_CONNECTS;
    }
    return policy->slow_rate > 0 && failures < enough ? STANDING_OPENED_BY_SLOWNESS
                                                      : STANDING_OPENED_BY_FAILURES;
}

void circuit_report(struct breaker *breaker, const struct breaker_policy *policy,
                    struct breaker_permit *permit, const struct circuit_report *report,
                    struct standing_change *ret)
{
    enum breaker_state before = breaker->state;
    usec_t now = report->now;
    if (!breaker_report(breaker, policy, permit, report->outcome, report->took, now,
                        report->random)) {
        ret->event = STANDING_SAME;
        return;
    }
    ret->counts = breaker_counts(breaker, policy, now);
    ret->in_a_row = breaker->connect_failures;
    ret->open_for = breaker->open_until > now ? breaker->open_until - now : 0;
    if (breaker->state != BREAKER_OPEN) {
        ret->event = STANDING_CLOSED;
    } else {
        ret->event = before == BREAKER_HALF_OPEN ? STANDING_OPENED_BY_PROBE
                                                 : why_opened(policy, ret, report->outcome);
    }
}

/* ---- the ring ---- */

bool standings_keep(struct standings *standings, const struct standing_change *change)
{
    if (change->event == STANDING_SAME) {
        return false;
    }
    (void)pthread_mutex_lock(&standings->news_lock);
    bool first = standings->news_count == 0 && standings->news_lost == 0;
    if (standings->news_count < STANDING_NEWS_MAX) {
        unsigned place = (standings->news_first + standings->news_count) % STANDING_NEWS_MAX;
        standings->news[place] = *change;
        standings->news_count++;
    } else {
        standings->news_lost++;
    }
    (void)pthread_mutex_unlock(&standings->news_lock);
    return first;
}

void standings_wake(const struct standings *standings)
{
    if (standings->wake != NULL) {
        standings->wake(standings->wake_ctx);
    }
}

void standings_on_news(struct standings *standings, void (*wake)(void *ctx), void *ctx)
{
    standings->wake = wake;
    standings->wake_ctx = ctx;
}

/* ---- words ---- */

static void write_opened(const struct standing_change *change, const char *why,
                         char out[TEXT_MAX_BYTES])
{
    usec_t tenths = (change->open_for + SEC / 10 - 1) / (SEC / 10);
    (void)snprintf(out, TEXT_MAX_BYTES, "opened: %s; probes in %" PRId64 ".%" PRId64 " s", why,
                   tenths / 10, tenths % 10);
}

static void write_text(const struct standing_change *change, char out[TEXT_MAX_BYTES])
{
    const struct breaker_slice *counts = &change->counts;
    char why[TEXT_MAX_BYTES / 2];
    out[0] = '\0';
    switch (change->event) {
    case STANDING_SAME:
        return;
    case STANDING_OPENED_BY_FAILURES:
        (void)snprintf(why, sizeof(why), "%u of %u calls failed", counts->failures, counts->calls);
        write_opened(change, why, out);
        return;
    case STANDING_OPENED_BY_CONNECTS:
        (void)snprintf(why, sizeof(why), "%u connects in a row failed", change->in_a_row);
        write_opened(change, why, out);
        return;
    case STANDING_OPENED_BY_CHECKS:
        (void)snprintf(why, sizeof(why), "%u connects or health checks in a row failed",
                       change->in_a_row);
        write_opened(change, why, out);
        return;
    case STANDING_OPENED_BY_SLOWNESS:
        (void)snprintf(why, sizeof(why), "%u of %u calls were slow", counts->slow, counts->calls);
        write_opened(change, why, out);
        return;
    case STANDING_OPENED_BY_PROBE:
        write_opened(change, "a probe failed", out);
        return;
    case STANDING_PROBES:
        (void)snprintf(out, TEXT_MAX_BYTES, "half open: probes are let through");
        return;
    case STANDING_HINTED:
        (void)snprintf(out, TEXT_MAX_BYTES,
                       "half open: a health check was answered, probes are let through");
        return;
    case STANDING_CLOSED:
        (void)snprintf(out, TEXT_MAX_BYTES, "closed: its probes were answered");
        return;
    case STANDING_ILL:
        (void)snprintf(out, TEXT_MAX_BYTES, "ill: %u health checks in a row failed",
                       change->in_a_row);
        return;
    case STANDING_WELL_AGAIN:
        (void)snprintf(out, TEXT_MAX_BYTES, "well: a health check was answered");
        return;
    }
}

void standings_news(struct standings *standings, void *ctx,
                    void (*tell)(void *ctx, const struct standing_news *news), unsigned *lost)
{
    struct standing_change kept[STANDING_NEWS_MAX];
    (void)pthread_mutex_lock(&standings->news_lock);
    unsigned count = standings->news_count;
    for (unsigned i = 0; i < count; i++) {
        kept[i] = standings->news[(standings->news_first + i) % STANDING_NEWS_MAX];
    }
    standings->news_first = 0;
    standings->news_count = 0;
    *lost = standings->news_lost;
    standings->news_lost = 0;
    (void)pthread_mutex_unlock(&standings->news_lock);

    for (unsigned i = 0; i < count; i++) {
        char text[TEXT_MAX_BYTES];
        write_text(&kept[i], text);
        tell(ctx, &(struct standing_news){
                      .route = kept[i].route, .secret = kept[i].secret, .text = text});
    }
}
