#include "tests/unit/limiter/zone_file.h"

#include <stdlib.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 3600 };

/* ---- zones of the system ---- */

/* An offset changes at an instant, given in UTC. */
struct change {
    const char *zone;
    int year, month, day, hour, minute;
    int before, after; /* minutes east of UTC */
};

static const struct change changes[] = {
    {"Europe/Berlin", 2026, 3, 29, 1, 0, 60, 120},
    {"Europe/Berlin", 2026, 10, 25, 1, 0, 120, 60},
    {"America/New_York", 2026, 3, 8, 7, 0, -300, -240},
    {"America/New_York", 2026, 11, 1, 6, 0, -240, -300},
    {"Australia/Lord_Howe", 2026, 4, 4, 15, 0, 660, 630}, /* half an hour */
    {"Australia/Lord_Howe", 2026, 10, 3, 15, 30, 630, 660},
    {"Pacific/Apia", 2011, 12, 30, 10, 0, -600, 840}, /* a whole day is skipped */
    {"Pacific/Auckland", 2026, 4, 4, 14, 0, 780, 720},
    {"Pacific/Auckland", 2026, 9, 26, 14, 0, 720, 780},
    {"America/Santiago", 2026, 4, 5, 3, 0, -180, -240},
    {"Asia/Kathmandu", 1985, 12, 31, 18, 30, 330, 345},
    /* Behind the tables: by the rule. */
    {"Europe/Berlin", 2045, 3, 26, 1, 0, 60, 120},
    {"Europe/Berlin", 2045, 10, 29, 1, 0, 120, 60},
    {"America/New_York", 2099, 3, 8, 7, 0, -300, -240},
    {"Pacific/Auckland", 2061, 4, 2, 14, 0, 780, 720},
    {"Australia/Lord_Howe", 2050, 10, 1, 15, 30, 630, 660},
    {"America/Nuuk", 2045, 3, 26, 1, 0, -120, -60},
    {"Europe/Dublin", 2045, 3, 26, 1, 0, 0, 60}, /* whose winter is the exception */
};

Test(zone, offsets_change_at_their_instant)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *row = &changes[i];
        struct arena arena CLEANUP(arena_fini) = {0};
        const struct zone *zone = zone_of_system(&arena, row->zone);
        int64_t at = clock_of(row->year, row->month, row->day, row->hour, row->minute);
        cr_expect_eq(zone_offset(zone, at - 1), row->before * MINUTE, "before row %zu", i);
        cr_expect_eq(zone_offset(zone, at), row->after * MINUTE, "after row %zu", i);
    }
}

Test(zone, utc_needs_no_file_and_has_no_offset)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_of_system(&arena, "UTC");
    cr_expect_str_eq(zone_name(zone), "UTC");
    cr_expect_eq(zone_offset(zone, 0), 0);
    cr_expect_eq(zone_offset(zone, INT64_C(4000000000)), 0);
    cr_expect_eq(zone_to_utc(zone, 1234567890), 1234567890);
}

Test(zone, it_agrees_with_the_c_library_from_1970_to_2100)
{
    static const char *const names[] = {
        "Europe/Berlin",     "America/New_York",  "Australia/Lord_Howe", "Pacific/Apia",
        "America/Sao_Paulo", "Africa/Casablanca", "Asia/Tehran",         "America/Havana",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        const struct zone *zone = zone_of_system(&arena, names[i]);
        cr_assert_eq(setenv("TZ", names[i], 1), 0);
        tzset();
        for (time_t at = 0; at < clock_of(2100, 1, 1, 0, 0); at += 50021) {
            struct tm parts;
            if (localtime_r(&at, &parts)->tm_gmtoff != zone_offset(zone, at)) {
                cr_assert_fail("%s at %ld", names[i], (long)at);
            }
        }
    }
}

/* ---- from the wall to the instant ---- */

Test(zone, a_time_that_comes_twice_is_the_first)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_of_system(&arena, "Europe/Berlin");
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 10, 25, 2, 30)), clock_of(2026, 10, 25, 0, 30));
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 10, 25, 2, 0)), clock_of(2026, 10, 25, 0, 0));
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 10, 25, 3, 0)), clock_of(2026, 10, 25, 2, 0));
}

