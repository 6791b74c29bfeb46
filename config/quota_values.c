#include "config/quota_values.h"

#include "base/field_values.h"
#include "base/http1.h"

#include <inttypes.h>

enum {
    DECIMALS_MAX = 9,
    DAYS_MAX = 366,
    HEADER_MAX = 64,
    PERIOD_MAX = 3600, /* seconds */
};

#define NANO UINT64_C(1000000000)

const char *quota_amount_example(enum limit_unit unit)
{
    switch (unit) {
    case LIMIT_COST:
        return "250 USD";
    case LIMIT_BYTES:
        return "10GiB";
    case LIMIT_CONCURRENCY:
        return "10";
    case LIMIT_REQUESTS:
    case LIMIT_TOKENS:
    case LIMIT_UNITS:
        break;
    }
    return "600, 2k or 1M";
}

static size_t digits_of(struct slice text)
{
    size_t count = 0;
    while (count < text.len && ascii_is_digit(text.ptr[count])) {
        count++;
    }
    return count;
}

/* Behind the point: "5" is 500,000,000. */
static uint64_t nano_of(struct slice decimals)
{
    uint64_t value = 0;
    for (size_t i = 0; i < DECIMALS_MAX; i++) {
        value = value * 10 + (i < decimals.len ? (uint64_t)(decimals.ptr[i] - '0') : 0);
    }
    return value;
}

enum status quota_money_parse(struct slice text, uint64_t *ret, struct error *err)
{
    static const char form[] = "write an amount and its currency such as 250 USD or 0.50 USD";
    struct slice whole = slice_make(text.ptr, digits_of(text));
    struct slice rest = slice_skip(text, whole.len);
    struct slice decimals = slice_make("", 0);
    if (whole.len > 0 && slice_starts_with(rest, SLICE("."))) {
        rest = slice_skip(rest, 1);
        decimals = slice_make(rest.ptr, digits_of(rest));
        rest = slice_skip(rest, decimals.len);
        if (decimals.len == 0) {
            FAIL(err, STATUS_INVALID, "no digit behind the point; %s", form);
        }
    }
    if (whole.len > 0 && rest.len == 0) {
        FAIL(err, STATUS_INVALID, "no currency; %s", form);
    }
    if (whole.len == 0 || !slice_equal(rest, SLICE(" USD"))) {
        FAIL(err, STATUS_INVALID, "not an amount of money; %s", form);
    }
    if (decimals.len > DECIMALS_MAX) {
        FAIL(err, STATUS_INVALID, "finer than counted; write %d decimals at most", DECIMALS_MAX);
    }
    uint64_t dollars = 0;
    if (!slice_number(whole, LIMIT_AMOUNT_MAX / NANO, &dollars) ||
        dollars * NANO + nano_of(decimals) > LIMIT_AMOUNT_MAX) {
        FAIL(err, STATUS_INVALID, "too large; the most is %" PRIu64 " USD",
             LIMIT_AMOUNT_MAX / NANO);
    }
    *ret = dollars * NANO + nano_of(decimals);
    return STATUS_OK;
}

enum status quota_amount_parse(enum limit_unit unit, struct slice text, uint64_t *ret,
                               struct error *err)
{
    uint64_t amount = 0;
    if (slice_starts_with(text, SLICE("-"))) {
        FAIL(err, STATUS_INVALID, "no limit is below zero; write one such as %s",
             quota_amount_example(unit));
    }
    if (unit == LIMIT_COST) {
        TRY(quota_money_parse(text, &amount, err));
    } else {
        int64_t number = 0;
        TRY(field_number_parse(unit == LIMIT_BYTES ? FIELD_KIND_SIZE : FIELD_KIND_UINT, text,
                               &number, err));
        amount = (uint64_t)number;
    }
    if (amount > LIMIT_AMOUNT_MAX) {
        FAIL(err, STATUS_INVALID, "too large; the most is %" PRIu64, LIMIT_AMOUNT_MAX);
    }
    if (amount == 0) {
        FAIL(err, STATUS_INVALID, "nothing would ever fit; write a limit such as %s",
             quota_amount_example(unit));
    }
    *ret = amount;
    return STATUS_OK;
}

