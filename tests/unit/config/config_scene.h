/*
 * config_scene: the config that a test has parsed last, and its problems. A suite's .init and
 * .fini.
 */
#pragma once

#include "base/problems.h"
#include "config/snapshot.h"
#include "tests/unit/config/problem_line.h"

#include <criterion/criterion.h>

static struct problems problems;
static struct snapshot *snapshot; /* NULL: it was refused */

static inline void setup(void)
{
    problems = (struct problems){0};
    snapshot = NULL;
}

static inline void teardown(void)
{
    snapshot_unref(snapshot);
    problems_fini(&problems);
}

static inline void parse_text(const char *text)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
    enum status status = snapshot_parse("f", slice_from(text), NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
}

/* The problem as a line; "" if there are not so many. */
static inline const char *problem_at(unsigned index)
{
    return problem_line(problems.list, problems.count, index);
}
