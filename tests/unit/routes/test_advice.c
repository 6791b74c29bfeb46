#include "base/http1.h"
#include "routes/advice.h"
#include "routes/advice_form.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
/* 2026-11-26 15:47:47.5 UTC */
#define NOW (1795708067 * SEC + SEC / 2)

/* ---- forms ---- */

struct form_case {
    enum advice_form form;
    const char *text;
    usec_t wait;
};

static void expect_forms(const struct form_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice text = slice_from(cases[i].text);
        /* Copied without a NUL, so that a byte read too many is seen. */
        char *copy = malloc(text.len + 1);
        cr_assert_not_null(copy);
        char *exact = copy + 1;
        memcpy(exact, text.ptr, text.len);
        usec_t wait = advice_form_read(cases[i].form, slice_make(exact, text.len), NOW);
        cr_expect_eq(wait, cases[i].wait, "%d \"%s\": %ld, not %ld", (int)cases[i].form,
                     cases[i].text, (long)wait, (long)cases[i].wait);
        free(copy);
    }
}

Test(advice, seconds)
{
    static const struct form_case cases[] = {
        {ADVICE_SECONDS_OR_DATE, "120", 120 * SEC},
        {ADVICE_SECONDS_OR_DATE, "0", 0},
        {ADVICE_SECONDS_OR_DATE, "1.5", 1500 * MSEC},
        {ADVICE_SECONDS_OR_DATE, " 7 ", 7 * SEC},
        {ADVICE_SECONDS_OR_DATE, "007", 7 * SEC},
        {ADVICE_SECONDS_OR_DATE, "0.0000001", 0},
        {ADVICE_SECONDS_OR_DATE, "0.000001", 1},
        {ADVICE_SECONDS_OR_DATE, "1.123456789123456789", SEC + 123456},
        {ADVICE_SECONDS_OR_DATE, "315360000", ADVICE_LONGEST},
        {ADVICE_SECONDS_OR_DATE, "315360000.1", -1},
        {ADVICE_SECONDS_OR_DATE, "315360001", -1},
        {ADVICE_SECONDS_OR_DATE, "1000000000000000000", -1},
        {ADVICE_SECONDS_OR_DATE, "99999999999999999999999999999999", -1},
        {ADVICE_SECONDS_OR_DATE, "-1", -1},
        {ADVICE_SECONDS_OR_DATE, "+1", -1},
        {ADVICE_SECONDS_OR_DATE, "", -1},
        {ADVICE_SECONDS_OR_DATE, "  ", -1},
        {ADVICE_SECONDS_OR_DATE, "NaN", -1},
        {ADVICE_SECONDS_OR_DATE, "inf", -1},
        {ADVICE_SECONDS_OR_DATE, "1e9", -1},
        {ADVICE_SECONDS_OR_DATE, "0x10", -1},
        {ADVICE_SECONDS_OR_DATE, "1.", -1},
        {ADVICE_SECONDS_OR_DATE, ".5", -1},
        {ADVICE_SECONDS_OR_DATE, "1.5.5", -1},
        {ADVICE_SECONDS_OR_DATE, "1,5", -1},
        {ADVICE_SECONDS_OR_DATE, "120 s", -1},
        {ADVICE_SECONDS_OR_DATE, "12 0", -1},
        {ADVICE_SECONDS, "0.5", SEC / 2},
        {ADVICE_SECONDS, "Thu, 26 Nov 2026 15:47:50 GMT", -1},
        {ADVICE_MILLISECONDS, "1500", 1500 * MSEC},
        {ADVICE_MILLISECONDS, "0.25", 250},
        {ADVICE_MILLISECONDS, "-1500", -1},
        {ADVICE_MILLISECONDS, "", -1},
        {ADVICE_MILLISECONDS, "315360000001", -1},
    };
    expect_forms(cases, COUNT_OF(cases));
}