Test(zone, a_time_that_is_skipped_is_when_it_was_skipped)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_of_system(&arena, "Europe/Berlin");
    int64_t change = clock_of(2026, 3, 29, 1, 0);
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 3, 29, 2, 0)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 3, 29, 2, 59)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 3, 29, 3, 0)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2026, 3, 29, 3, 1)), change + MINUTE);
}

Test(zone, a_day_that_is_skipped_begins_and_ends_at_once)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_of_system(&arena, "Pacific/Apia");
    int64_t change = clock_of(2011, 12, 30, 10, 0);
    cr_expect_eq(zone_to_utc(zone, clock_of(2011, 12, 29, 23, 59)), change - MINUTE);
    cr_expect_eq(zone_to_utc(zone, clock_of(2011, 12, 30, 0, 0)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2011, 12, 30, 23, 59)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2011, 12, 31, 0, 0)), change);
    cr_expect_eq(zone_to_utc(zone, clock_of(2011, 12, 31, 1, 0)), change + HOUR);
}

Test(zone, what_the_wall_shows_leads_back_to_the_first_instant_that_shows_it)
{
    static const char *const names[] = {"Europe/Berlin", "America/Havana", "Australia/Lord_Howe",
                                        "Pacific/Auckland"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        const struct zone *zone = zone_of_system(&arena, names[i]);
        int64_t end = clock_of(2062, 1, 1, 0, 0);
        for (int64_t at = clock_of(2000, 1, 1, 0, 0); at < end; at += 25 * MINUTE) {
            int64_t local = at + zone_offset(zone, at);
            int64_t found = zone_to_utc(zone, local);
            bool shows = found + zone_offset(zone, found) == local;
            bool earlier = at - HOUR + zone_offset(zone, at - HOUR) == local ||
                           at - HOUR / 2 + zone_offset(zone, at - HOUR / 2) == local;
            if (!shows || found > at || (found < at) != earlier) {
                cr_assert_fail("%s at %ld", names[i], (long)at);
            }
        }
    }
}

/* ---- names ---- */

Test(zone, names_that_lead_elsewhere_are_refused)
{
    static const char *const names[] = {
        "",
        "/etc/passwd",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "Europe//Berlin",
        "Europe/",
        "Europe/Berlin/",
        "Europe/Ber\nlin",
        "Europe",
        "Mars/Olympus",
        "-Europe",
        ".hidden",
        "tzdata.zi",
        "zone.tab",
        "UTC ",
        "Europe/BerlinEurope/BerlinEurope/BerlinEurope/BerlinEurope/Berlin",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        const struct zone *zone = NULL;
        struct error err = {0};
        cr_expect_eq(zone_load(&arena, names[i], &zone, &err), STATUS_NOT_FOUND, "%s", names[i]);
        cr_expect_null(zone);
        cr_expect_not_null(strstr(err.message, "such as Europe/Berlin or UTC"));
    }
}

/* ---- rules ---- */

static enum status parse(struct arena *arena, const struct buffer *file, const struct zone **ret)
{
    struct slice bytes = buffer_bytes(file);
    /* In memory of its own size, so that reading beyond it is seen. */
    char *copy CLEANUP(memory_free_at) = memory_copy(bytes);
    copy = memory_resize(copy, bytes.len);
    *ret = NULL;
    return zone_parse(arena, "Test/Zone", copy, bytes.len, ret, NULL);
}

static const struct zone *zone_with_rule(struct arena *arena, const char *rule)
{
    struct buffer file CLEANUP(buffer_fini);
    const struct zone *zone;
    buffer_init(&file, 65536);
    zone_file_with_rule(&file, rule);
    return parse(arena, &file, &zone) == STATUS_OK ? zone : NULL;
}

struct rule_row {
    const char *rule;
    int year, month, day, hour; /* UTC: the change */
    int before, after;          /* seconds */
};

