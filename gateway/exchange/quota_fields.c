#include "gateway/exchange/quota_fields.h"

#include "base/digits.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"
#include "gateway/observe/timestamp.h"
#include "limiter/limit_text.h"
#include "limiter/reservation.h"
#include "routes/profile.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t whole_seconds(usec_t span)
{
    return span <= 0 ? 0 : (uint64_t)((span + SEC - 1) / SEC);
}

/* ---- RateLimit-Policy and RateLimit ---- */

/* Every answer has them: they are written in place. */
static const struct slice policy_name = SLICE_INIT("RateLimit-Policy: ");
static const struct slice left_name = SLICE_INIT("RateLimit: ");

static char *put(char *at, struct slice text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* For both, with all digits that numbers may have. */
static size_t room_for(const struct reservation *reservation)
{
    size_t room = policy_name.len + left_name.len + 2 * SLICE("\r\n").len;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct limit *limit = reservation->demands[i].limit;
        room += SLICE(", ").len + limit->policy.len;
        room += SLICE(", ;r=;t=").len + limit->quoted.len + 2 * (size_t)DIGITS_MAX;
    }
    return room;
}

static char *put_policy(const struct reservation *reservation, char *at)
{
    at = put(at, policy_name);
    for (unsigned i = 0; i < reservation->count; i++) {
        at = i == 0 ? at : put(at, SLICE(", "));
        at = put(at, reservation->demands[i].limit->policy);
    }
    return put(at, SLICE("\r\n"));
}

static char *put_left(const struct reservation *reservation, char *at)
{
    at = put(at, left_name);
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        at = i == 0 ? at : put(at, SLICE(", "));
        at = put(put(at, demand->limit->quoted), SLICE(";r="));
        at += digits_write(demand->left, at);
        if (demand->limit->span != LIMIT_HELD) {
            at = put(at, SLICE(";t="));
            at += digits_write(whole_seconds(demand->reset_after), at);
        }
    }
    return put(at, SLICE("\r\n"));
}

static enum status put_limits(const struct reservation *reservation, struct buffer *out)
{
    TRY(buffer_reserve(out, room_for(reservation)));
    char *start = buffer_tail(out);
    char *end = put_left(reservation, put_policy(reservation, start));
    buffer_commit(out, (size_t)(end - start));
    return STATUS_OK;
}

/* ---- the names that SDKs read ---- */

/* Of the rules that count this, the one with the least left. */
static const struct demand *tightest(const struct reservation *reservation, enum limit_unit unit)
{
    const struct demand *found = NULL;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->limit->unit == unit && (found == NULL || demand->left < found->left)) {
            found = demand;
        }
    }
    return found;
}

/* As OpenAI writes durations: "1h2m3s", "6m0s", "12s", "250ms". */
static enum status put_duration(usec_t span, struct buffer *out)
{
    if (span < SEC) {
        TRY(buffer_append_number(out, span <= 0 ? 0 : (uint64_t)((span + MSEC - 1) / MSEC)));
        return buffer_append(out, SLICE("ms"));
    }
    uint64_t seconds = whole_seconds(span);
    if (seconds >= 3600) {
        TRY(buffer_append_number(out, seconds / 3600));
        TRY(buffer_append(out, SLICE("h")));
    }
    if (seconds >= 60) {
        TRY(buffer_append_number(out, seconds / 60 % 60));
        TRY(buffer_append(out, SLICE("m")));
    }
    TRY(buffer_append_number(out, seconds % 60));
    return buffer_append(out, SLICE("s"));
}