Test(advice, http_dates_in_the_three_formats)
{
    static const struct form_case cases[] = {
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:50 GMT", 2500 * MSEC},
        {ADVICE_SECONDS_OR_DATE, "Thursday, 26-Nov-26 15:47:50 GMT", 2500 * MSEC},
        {ADVICE_SECONDS_OR_DATE, "Thu Nov 26 15:47:50 2026", 2500 * MSEC},
        {ADVICE_SECONDS_OR_DATE, "Sun Dec  6 15:47:47 2026", 10 * 86400 * SEC - SEC / 2},
        {ADVICE_SECONDS_OR_DATE, "Wed, 01 Mar 2028 00:00:00 GMT", 39773532 * SEC + SEC / 2},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:60 GMT", 12500 * MSEC}, /* leap second */
        /* the past */
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:47 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Sun, 06 Nov 1994 08:49:37 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Sunday, 06-Nov-94 08:49:37 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Sun Nov  6 08:49:37 1994", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 01 Jan 1970 00:00:00 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Wed, 31 Dec 1969 23:59:59 GMT", -1},
        /* beyond what is believed */
        {ADVICE_SECONDS_OR_DATE, "Fri, 31 Dec 9999 23:59:59 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Friday, 26-Nov-69 15:47:50 GMT", -1},
        /* none */
        {ADVICE_SECONDS_OR_DATE, "Thu, 31 Nov 2026 15:47:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Mon, 29 Feb 2027 15:47:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 00 Dec 2026 15:47:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 24:00:00 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:60:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:61 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:50 CET", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:50", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026 15:47:50 GMT+1", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Nov 2026", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 6 Nov 2026 15:47:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, 26 Foo 2026 15:47:50 GMT", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu", -1},
        {ADVICE_SECONDS_OR_DATE, "Thu, ", -1},
        {ADVICE_SECONDS_OR_DATE, ", 26 Nov 2026 15:47:50 GMT", -1},
    };
    expect_forms(cases, COUNT_OF(cases));
}

Test(advice, durations_as_go_writes_them)
{
    static const struct form_case cases[] = {
        {ADVICE_DURATION, "6m0s", 360 * SEC},
        {ADVICE_DURATION, "120ms", 120 * MSEC},
        {ADVICE_DURATION, "1.2s", 1200 * MSEC},
        {ADVICE_DURATION, "1h2m3.5s", 3723 * SEC + SEC / 2},
        {ADVICE_DURATION, "1s", SEC},
        {ADVICE_DURATION, "0s", 0},
        {ADVICE_DURATION, "0", 0},
        {ADVICE_DURATION, "42", 42 * SEC},
        {ADVICE_DURATION, "0.5", SEC / 2},
        {ADVICE_DURATION, "15us", 15},
        {ADVICE_DURATION, "15\xc2\xb5s", 15},
        {ADVICE_DURATION, "15\xce\xbcs", 15},
        {ADVICE_DURATION, "1500ns", 1},
        {ADVICE_DURATION, "7.66s", 7660 * MSEC},
        {ADVICE_DURATION, "1.5h", 5400 * SEC},
        {ADVICE_DURATION, "87600h", ADVICE_LONGEST},
        {ADVICE_DURATION, "87600h1us", -1},
        {ADVICE_DURATION, "87601h", -1},
        {ADVICE_DURATION, "87600h87600h87600h87600h", -1},
        {ADVICE_DURATION, "99999999999999999999h", -1},
        {ADVICE_DURATION, "99999999999999999999ns", -1},
        {ADVICE_DURATION, "-6m0s", -1},
        {ADVICE_DURATION, "6m-1s", -1},
        {ADVICE_DURATION, "6m0", -1},
        {ADVICE_DURATION, "6m 0s", -1},
        {ADVICE_DURATION, "6 m", -1},
        {ADVICE_DURATION, "m", -1},
        {ADVICE_DURATION, "1d", -1},
        {ADVICE_DURATION, "6M", -1},
        {ADVICE_DURATION, "1.s", -1},
        {ADVICE_DURATION, "", -1},
        {ADVICE_DURATION, "NaN", -1},
    };
    expect_forms(cases, COUNT_OF(cases));
}

Test(advice, epochs_in_seconds_and_milliseconds)
{
    static const struct form_case cases[] = {
        {ADVICE_EPOCH, "1795708068", SEC / 2},
        {ADVICE_EPOCH, "1795708067.75", SEC / 4},
        {ADVICE_EPOCH, "1795708069500", 2 * SEC},
        {ADVICE_EPOCH, "1795708069500.5", 2 * SEC + 500},
        {ADVICE_EPOCH, "1795708067.5", 0},
        {ADVICE_EPOCH, "1795708067", -1},
        {ADVICE_EPOCH, "1795708067499", -1},
        {ADVICE_EPOCH, "0", -1},
        {ADVICE_EPOCH, "60", -1}, /* somebody meant a wait */
        {ADVICE_EPOCH, "-1795708068", -1},
        {ADVICE_EPOCH, "2111068067", ADVICE_LONGEST - SEC / 2},
        {ADVICE_EPOCH, "2111068068", -1},
        {ADVICE_EPOCH, "100000000000", -1},
        {ADVICE_EPOCH, "1795708069500000", -1}, /* microseconds */
        {ADVICE_EPOCH, "1000000000000000000", -1},
        {ADVICE_EPOCH, "99999999999999999999999", -1},
        {ADVICE_EPOCH, "", -1},
        {ADVICE_EPOCH, "NaN", -1},
    };
    expect_forms(cases, COUNT_OF(cases));
}