static const struct rule_row rule_rows[] = {
    {"CET-1CEST,M3.5.0,M10.5.0/3", 2040, 3, 25, 1, HOUR, 2 * HOUR},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 2040, 10, 28, 1, 2 * HOUR, HOUR},
    {"AAA0BBB,J60,J300", 2040, 3, 1, 2, 0, HOUR}, /* J60 is March 1 in leap years, too */
    {"AAA0BBB,J60,J300", 2041, 3, 1, 2, 0, HOUR},
    {"AAA0BBB,J59,J300", 2040, 2, 28, 2, 0, HOUR},
    {"AAA0BBB,59,300", 2040, 2, 29, 2, 0, HOUR}, /* without J it is not */
    {"AAA0BBB,59,300", 2041, 3, 1, 2, 0, HOUR},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2040, 3, 25, 1, -2 * HOUR, -HOUR},
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2040, 4, 1, -9, 11 * HOUR, 10 * HOUR + 1800},
    {"AAA+5BBB4,M3.2.0/167,M11.1.0", 2040, 3, 18, 4, -5 * HOUR, -4 * HOUR},
    {"AAA0BBB-2:30:15,M1.1.0,M7.1.6", 2040, 1, 1, 2, 0, 9015},
    {"AAA0BBB,M5.4.3,M6.1.1", 2040, 5, 23, 2, 0, HOUR},
};

Test(zone, rules_decide_when_summer_time_is)
{
    for (size_t i = 0; i < sizeof(rule_rows) / sizeof(rule_rows[0]); i++) {
        const struct rule_row *row = &rule_rows[i];
        struct arena arena CLEANUP(arena_fini) = {0};
        const struct zone *zone = zone_with_rule(&arena, row->rule);
        cr_assert_not_null(zone, "row %zu", i);
        int64_t at = clock_of(row->year, row->month, row->day, row->hour, 0);
        cr_expect_eq(zone_offset(zone, at - 1), row->before, "before row %zu", i);
        cr_expect_eq(zone_offset(zone, at), row->after, "after row %zu", i);
    }
}

Test(zone, a_rule_may_be_summer_time_for_ever)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_with_rule(&arena, "XXX3EDT4,0/0,J365/23");
    cr_assert_not_null(zone);
    for (int64_t at = clock_of(2030, 1, 1, 0, 0); at < clock_of(2040, 1, 1, 0, 0); at += 1800) {
        cr_assert_eq(zone_offset(zone, at), -4 * HOUR);
    }
}

Test(zone, a_rule_without_summer_time_holds_for_ever)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_with_rule(&arena, "<+0545>-5:45");
    cr_assert_not_null(zone);
    cr_expect_eq(zone_offset(zone, 0), 345 * MINUTE);
    cr_expect_eq(zone_offset(zone, clock_of(2500, 7, 1, 0, 0)), 345 * MINUTE);
}

Test(zone, an_empty_rule_leaves_the_last_offset)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct zone *zone = zone_with_rule(&arena, "");
    cr_assert_not_null(zone);
    cr_expect_eq(zone_offset(zone, clock_of(2500, 7, 1, 0, 0)), HOUR);
}

Test(zone, what_is_no_rule_is_refused)
{
    static const char *const rules[] = {
        "C-1",
        "CE-1",
        "CET",
        "CET-",
        "<>-1",
        "<CET-1",
        "CET-25",
        "CET-1:60",
        "CET-1:00:60",
        "CET-99999999999",
        "CET-1CEST",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST-200,M3.5.0,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,J0,J100",
        "CET-1CEST,J366,J100",
        "CET-1CEST,366,100",
        "CET-1CEST,,",
        ",M3.5.0,M10.5.0",
        ":Europe/Berlin",
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        cr_expect_null(zone_with_rule(&arena, rules[i]), "%s", rules[i]);
    }
}

/* ---- files ---- */

enum { CHANGE_A = 1000000, CHANGE_B = 2000000 };