/* https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers */
static enum status put_openai(const struct demand *demand, struct slice kind, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("x-ratelimit-limit-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append_number(out, demand->limit->amount));
    TRY(buffer_append(out, SLICE("\r\nx-ratelimit-remaining-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append_number(out, demand->left));
    TRY(buffer_append(out, SLICE("\r\nx-ratelimit-reset-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(put_duration(demand->reset_after, out));
    return buffer_append(out, SLICE("\r\n"));
}

/* https://docs.claude.com/en/api/rate-limits#response-headers; the time is RFC 3339. */
static enum status put_anthropic(const struct demand *demand, struct slice kind, usec_t wall,
                                 struct buffer *out)
{
    char when[TIMESTAMP_LEN];
    timestamp_write(wall + demand->reset_after, when);
    TRY(buffer_append(out, SLICE("anthropic-ratelimit-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE("-limit: ")));
    TRY(buffer_append_number(out, demand->limit->amount));
    TRY(buffer_append(out, SLICE("\r\nanthropic-ratelimit-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE("-remaining: ")));
    TRY(buffer_append_number(out, demand->left));
    TRY(buffer_append(out, SLICE("\r\nanthropic-ratelimit-")));
    TRY(buffer_append(out, kind));
    TRY(buffer_append(out, SLICE("-reset: ")));
    TRY(buffer_append(out, slice_make(when, TIMESTAMP_LEN)));
    return buffer_append(out, SLICE("\r\n"));
}

/* The quotas of the route that was asked for, whichever it went to. */
static const struct reservation *shown(const struct exchange *exchange)
{
    return exchange->earlier_count > 0 ? exchange->earlier[0] : exchange->reservation;
}

static enum status put_for_sdk(const struct exchange *exchange, enum limit_unit unit,
                               struct slice kind, struct buffer *out)
{
    const struct profile *profile = exchange->way.asked->profile;
    if (profile->call_count == 0) {
        return STATUS_OK;
    }
    const struct demand *demand = tightest(shown(exchange), unit);
    if (demand == NULL) {
        return STATUS_OK;
    }
    switch (profile->calls[0].dialect) {
    case USAGE_OPENAI_CHAT:
    case USAGE_OPENAI_RESPONSES:
        return put_openai(demand, kind, out);
    case USAGE_ANTHROPIC:
        return put_anthropic(demand, kind, clock_wall(), out);
    case USAGE_GEMINI:
    case USAGE_COHERE:
    case USAGE_BEDROCK:
    case USAGE_PLAIN:
    case USAGE_DIALECTS:
        break; /* their SDKs read none */
    }
    return STATUS_OK;
}

enum status quota_fields_write(const struct exchange *exchange, struct buffer *out)
{
    const struct reservation *reservation = shown(exchange);
    if (reservation == NULL || reservation->count == 0 || reservation->step == 0) {
        return STATUS_OK; /* nobody was asked what is left */
    }
    TRY(put_limits(reservation, out));
    TRY(put_for_sdk(exchange, LIMIT_REQUESTS, SLICE("requests"), out));
    TRY(put_for_sdk(exchange, LIMIT_TOKENS, SLICE("tokens"), out));
    if (reservation->basis != BASIS_STORE) {
        TRY(buffer_append(out, SLICE("X-Sallyport-Store: degraded\r\n")));
    }
    uint64_t output = metering_output_limit(exchange);
    if (output > 0) {
        TRY(buffer_append(out, SLICE("X-Sallyport-Output-Limit: ")));
        TRY(buffer_append_number(out, output));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    return STATUS_OK;
}

/* ---- refusals ---- */

enum problem_code quota_problem(const struct limit *limit)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return PROBLEM_QUOTA_EXCEEDED;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return PROBLEM_BUDGET_EXCEEDED;
    case LIMIT_HELD:
        return PROBLEM_CONCURRENCY_EXCEEDED;
    }
    return PROBLEM_QUOTA_EXCEEDED;
}

/* When to try again; -1: in vain, as this request is larger than the whole limit. */
static usec_t retry_after(const struct demand *demand)
{
    if (demand->room_after < 0) {
        return -1;
    }
    return demand->room_after > SEC ? demand->room_after : SEC;
}

enum status quota_fields_write_retry(const struct demand *demand, struct buffer *out)
{
    usec_t after = retry_after(demand);
    if (after >= 0) {
        TRY(buffer_append(out, SLICE("Retry-After: ")));
        TRY(buffer_append_number(out, whole_seconds(after)));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    if (after < 0 || quota_problem(demand->limit) == PROBLEM_BUDGET_EXCEEDED) {
        return buffer_append(out, SLICE("x-should-retry: false\r\n"));
    }
    return STATUS_OK;
}

/* "in 12 s", "in 3 h 20 min": for people. */
static void duration_text(usec_t span, char *out, size_t size)
{
    uint64_t seconds = whole_seconds(span);
    if (seconds < 120) {
        (void)snprintf(out, size, "%" PRIu64 " s", seconds);
    } else if (seconds < 7200) {
        (void)snprintf(out, size, "%" PRIu64 " min", (seconds + 59) / 60);
    } else if (seconds < UINT64_C(172800)) {
        (void)snprintf(out, size, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                       seconds / 60 % 60);
    } else {
        (void)snprintf(out, size, "%" PRIu64 " days", (seconds + 86399) / 86400);
    }
}

void quota_refusal_text(const struct demand *demand, char out[QUOTA_TEXT_MAX])
{
    const struct limit *limit = demand->limit;
    char rule[LIMIT_TEXT_MAX];
    char left[LIMIT_AMOUNT_TEXT_MAX];
    char when[32];
    limit_text(limit, rule);
    limit_amount_text(limit->unit, demand->left, left);
    duration_text(retry_after(demand), when, sizeof(when));
    if (demand->whole == 0) { /* not asked: it stood behind others until its patience ended */
        (void)snprintf(out, QUOTA_TEXT_MAX,
                       "the quota \"%s\" allows %s, and others wait for it, too; send it again "
                       "later",
                       limit->name, rule);
    } else if (demand->room_after < 0) {
        (void)snprintf(out, QUOTA_TEXT_MAX,
                       "the quota \"%s\" allows %s, and this request alone may need more; make it "
                       "smaller, for example by a lower limit of output",
                       limit->name, rule);
    } else if (limit->span == LIMIT_HELD) {
        (void)snprintf(out, QUOTA_TEXT_MAX,
                       "the quota \"%s\" allows %s; send it again when one of them has ended",
                       limit->name, rule);
    } else {
        (void)snprintf(out, QUOTA_TEXT_MAX,
                       "the quota \"%s\" allows %s (left: %s); there is room for this request in "
                       "%s",
                       limit->name, rule, left, when);
    }
}
