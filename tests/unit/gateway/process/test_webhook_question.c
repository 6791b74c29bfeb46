#include "gateway/webhook_question.h"

#include <stdio.h>

#include <criterion/criterion.h>

#define NOW (INT64_C(1764201600) * SEC) /* 2025-11-27T00:00:00Z */

static struct webhook_question nothing(void)
{
    return (struct webhook_question){.id = "",
                                     .hook = "",
                                     .target = "",
                                     .type = "",
                                     .state = "",
                                     .since = "",
                                     .until = "",
                                     .limit = "",
                                     .before = "",
                                     .per_second = "",
                                     .all = "",
                                     .peer = ""};
}

Test(webhook_question, times_are_spans_seconds_or_moments)
{
    static const struct {
        const char *text;
        usec_t time; /* -1: none */
    } cases[] = {
        {"", 0},
        {"24h", NOW - 86400 * SEC},
        {"1764200000", INT64_C(1764200000) * SEC},
        {"2025-11-26T12:00:00Z", NOW - 43200 * SEC},
        {"2025-11-26T12:00:00.250Z", NOW - 43200 * SEC + SEC / 4},
        {"100000d", 1},
        {"0", 1},
        {"24", 24 * SEC},
        {"yesterday", -1},
        {"2025-11-26", -1},
        {"2025-13-26T12:00:00Z", -1},
        {"-5h", -1},
        {"99999999999", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct webhook_question question = nothing();
        struct queue_filter filter;
        struct error err;
        question.since = cases[i].text;
        enum status status = webhook_question_filter(&question, NOW, &filter, &err);
        cr_expect_eq(status, cases[i].time < 0 ? STATUS_INVALID : STATUS_OK, "%s", cases[i].text);
        cr_expect(status != STATUS_OK || filter.since == cases[i].time, "%s: %lld", cases[i].text,
                  (long long)filter.since);
    }
}

Test(webhook_question, until_is_after_since)
{
    struct webhook_question question = nothing();
    struct queue_filter filter;
    struct error err;
    question.since = "1h";
    question.until = "2h";
    cr_expect_eq(webhook_question_filter(&question, NOW, &filter, &err), STATUS_INVALID);
    question.until = "30m";
    cr_expect_eq(webhook_question_filter(&question, NOW, &filter, &err), STATUS_OK);
    cr_expect_eq(filter.until - filter.since, 1800 * SEC);
}

Test(webhook_question, states_are_one_or_some)
{
    static const struct {
        const char *text;
        unsigned states;
        enum status status;
    } cases[] = {
        {"", 0, STATUS_OK},
        {"dead", 1U << QUEUE_STATE_DEAD, STATUS_OK},
        {"waiting,held_back", 1U << QUEUE_STATE_WAITING | 1U << QUEUE_STATE_HELD_BACK, STATUS_OK},
        {"dead,", 1U << QUEUE_STATE_DEAD, STATUS_OK},
        {"Dead", 0, STATUS_INVALID},
        {",dead", 0, STATUS_INVALID},
        {"dead;waiting", 0, STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct webhook_question question = nothing();
        struct queue_filter filter;
        struct error err;
        question.state = cases[i].text;
        cr_expect_eq(webhook_question_filter(&question, NOW, &filter, &err), cases[i].status, "%s",
                     cases[i].text);
        cr_expect(cases[i].status != STATUS_OK || filter.states == cases[i].states, "%s",
                  cases[i].text);
    }
}

Test(webhook_question, a_page_has_bounds)
{
    static const struct {
        const char *limit, *before;
        enum status status;
    } cases[] = {
        {"", "", STATUS_OK},          {"1", "1", STATUS_OK},      {"1000", "", STATUS_OK},
        {"1001", "", STATUS_INVALID}, {"0", "", STATUS_INVALID},  {"x", "", STATUS_INVALID},
        {"", "0", STATUS_INVALID},    {"", "-1", STATUS_INVALID}, {"", "1e3", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct webhook_question question = nothing();
        struct error err;
        unsigned limit = 0;
        int64_t before = -1;
        question.limit = cases[i].limit;
        question.before = cases[i].before;
        cr_expect_eq(webhook_question_page(&question, &limit, &before, &err), cases[i].status,
                     "%s, %s", cases[i].limit, cases[i].before);
    }
}

static enum status change(struct webhook_question question, unsigned *ret_rate)
{
    struct queue_filter filter;
    struct error err;
    return webhook_question_change(&question, NOW, &filter, ret_rate, &err);
}

Test(webhook_question, a_change_says_of_what)
{
    unsigned rate = 0;
    struct webhook_question question = nothing();
    cr_expect_eq(change(question, &rate), STATUS_INVALID, "nothing is said");
    question.all = "true";
    cr_expect_eq(change(question, &rate), STATUS_OK);
    question.hook = "h";
    cr_expect_eq(change(question, &rate), STATUS_INVALID, "all, and of one");
    question.all = "yes";
    cr_expect_eq(change(question, &rate), STATUS_INVALID);
    question.all = "";
    question.per_second = "50";
    cr_expect_eq(change(question, &rate), STATUS_OK);
    cr_expect_eq(rate, 50);
    question.per_second = "0";
    cr_expect_eq(change(question, &rate), STATUS_INVALID);
    question.per_second = "100001";
    cr_expect_eq(change(question, &rate), STATUS_INVALID);
    question = nothing();
    question.until = "1h";
    cr_expect_eq(change(question, &rate), STATUS_OK);
    cr_expect_eq(rate, 0);
}

Test(webhook_question, what_was_meant_can_be_read_in_a_log)
{
    char text[WEBHOOK_FILTER_TEXT_MAX];
    char longest[2000];
    webhook_filter_write(&(struct queue_filter){0}, text);
    cr_expect_str_eq(text, "all");
    webhook_filter_write(
        &(struct queue_filter){.id = SLICE_INIT("evt\n\x1b[31m\xff\x7f"),
                               .hook = SLICE_INIT("h"),
                               .target = SLICE_INIT("t"),
                               .type = SLICE_INIT("a.b"),
                               .states = 1U << QUEUE_STATE_DEAD | 1U << QUEUE_STATE_WAITING,
                               .since = NOW,
                               .until = NOW + SEC},
        text);
    cr_expect_str_eq(text, "id evt??[31m??, hook h, target t, state waiting|dead, since "
                           "2025-11-27T00:00:00.000Z, until 2025-11-27T00:00:01.000Z, type a.b");
    memset(longest, 'x', sizeof(longest));
    webhook_filter_write(&(struct queue_filter){.type = slice_make(longest, sizeof(longest))},
                         text);
    cr_expect_eq(strlen(text), WEBHOOK_FILTER_TEXT_MAX - 1);
}