static enum status parse_days(struct slice digits, struct quota_span *ret, struct error *err)
{
    uint64_t days = 0;
    if (!slice_number(digits, DAYS_MAX, &days) || days == 0) {
        FAIL(err, STATUS_INVALID, "a window has 1d to %dd; write one such as 7d", DAYS_MAX);
    }
    *ret = (struct quota_span){.span = LIMIT_DAYS, .days = (unsigned)days};
    return STATUS_OK;
}

enum status quota_span_parse(struct slice text, struct quota_span *ret, struct error *err)
{
    static const char form[] = "write 1s to 1h for a rate, or day, week, month or a number of days "
                               "such as 7d for a window";
    struct slice digits = slice_make(text.ptr, digits_of(text));
    int64_t period = 0;
    if (slice_equal(text, SLICE("day"))) {
        *ret = (struct quota_span){.span = LIMIT_DAYS, .days = 1};
        return STATUS_OK;
    }
    if (slice_equal(text, SLICE("week"))) {
        *ret = (struct quota_span){.span = LIMIT_WEEK};
        return STATUS_OK;
    }
    if (slice_equal(text, SLICE("month"))) {
        *ret = (struct quota_span){.span = LIMIT_MONTH};
        return STATUS_OK;
    }
    if (digits.len > 0 && slice_equal(slice_skip(text, digits.len), SLICE("d"))) {
        return parse_days(digits, ret, err);
    }
    if (field_number_parse(FIELD_KIND_DURATION, text, &period, NULL) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "no span that quotas know; %s", form);
    }
    if (period > PERIOD_MAX * SEC) {
        FAIL(err, STATUS_INVALID, "too long for a rate; %s", form);
    }
    if (period < SEC || period % SEC != 0) {
        FAIL(err, STATUS_INVALID, "not whole seconds; %s", form);
    }
    *ret = (struct quota_span){.span = LIMIT_RATE, .period = period};
    return STATUS_OK;
}

enum status quota_share_parse(struct slice text, unsigned *ret_percent, struct error *err)
{
    uint64_t percent = 0;
    bool marked = text.len > 1 && text.ptr[text.len - 1] == '%';
    if (!marked || !slice_number(slice_make(text.ptr, text.len - 1), 99, &percent) ||
        percent == 0) {
        FAIL(err, STATUS_INVALID, "write a share from 1%% to 99%%, such as 80%%");
    }
    *ret_percent = (unsigned)percent;
    return STATUS_OK;
}

enum status quota_each_parse(struct slice text, enum limit_each *ret, struct slice *ret_header,
                             struct error *err)
{
    static const struct {
        struct slice word;
        enum limit_each each;
    } words[] = {
        {SLICE_INIT("tenant"), EACH_TENANT},
        {SLICE_INIT("route"), EACH_ROUTE},
        {SLICE_INIT("ip"), EACH_IP},
    };
    *ret_header = slice_make("", 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(text, words[i].word)) {
            *ret = words[i].each;
            return STATUS_OK;
        }
    }
    if (!slice_starts_with(text, SLICE("header:"))) {
        FAIL(err, STATUS_INVALID, "write tenant, route, ip or header:NAME");
    }
    struct slice name = slice_skip(text, strlen("header:"));
    if (!http1_valid_token(name) || name.len > HEADER_MAX) {
        FAIL(err, STATUS_INVALID,
             "no header can be called so, or its name is longer than %d bytes; write one such as "
             "header:X-User",
             HEADER_MAX);
    }
    *ret = EACH_HEADER;
    *ret_header = name;
    return STATUS_OK;
}
