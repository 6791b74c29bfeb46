#include "limiter/limit_text.h"

#include <inttypes.h>
#include <stdio.h>

#define NANOUSD_A_USD UINT64_C(1000000000)

/* Whole dollars and cents short, anything finer with all nine digits. */
static void money(uint64_t nanousd, char out[LIMIT_AMOUNT_TEXT_MAX])
{
    uint64_t whole = nanousd / NANOUSD_A_USD;
    uint64_t rest = nanousd % NANOUSD_A_USD;
    if (rest == 0) {
        (void)snprintf(out, LIMIT_AMOUNT_TEXT_MAX, "%" PRIu64 " USD", whole);
    } else if (rest % 10000000 == 0) {
        (void)snprintf(out, LIMIT_AMOUNT_TEXT_MAX, "%" PRIu64 ".%02" PRIu64 " USD", whole,
                       rest / 10000000);
    } else {
        (void)snprintf(out, LIMIT_AMOUNT_TEXT_MAX, "%" PRIu64 ".%09" PRIu64 " USD", whole, rest);
    }
}

void limit_amount_text(enum limit_unit unit, uint64_t amount, char out[LIMIT_AMOUNT_TEXT_MAX])
{
    const char *word = "requests";
    const char *behind = "";
    switch (unit) {
    case LIMIT_COST:
        money(amount, out);
        return;
    case LIMIT_TOKENS:
        word = "tokens";
        break;
    case LIMIT_BYTES:
        word = "bytes";
        break;
    case LIMIT_CONCURRENCY:
        behind = " at once";
        break;
    case LIMIT_REQUESTS:
    case LIMIT_UNITS:
        break;
    }
    int letters = (int)slice_from(word).len - (amount == 1 ? 1 : 0);
    (void)snprintf(out, LIMIT_AMOUNT_TEXT_MAX, "%" PRIu64 " %.*s%s", amount, letters, word, behind);
}

void limit_span_text(const struct limit *limit, char out[LIMIT_SPAN_TEXT_MAX])
{
    int64_t seconds = limit->period / SEC;
    const char *word = "";
    switch (limit->span) {
    case LIMIT_RATE:
        word = seconds == 1 ? "second" : seconds == 60 ? "minute" : seconds == 3600 ? "hour" : "";
        if (word[0] == '\0') {
            (void)snprintf(out, LIMIT_SPAN_TEXT_MAX, "%" PRId64 " s", seconds);
            return;
        }
        break;
    case LIMIT_DAYS:
        if (limit->days != 1) {
            (void)snprintf(out, LIMIT_SPAN_TEXT_MAX, "%u days", limit->days);
            return;
        }
        word = "day";
        break;
    case LIMIT_WEEK:
        word = "week";
        break;
    case LIMIT_MONTH:
        word = "month";
        break;
    case LIMIT_HELD:
        break;
    }
    (void)snprintf(out, LIMIT_SPAN_TEXT_MAX, "%s", word);
}

void limit_text(const struct limit *limit, char out[LIMIT_TEXT_MAX])
{
    char amount[LIMIT_AMOUNT_TEXT_MAX];
    char span[LIMIT_SPAN_TEXT_MAX];
    limit_amount_text(limit->unit, limit->amount, amount);
    limit_span_text(limit, span);
    (void)snprintf(out, LIMIT_TEXT_MAX, "%s%s%s", amount,
                   span[0] == '\0'                               ? ""
                   : span[0] >= '0' && span[0] <= '9'            ? " in "
                   : limit->span == LIMIT_RATE && span[0] == 'h' ? " an "
                                                                 : " a ",
                   span);
}

/* The quota's unit, where it is not requests (draft, section 2.4.2: "qu"). */
static const char *unit_parameter(enum limit_unit unit)
{
    switch (unit) {
    case LIMIT_REQUESTS:
    case LIMIT_UNITS:
        break;
    case LIMIT_TOKENS:
        return ";qu=\"tokens\"";
    case LIMIT_COST:
        return ";qu=\"nano-usd\"";
    case LIMIT_BYTES:
        return ";qu=\"content-bytes\"";
    case LIMIT_CONCURRENCY:
        return ";qu=\"concurrent-requests\"";
    }
    return "";
}

/* The length of its window: of a rate its period, of a budget what a usual one has. */
static uint64_t window_seconds(const struct limit *limit)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return (uint64_t)(limit->period / SEC);
    case LIMIT_DAYS:
        return (uint64_t)limit->days * 86400;
    case LIMIT_WEEK:
        return UINT64_C(7) * 86400;
    case LIMIT_MONTH:
        return UINT64_C(30) * 86400;
    case LIMIT_HELD:
        break;
    }
    return 0;
}

size_t limit_policy_text(const struct limit *limit, char out[LIMIT_POLICY_MAX])
{
    int len = snprintf(out, LIMIT_POLICY_MAX, "\"%s\";q=%" PRIu64 "%s", limit->name, limit->amount,
                       unit_parameter(limit->unit));
    if (limit->span != LIMIT_HELD) {
        len += snprintf(out + len, LIMIT_POLICY_MAX - (size_t)len, ";w=%" PRIu64,
                        window_seconds(limit));
    }
    return (size_t)len;
}