/* Two changes, between offsets of one, two and three hours; no rule. */
static void put_changes(struct buffer *file, int64_t first, int64_t second, uint64_t type)
{
    const struct zone_file_counts old = {
        .utc_marks = 1, .standard_marks = 1, .leaps = 1, .times = 1, .types = 1, .letters = 4};
    const struct zone_file_counts counts = {.times = 2, .types = 3, .letters = 4};
    zone_file_put_header(file, '2', old);
    zone_file_put(file, 0, 4);
    zone_file_put(file, 0, 1);
    zone_file_put_type(file, -7777);
    zone_file_put(file, 0x58585800, 4);
    zone_file_put(file, 0, 8); /* the leap second */
    zone_file_put(file, 0, 2);
    zone_file_put_header(file, '2', counts);
    zone_file_put(file, (uint64_t)first, 8);
    zone_file_put(file, (uint64_t)second, 8);
    zone_file_put(file, 1, 1);
    zone_file_put(file, type, 1);
    for (int i = 1; i <= 3; i++) {
        zone_file_put_type(file, i * HOUR);
    }
    zone_file_put(file, 0, 4); /* as if there were a fourth type */
    zone_file_put_text(file, "\n\n");
}

Test(zone, the_table_of_64_bits_is_read_and_the_old_one_is_not)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer file CLEANUP(buffer_fini);
    const struct zone *zone;
    buffer_init(&file, 65536);
    put_changes(&file, CHANGE_A, CHANGE_B, 2);
    cr_assert_eq(parse(&arena, &file, &zone), STATUS_OK);
    cr_expect_str_eq(zone_name(zone), "Test/Zone");
    cr_expect_eq(zone_offset(zone, CHANGE_A - 1), HOUR);
    cr_expect_eq(zone_offset(zone, CHANGE_A), 2 * HOUR);
    cr_expect_eq(zone_offset(zone, CHANGE_B - 1), 2 * HOUR);
    cr_expect_eq(zone_offset(zone, CHANGE_B), 3 * HOUR);
    cr_expect_eq(zone_offset(zone, INT64_C(99) * CHANGE_B), 3 * HOUR);
}

Test(zone, a_table_that_does_not_ascend_or_names_no_type_is_refused)
{
    static const struct {
        int64_t first, second;
        uint64_t type;
    } rows[] = {{5, 5, 2}, {5, 4, 2}, {5, 6, 3}, {5, 6, 255}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct buffer file CLEANUP(buffer_fini);
        const struct zone *zone;
        buffer_init(&file, 65536);
        put_changes(&file, rows[i].first, rows[i].second, rows[i].type);
        cr_expect_eq(parse(&arena, &file, &zone), STATUS_INVALID, "row %zu", i);
        cr_expect_null(zone);
    }
}

Test(zone, a_file_that_ends_anywhere_is_refused)
{
    struct buffer file CLEANUP(buffer_fini);
    buffer_init(&file, 65536);
    put_changes(&file, CHANGE_A, CHANGE_B, 2);
    for (size_t len = 0; len < buffer_len(&file); len++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct buffer part = file;
        const struct zone *zone;
        part.end = part.start + len;
        cr_expect_eq(parse(&arena, &part, &zone), STATUS_INVALID, "%zu bytes", len);
    }
}

