#include "base/problems.h"

#include <string.h>

#include <criterion/criterion.h>

Test(problems, are_printed_by_file_line_and_column_those_of_one_place_as_found)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    static const struct {
        const char *file;
        unsigned line, column;
        const char *message;
    } found[] = {
        {"b.yaml", 1, 1, "other file"}, {"a.yaml", 10, 2, "line ten"}, {"a.yaml", 9, 7, "second"},
        {"a.yaml", 9, 7, "third"},      {"a.yaml", 9, 3, "first"},     {"a.yaml", 0, 0, "whole"},
    };
    static const char *const expected[] = {
        "a.yaml: whole",     "a.yaml:9:3: first",     "a.yaml:9:7: second",
        "a.yaml:9:7: third", "a.yaml:10:2: line ten", "b.yaml:1:1: other file",
    };
    for (size_t i = 0; i < 6; i++) {
        problems_add(&problems, found[i].file, found[i].line, found[i].column, "%s",
                     found[i].message);
    }
    problems_sort(&problems);
    cr_assert_eq(problems.count, 6U);
    for (unsigned i = 0; i < 6; i++) {
        char line[200];
        problem_format(&problems.list[i], line, sizeof(line));
        cr_expect_str_eq(line, expected[i]);
    }
}

static void keep_last(void *ctx, const char *line)
{
    (void)snprintf(ctx, 100, "%s", line);
}

Test(problems, beyond_the_cap_are_counted_only)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    for (unsigned i = 0; i < PROBLEMS_MAX + 7; i++) {
        problems_add(&problems, "a", 1, i + 1, "x");
    }
    cr_expect_eq(problems.count, (unsigned)PROBLEMS_MAX);
    cr_expect_eq(problems.left_out, 7U);
    cr_expect(problems_leave_out(&problems));
    cr_expect_eq(problems.left_out, 8U);
    char last[100];
    problems_each(&problems, keep_last, last);
    cr_expect_str_eq(last, "and 8 more");
}

Test(problems, keep_copies_of_file_and_message)
{
    struct problems *problems = problems_new();
    char file[] = "x.yaml";
    char message[] = "wrong";
    problems_add(problems, file, 1, 1, "%s", message);
    memset(file, '-', sizeof(file) - 1);
    memset(message, '-', sizeof(message) - 1);
    cr_expect_str_eq(problems->list[0].file, "x.yaml");
    cr_expect_str_eq(problems->list[0].message, "wrong");
    problems_free(problems);
    problems_free(NULL);
}

Test(problems, cut_a_message_that_is_far_too_long)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    char message[5000];
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    problems_add(&problems, "a", 1, 1, "%s", message);
    cr_expect_lt(strlen(problems.list[0].message), 2000U);
}

static void append(void *ctx, const char *line)
{
    char *text = ctx;
    (void)snprintf(text + strlen(text), 300 - strlen(text), "%s|", line);
}

Test(problems, leave_a_config_valid_that_has_only_warnings)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    char text[300] = "";
    problems_warn(&problems, "a", 9, 1, "%s", "late");
    problems_warn(&problems, "a", 2, 1, "%s", "early");
    problems_sort(&problems);
    cr_expect_not(problems_any(&problems));
    problems_each(&problems, append, text);
    cr_expect_str_eq(text, "");
    problems_each_warning(&problems, append, text);
    cr_expect_str_eq(text, "a:2:1: early|a:9:1: late|");
}

Test(problems, warnings_beyond_the_cap_are_counted_only_and_leave_room_for_problems)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    char last[100];
    for (unsigned i = 0; i < WARNINGS_MAX + 3; i++) {
        problems_warn(&problems, "a", 1, i + 1, "x");
    }
    cr_expect_eq(problems.warning_count, (unsigned)WARNINGS_MAX);
    problems_each_warning(&problems, keep_last, last);
    cr_expect_str_eq(last, "and 3 more");
    problems_add(&problems, "a", 1, 1, "x");
    cr_expect_eq(problems.count, 1U);
}
