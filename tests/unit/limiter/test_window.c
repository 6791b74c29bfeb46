#include "limiter/window.h"
#include "tests/unit/limiter/zone_file.h"

enum { HOUR = 3600 };

static const char *const zones[] = {
    "UTC",          "Europe/Berlin",    "America/New_York", "Australia/Lord_Howe",
    "Pacific/Apia", "America/Havana",   "Asia/Kathmandu",   "Pacific/Auckland",
    "Asia/Beirut",  "America/Asuncion", "America/St_Johns",
};

static struct window window_in(const char *name, struct limit limit, int64_t utc_seconds)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    limit.zone = zone_of_system(&arena, name);
    return window_at(&limit, utc_seconds * 1000);
}

static const struct limit a_day = {.span = LIMIT_DAYS, .days = 1};
static const struct limit a_week = {.span = LIMIT_WEEK};
static const struct limit a_month = {.span = LIMIT_MONTH};

/* Local dates, at midnight, and the offset of the zone there. */
struct border {
    int year, month, day, offset;
};

static int64_t border_ms(const struct border *border)
{
    return (clock_of(border->year, border->month, border->day, 0, 0) - border->offset) * 1000;
}

struct row {
    const char *zone;
    const struct limit *limit;
    int year, month, day, hour; /* UTC */
    struct border start, end, next_end;
};

static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        int64_t at = clock_of(row->year, row->month, row->day, row->hour, 0);
        struct window window = window_in(row->zone, *row->limit, at);
        cr_expect_eq(window.start_ms, border_ms(&row->start), "start of row %zu", i);
        cr_expect_eq(window.end_ms, border_ms(&row->end), "end of row %zu", i);
        cr_expect_eq(window.next_end_ms, border_ms(&row->next_end), "next of row %zu", i);
    }
}

#define EXPECT_ROWS(rows) expect_rows((rows), sizeof(rows) / sizeof((rows)[0]))

Test(window, days_follow_the_clock_of_the_zone)
{
    static const struct row rows[] = {
        {"UTC", &a_day, 2026, 11, 26, 23, {2026, 11, 26, 0}, {2026, 11, 27, 0}, {2026, 11, 28, 0}},
        {"Europe/Berlin",
         &a_day,
         2026,
         11,
         26,
         23, /* already the 27th there */
         {2026, 11, 27, HOUR},
         {2026, 11, 28, HOUR},
         {2026, 11, 29, HOUR}},
        {"America/New_York",
         &a_day,
         2026,
         11,
         27,
         4,
         {2026, 11, 26, -5 * HOUR},
         {2026, 11, 27, -5 * HOUR},
         {2026, 11, 28, -5 * HOUR}},
    };
    EXPECT_ROWS(rows);
}

Test(window, a_day_of_a_change_has_23_or_25_hours)
{
    static const struct {
        const char *zone;
        int year, month, day, minutes;
    } rows[] = {
        {"Europe/Berlin", 2026, 3, 28, 24 * 60},
        {"Europe/Berlin", 2026, 3, 29, 23 * 60},
        {"Europe/Berlin", 2026, 3, 30, 24 * 60},
        {"Europe/Berlin", 2026, 10, 25, 25 * 60},
        {"Europe/Berlin", 2045, 10, 29, 25 * 60},
        {"Australia/Lord_Howe", 2026, 4, 5, 24 * 60 + 30},
        {"Australia/Lord_Howe", 2026, 10, 4, 24 * 60 - 30},
        {"America/Havana", 2025, 3, 9, 23 * 60},  /* midnight itself is skipped */
        {"America/Havana", 2025, 11, 2, 25 * 60}, /* midnight comes twice */
        {"Pacific/Apia", 2011, 12, 29, 24 * 60},
        {"Pacific/Apia", 2011, 12, 31, 24 * 60},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct limit limit = a_day;
        limit.zone = zone_of_system(&arena, rows[i].zone);
        int64_t noon = clock_of(rows[i].year, rows[i].month, rows[i].day, 12, 0);
        struct window window = window_at(&limit, zone_to_utc(limit.zone, noon) * 1000);
        cr_expect_eq(window.end_ms - window.start_ms, rows[i].minutes * 60000, "row %zu", i);
    }
}

Test(window, a_day_that_the_zone_skipped_is_no_window)
{
    int64_t change = clock_of(2011, 12, 30, 10, 0);
    struct window before = window_in("Pacific/Apia", a_day, change - 1);
    struct window after = window_in("Pacific/Apia", a_day, change);
    cr_expect_eq(before.end_ms, change * 1000);
    cr_expect_eq(before.next_end_ms, change * 1000 + 86400000);
    cr_expect_eq(after.start_ms, before.end_ms);
    cr_expect_eq(after.end_ms, before.next_end_ms);
}

Test(window, weeks_begin_on_monday_over_the_new_year)
{
    static const struct row rows[] = {
        {"UTC", &a_week, 2026, 12, 31, 12, {2026, 12, 28, 0}, {2027, 1, 4, 0}, {2027, 1, 11, 0}},
        {"UTC", &a_week, 2027, 1, 3, 23, {2026, 12, 28, 0}, {2027, 1, 4, 0}, {2027, 1, 11, 0}},
        {"UTC", &a_week, 2027, 1, 4, 0, {2027, 1, 4, 0}, {2027, 1, 11, 0}, {2027, 1, 18, 0}},
        {"UTC", &a_week, 2024, 12, 30, 0, {2024, 12, 30, 0}, {2025, 1, 6, 0}, {2025, 1, 13, 0}},
        {"Europe/Berlin", /* with the change of its last day */
         &a_week,
         2026,
         3,
         24,
         0,
         {2026, 3, 23, HOUR},
         {2026, 3, 30, 2 * HOUR},
         {2026, 4, 6, 2 * HOUR}},
    };
    EXPECT_ROWS(rows);
}