Test(zone, counts_offsets_and_versions_out_of_bounds_are_refused)
{
    static const struct {
        char version;
        struct zone_file_counts counts;
        int32_t offset;
        bool good;
    } rows[] = {
        {'2', {.types = 1, .letters = 4}, 0, true},
        {'3', {.types = 1, .letters = 4}, 26 * HOUR, true},
        {'4', {.types = 1, .letters = 4}, -26 * HOUR, true},
        {'\0', {.types = 1, .letters = 4}, 0, false}, /* version 1 has 32 bits alone */
        {'1', {.types = 1, .letters = 4}, 0, false},
        {'2', {.types = 1, .letters = 4}, 26 * HOUR + 1, false},
        {'2', {.types = 1, .letters = 4}, INT32_MIN, false},
        {'2', {.types = 0, .letters = 4}, 0, false},
        {'2', {.types = 1, .letters = 4, .leaps = 1}, 0, false}, /* counts leap seconds */
        {'2', {.types = UINT32_MAX, .letters = 4}, 0, false},
        {'2', {.types = 1, .letters = UINT32_MAX}, 0, false},
        {'2', {.types = 1, .letters = 4, .times = UINT32_MAX}, 0, false},
        {'2', {.types = 1, .letters = 4, .times = 0x1c71c71d}, 0, false},
        {'2', {.types = 1, .letters = 4, .leaps = UINT32_MAX}, 0, false},
        {'2', {.types = 1, .letters = 4, .utc_marks = UINT32_MAX}, 0, false},
        {'2', {.types = 1, .letters = 4, .standard_marks = UINT32_MAX}, 0, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct buffer file CLEANUP(buffer_fini);
        const struct zone *zone;
        buffer_init(&file, 65536);
        zone_file_put_header(&file, rows[i].version, (struct zone_file_counts){0});
        zone_file_put_header(&file, rows[i].version, rows[i].counts);
        zone_file_put_type(&file, rows[i].offset);
        zone_file_put(&file, 0x58585800, 4);
        zone_file_put(&file, 0, 4); /* where a leap second or mark would be */
        zone_file_put(&file, 0, 8);
        file.end -= rows[i].counts.leaps == 1 ? 0 : 12;
        zone_file_put_text(&file, "\n\n");
        cr_expect_eq(parse(&arena, &file, &zone), rows[i].good ? STATUS_OK : STATUS_INVALID,
                     "row %zu", i);
    }
}

Test(zone, a_file_without_any_type_is_refused)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer file CLEANUP(buffer_fini);
    const struct zone *zone;
    buffer_init(&file, 65536);
    zone_file_put_header(&file, '2', (struct zone_file_counts){0});
    zone_file_put_header(&file, '2', (struct zone_file_counts){0});
    zone_file_put_text(&file, "\n\n");
    cr_expect_eq(parse(&arena, &file, &zone), STATUS_INVALID);
}

Test(zone, a_rule_that_is_cut_is_refused)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer file CLEANUP(buffer_fini);
    const struct zone *zone;
    buffer_init(&file, 65536);
    zone_file_with_rule(&file, "CET-1");
    cr_expect_eq(parse(&arena, &file, &zone), STATUS_OK);
    file.end--;
    cr_expect_eq(parse(&arena, &file, &zone), STATUS_INVALID);
}

Test(zone, more_of_a_kind_than_any_zone_has_is_refused)
{
    for (uint32_t more = 0; more < 2; more++) {
        const struct zone_file_counts rows[] = {
            {.types = 1, .utc_marks = 4096 + more}, {.types = 1, .standard_marks = 4096 + more},
            {.types = 1, .times = 4096 + more},     {.types = 4096 + more},
            {.types = 1, .letters = 4096 + more},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct arena arena CLEANUP(arena_fini) = {0};
            struct buffer file CLEANUP(buffer_fini);
            const struct zone *zone;
            buffer_init(&file, 65536);
            zone_file_put_header(&file, '2', (struct zone_file_counts){0});
            zone_file_put_header(&file, '2', rows[i]);
            for (uint32_t time = 0; time < rows[i].times; time++) {
                zone_file_put(&file, time, 8);
            }
            uint32_t rest = rows[i].utc_marks + rows[i].standard_marks + rows[i].times +
                            rows[i].types * 6 + rows[i].letters;
            zone_file_put(&file, 0, rest);
            zone_file_put_text(&file, "\n\n");
            cr_expect_eq(parse(&arena, &file, &zone), more == 0 ? STATUS_OK : STATUS_INVALID,
                         "row %zu", i);
        }
    }
}

Test(zone, huge_counts_of_the_old_block_are_refused)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer file CLEANUP(buffer_fini);
    const struct zone *zone;
    buffer_init(&file, 65536);
    zone_file_put_header(&file, '2', (struct zone_file_counts){.times = UINT32_MAX});
    zone_file_put_header(&file, '2', (struct zone_file_counts){.types = 1});
    zone_file_put_type(&file, 0);
    zone_file_put_text(&file, "\n\n");
    cr_expect_eq(parse(&arena, &file, &zone), STATUS_INVALID);
}