Test(advice, rfc_3339)
{
    static const struct form_case cases[] = {
        {ADVICE_TIME, "2026-11-26T15:47:50Z", 2500 * MSEC},
        {ADVICE_TIME, "2026-11-26t15:47:50z", 2500 * MSEC},
        {ADVICE_TIME, "2026-11-26 15:47:50Z", 2500 * MSEC},
        {ADVICE_TIME, "2026-11-26T15:47:50.123456789Z", 2623456},
        {ADVICE_TIME, "2026-11-26T16:47:50+01:00", 2500 * MSEC},
        {ADVICE_TIME, "2026-11-26T10:17:50-05:30", 2500 * MSEC},
        {ADVICE_TIME, "2026-11-27T00:00:00+08:12", 12500 * MSEC},
        {ADVICE_TIME, "2026-11-26T15:47:47.5Z", 0},
        {ADVICE_TIME, "2026-11-26T15:47:47.4Z", -1},
        {ADVICE_TIME, "1970-01-01T00:00:00Z", -1},
        {ADVICE_TIME, "0000-01-01T00:00:00Z", -1},
        {ADVICE_TIME, "9999-12-31T23:59:59Z", -1},
        {ADVICE_TIME, "2026-13-26T15:47:50Z", -1},
        {ADVICE_TIME, "2026-00-26T15:47:50Z", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50+0100", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50+24:00", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50-24:00", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50-01:60", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50.Z", -1},
        {ADVICE_TIME, "2026-11-26T15:47:50ZZ", -1},
        {ADVICE_TIME, "2026-11-26", -1},
        {ADVICE_TIME, "", -1},
    };
    expect_forms(cases, COUNT_OF(cases));
}

/* ---- heads ---- */

enum { FIELDS_MAX = 16 };

static struct slice take_line(struct slice *rest)
{
    struct slice line = slice_make(rest->ptr, slice_find(*rest, '\n'));
    *rest = slice_skip(*rest, line.len + 1);
    return line;
}

/* Reads "503\nRetry-After: 5\nX: y". */
static struct advice read_head(const struct advice_facts *facts, const char *text)
{
    struct http1_field fields[FIELDS_MAX];
    struct http1_response response = {.fields = fields};
    struct slice rest = slice_from(text);
    uint64_t status = 0;
    cr_assert(slice_number(take_line(&rest), 599, &status));
    while (rest.len > 0) {
        struct slice one = take_line(&rest);
        cr_assert_lt(response.field_count, FIELDS_MAX);
        size_t colon = slice_find(one, ':');
        struct slice name = slice_make(one.ptr, colon);
        fields[response.field_count++] = (struct http1_field){
            .name = name,
            .value = slice_trim(slice_skip(one, colon + 1)),
            .hash = http1_name_hash(name),
        };
    }
    response.status = (unsigned)status;
    struct advice advice;
    advice_read(facts, &response, NOW, &advice);
    return advice;
}

static struct advice_after after(struct slice header, enum advice_form form)
{
    return (struct advice_after){header, http1_name_hash(header), form};
}

struct head_case {
    const char *head;
    usec_t retry_after;
};

Test(advice, without_facts_retry_after_is_read)
{
    static const struct advice_facts none = {0};
    static const struct head_case cases[] = {
        {"503", -1},
        {"503\nRetry-After: 5", 5 * SEC},
        {"503\nRETRY-AFTER: 5", 5 * SEC},
        {"503\nRetry-After: 5\nRetry-After: 9", 9 * SEC}, /* the longer wait */
        {"503\nRetry-After: 9\nRetry-After: 5", 9 * SEC},
        {"503\nRetry-After: 9\nRetry-After: soon", 9 * SEC},
        {"503\nRetry-After: 5, 9", -1},
        {"503\nRetry-After: soon", -1},
        {"503\nRetry-After:", -1},
        {"503\nX-Retry-After: 5", -1},
        {"200\nRetry-After: 5", -1}, /* nothing is to be tried again */
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct advice advice = read_head(&none, cases[i].head);
        cr_expect_eq(advice.retry_after, cases[i].retry_after, "%u: %ld", i,
                     (long)advice.retry_after);
        cr_expect_eq(advice.word, ADVICE_NO_WORD);
        cr_expect_not(advice.throttled || advice.unprocessed || advice.key_refused);
        cr_expect_not(advice.has_limit);
        cr_expect_eq(advice.reset_after, -1);
    }
}

Test(advice, the_first_header_that_says_something_counts)
{
    const struct advice_after headers[] = {
        after(SLICE("retry-after-ms"), ADVICE_MILLISECONDS),
        after(SLICE("retry-after"), ADVICE_SECONDS_OR_DATE),
    };
    const struct advice_facts facts = {.after = headers, .after_count = 2};
    static const struct head_case cases[] = {
        {"429\nretry-after: 2\nretry-after-ms: 1250", 1250 * MSEC},
        {"429\nretry-after: 2\nretry-after-ms: -1", 2 * SEC},
        {"429\nretry-after: 2", 2 * SEC},
        {"429", -1},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct advice advice = read_head(&facts, cases[i].head);
        cr_expect_eq(advice.retry_after, cases[i].retry_after, "%u", i);
        cr_expect(advice.throttled);
        cr_expect(advice.unprocessed);
    }
}

struct word_case {
    const char *head;
    enum advice_word word;
};

Test(advice, the_word)
{
    const struct advice_facts facts = {
        .should_retry = SLICE("x-should-retry"),
        .should_retry_hash = http1_name_hash(SLICE("x-should-retry")),
    };
    static const struct word_case cases[] = {
        {"500", ADVICE_NO_WORD},
        {"500\nX-Should-Retry: true", ADVICE_AGAIN},
        {"500\nx-should-retry: FALSE", ADVICE_NOT_AGAIN},
        {"500\nx-should-retry: maybe", ADVICE_NO_WORD},
        {"500\nx-should-retry: true\nx-should-retry: false", ADVICE_NOT_AGAIN},
        {"500\nx-should-retry: false\nx-should-retry: true", ADVICE_NOT_AGAIN},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(read_head(&facts, cases[i].head).word, cases[i].word, "%u", i);
    }
}

static struct advice_mark mark(unsigned status, struct slice header, struct slice value)
{
    return (struct advice_mark){status, header, value, http1_name_hash(header)};
}

struct mark_case {
    const char *head;
    bool throttled, unprocessed, key_refused;
};

Test(advice, marks)
{
    const struct advice_mark throttled[] = {
        mark(403, SLICE("x-left"), SLICE("0")),
        mark(403, SLICE("retry-after"), SLICE("")), /* is there */
        mark(0, SLICE("x-amzn-errortype"), SLICE("ThrottlingException")),
    };
    const struct advice_mark unprocessed[] = {
        mark(503, SLICE("x-refused"), SLICE("true")),
        mark(540, SLICE(""), SLICE("")), /* the status alone */
    };
    const struct advice_mark refused[] = {mark(401, SLICE(""), SLICE(""))};
    const struct advice_facts facts = {
        .throttled = throttled,
        .throttled_count = COUNT_OF(throttled),
        .unprocessed = unprocessed,
        .unprocessed_count = COUNT_OF(unprocessed),
        .key_refused = refused,
        .key_refused_count = COUNT_OF(refused),
    };
    static const struct mark_case cases[] = {
        {"403", false, false, false},
        {"403\nX-Left: 0", true, true, false},
        {"403\nX-Left: 00", false, false, false},
        {"403\nX-Left: 10", false, false, false},
        {"403\nX-Left: 10\nX-Left: 0", true, true, false},
        {"403\nRetry-After: 60", true, true, false},
        {"403\nRetry-After:", true, true, false},
        {"404\nRetry-After: 60", false, false, false},
        {"400\nx-amzn-ErrorType: ThrottlingException", true, true, false},
        {"400\nx-amzn-ErrorType: ThrottlingException:http://internal.test/", true, true, false},
        {"400\nx-amzn-ErrorType: test.space#ThrottlingException", true, true, false},
        {"400\nx-amzn-ErrorType: a#b#throttlingexception:http://x/#y", true, true, false},
        {"400\nx-amzn-ErrorType: NotThrottlingException", false, false, false},
        {"400\nx-amzn-ErrorType: ThrottlingExceptions", false, false, false},
        {"400\nx-amzn-ErrorType: ValidationException#", false, false, false},
        {"200\nx-amzn-ErrorType: ThrottlingException", false, false, false},
        {"503\nX-Refused: TRUE", false, true, false},
        {"503\nX-Refused: false", false, false, false},
        {"540", false, true, false},
        {"401", false, false, true},
        {"429", true, true, false},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct advice advice = read_head(&facts, cases[i].head);
        cr_expect_eq(advice.throttled, cases[i].throttled, "%s", cases[i].head);
        cr_expect_eq(advice.unprocessed, cases[i].unprocessed, "%s", cases[i].head);
        cr_expect_eq(advice.key_refused, cases[i].key_refused, "%s", cases[i].head);
    }
}

static struct advice_limit limit(struct slice most, struct slice left, struct slice reset)
{
    return (struct advice_limit){
        .limit = most,
        .remaining = left,
        .reset = reset,
        .limit_hash = http1_name_hash(most),
        .remaining_hash = http1_name_hash(left),
        .reset_hash = http1_name_hash(reset),
        .form = ADVICE_DURATION,
    };
}

struct limit_case {
    const char *head;
    bool has_limit;
    uint64_t limit, remaining;
    usec_t reset_after, retry_after;
};

Test(advice, of_the_limits_the_one_with_the_least_share_left)
{
    const struct advice_limit limits[] = {
        limit(SLICE("r-limit"), SLICE("r-left"), SLICE("r-reset")),
        limit(SLICE("t-limit"), SLICE("t-left"), SLICE("")),
        limit(SLICE("d-limit"), SLICE("d-left"), SLICE("d-reset")),
    };
    const struct advice_facts facts = {.limits = limits, .limit_count = COUNT_OF(limits)};
    static const struct limit_case cases[] = {
        {"200", false, 0, 0, -1, -1},
        {"200\nr-limit: 100\nr-left: 90\nr-reset: 6s", true, 100, 90, 6 * SEC, -1},
        {"200\nr-limit: 100\nr-left: 9\nr-reset: 6s\nt-limit: 9000\nt-left: 800", true, 9000, 800,
         -1, -1}, /* 8.9 % against 9 % */
        {"200\nr-limit: 100\nr-left: 9\nr-reset: 6s\nt-limit: 9000\nt-left: 811", true, 100, 9,
         6 * SEC, -1},
        {"200\nr-limit: 1000000000000000\nr-left: 999999999999999\nt-limit: 1000000000000000\n"
         "t-left: 999999999999998",
         true, 1000000000000000, 999999999999998, -1, -1},
        {"200\nr-limit: 100\nr-left: 200", true, 100, 100, -1, -1},
        {"200\nr-limit: 0\nr-left: 0\nr-reset: 5s", false, 0, 0, -1, -1},
        {"200\nr-limit: 100\nr-reset: 5s", false, 0, 0, -1, -1},
        {"200\nr-left: 100\nr-reset: 5s", false, 0, 0, -1, -1},
        {"200\nr-limit: 100\nr-left: -1", false, 0, 0, -1, -1},
        {"200\nr-limit: -100\nr-left: 1", false, 0, 0, -1, -1},
        {"200\nr-limit: 1e3\nr-left: 1", false, 0, 0, -1, -1},
        {"200\nr-limit: 100\nr-left: 1000000000000000000", false, 0, 0, -1, -1},
        {"200\nr-limit: 100, 100;w=60\nr-left: 50;x=y", true, 100, 50, -1, -1},
        {"200\nr-limit: 100\nr-left: 50\nr-reset: yesterday", true, 100, 50, -1, -1},
        /* nothing left: when it is throttled, the reset is when to come again */
        {"200\nr-limit: 100\nr-left: 0\nr-reset: 6s", true, 100, 0, 6 * SEC, -1},
        {"429\nr-limit: 100\nr-left: 0\nr-reset: 6s", true, 100, 0, 6 * SEC, 6 * SEC},
        {"429\nr-limit: 100\nr-left: 1\nr-reset: 6s", true, 100, 1, 6 * SEC, -1},
        {"429\nr-limit: 9\nr-left: 0\nr-reset: 6s\nd-limit: 9\nd-left: 0\nd-reset: 8s", true, 9, 0,
         6 * SEC, 8 * SEC},
        {"429\nr-limit: 9\nr-left: 0\nr-reset: 6s\nRetry-After: 1", true, 9, 0, 6 * SEC, SEC},
        {"429\nr-left: 0\nr-reset: 6s", false, 0, 0, -1, 6 * SEC},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct advice advice = read_head(&facts, cases[i].head);
        cr_expect_eq(advice.has_limit, cases[i].has_limit, "%u", i);
        cr_expect_eq(advice.limit, cases[i].limit, "%u", i);
        cr_expect_eq(advice.remaining, cases[i].remaining, "%u", i);
        cr_expect_eq(advice.reset_after, cases[i].reset_after, "%u", i);
        cr_expect_eq(advice.retry_after, cases[i].retry_after, "%u", i);
    }
}
