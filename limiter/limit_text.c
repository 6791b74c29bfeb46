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