Test(window, months_have_their_lengths)
{
    static const struct row rows[] = {
        {"UTC", &a_month, 2026, 12, 31, 23, {2026, 12, 1, 0}, {2027, 1, 1, 0}, {2027, 2, 1, 0}},
        {"UTC", &a_month, 2028, 2, 29, 23, {2028, 2, 1, 0}, {2028, 3, 1, 0}, {2028, 4, 1, 0}},
        {"UTC", &a_month, 2027, 2, 28, 23, {2027, 2, 1, 0}, {2027, 3, 1, 0}, {2027, 4, 1, 0}},
        {"UTC", &a_month, 2100, 2, 28, 23, {2100, 2, 1, 0}, {2100, 3, 1, 0}, {2100, 4, 1, 0}},
        {"UTC", &a_month, 2026, 11, 1, 0, {2026, 11, 1, 0}, {2026, 12, 1, 0}, {2027, 1, 1, 0}},
        {"Europe/Berlin",
         &a_month,
         2026,
         10,
         31,
         23, /* already November */
         {2026, 11, 1, HOUR},
         {2026, 12, 1, HOUR},
         {2027, 1, 1, HOUR}},
        {"Europe/Berlin",
         &a_month,
         2026,
         10,
         3,
         0,
         {2026, 10, 1, 2 * HOUR},
         {2026, 11, 1, HOUR},
         {2026, 12, 1, HOUR}},
    };
    EXPECT_ROWS(rows);
}

Test(window, days_in_groups_are_counted_from_1970)
{
    for (unsigned days = 2; days <= 60; days++) {
        const struct limit limit = {.span = LIMIT_DAYS, .days = days};
        int64_t day = day_of(2026, 11, 26);
        struct window window = window_in("UTC", limit, day * 86400 + 5);
        int64_t group = day - day % days;
        cr_assert_eq(window.start_ms, group * 86400000);
        cr_assert_eq(window.end_ms, (group + days) * 86400000);
        cr_assert_eq(window.next_end_ms, (group + 2 * days) * 86400000);
    }
}

Test(window, the_first_hours_of_1970_have_a_window_that_began_before)
{
    struct window window = window_in("Europe/Berlin", a_day, 0);
    cr_expect_eq(window.start_ms, -HOUR * 1000);
    cr_expect_eq(window.end_ms, 23 * HOUR * 1000);
    window = window_in("America/New_York", a_month, 0);
    cr_expect_eq(window.start_ms, -(31 * 24 - 5) * HOUR * INT64_C(1000));
    cr_expect_eq(window.end_ms, 5 * HOUR * 1000);
    window = window_in("UTC", a_week, 0);
    cr_expect_eq(window.start_ms, -3 * 24 * HOUR * 1000);
}

Test(window, a_midnight_that_is_taken_back_ends_its_day_all_the_same)
{
    /* At 00:01 it became 23:01 of November 6 again. */
    int64_t midnight = clock_of(2010, 11, 7, 2, 30);
    struct window before = window_in("America/St_Johns", a_day, midnight - 1);
    struct window after = window_in("America/St_Johns", a_day, midnight + 1800);
    cr_expect_eq(before.end_ms, midnight * 1000);
    cr_expect_eq(after.start_ms, midnight * 1000);
    cr_expect_eq(after.end_ms, midnight * 1000 + 25 * HOUR * 1000);
}

/* ---- over a hundred years ---- */

static bool same(struct window a, struct window b)
{
    return a.start_ms == b.start_ms && a.end_ms == b.end_ms && a.next_end_ms == b.next_end_ms;
}

/* Any instant of the window, its borders among them, has the very same one. */
static bool holds_throughout(const struct limit *limit, struct window window)
{
    int64_t len = window.end_ms - window.start_ms;
    const int64_t at[] = {0,      1, len / 7, len / 3, len - 7200000, len - 3600000, len - 1800000,
                          len - 1};
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        if (!same(window_at(limit, window.start_ms + at[i]), window)) {
            return false;
        }
    }
    return true;
}

static void require(bool claim, const char *name, int64_t at)
{
    if (!claim) {
        cr_assert_fail("%s, after %ld", name, (long)at);
    }
}

static void follow(const char *name, struct limit limit)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    limit.zone = zone_of_system(&arena, name);
    struct window window = window_at(&limit, clock_of(1990, 1, 1, 0, 0) * 1000);
    int64_t end_ms = clock_of(2090, 1, 1, 0, 0) * 1000;
    while (window.start_ms < end_ms) {
        struct window next = window_at(&limit, window.end_ms);
        bool follows = next.start_ms == window.end_ms && next.end_ms == window.next_end_ms;
        bool good = window.start_ms < window.end_ms && follows && holds_throughout(&limit, window);
        require(good, name, window.start_ms / 1000);
        window = next;
    }
}

Test(window, where_a_window_ends_the_next_begins)
{
    static const struct limit limits[] = {
        {.span = LIMIT_DAYS, .days = 1},
        {.span = LIMIT_DAYS, .days = 7},
        {.span = LIMIT_DAYS, .days = 30},
        {.span = LIMIT_WEEK},
        {.span = LIMIT_MONTH},
    };
    for (size_t zone = 0; zone < sizeof(zones) / sizeof(zones[0]); zone++) {
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
            follow(zones[zone], limits[i]);
        }
    }
}
