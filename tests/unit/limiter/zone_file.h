/*
 * zone_file: zone files byte by byte, as RFC 8536 has them, and the system's as a zone.
 */
#pragma once

#include "base/buffer.h"
#include "base/memory.h"
#include "limiter/zone.h"

#include <criterion/criterion.h>

/* Counts in the order of the header. */
struct zone_file_counts {
    uint32_t utc_marks, standard_marks, leaps, times, types, letters;
};

static inline void zone_file_put(struct buffer *file, uint64_t number, unsigned bytes)
{
    while (bytes-- > 0) {
        char byte = (char)(bytes < 8 ? number >> (8 * bytes) : 0);
        cr_assert_eq(buffer_append(file, slice_make(&byte, 1)), STATUS_OK);
    }
}

static inline void zone_file_put_text(struct buffer *file, const char *text)
{
    cr_assert_eq(buffer_append(file, slice_from(text)), STATUS_OK);
}

static inline void zone_file_put_header(struct buffer *file, char version,
                                        struct zone_file_counts counts)
{
    zone_file_put_text(file, "TZif");
    zone_file_put(file, (unsigned char)version, 1);
    zone_file_put(file, 0, 8);
    zone_file_put(file, 0, 7);
    zone_file_put(file, counts.utc_marks, 4);
    zone_file_put(file, counts.standard_marks, 4);
    zone_file_put(file, counts.leaps, 4);
    zone_file_put(file, counts.times, 4);
    zone_file_put(file, counts.types, 4);
    zone_file_put(file, counts.letters, 4);
}

static inline void zone_file_put_type(struct buffer *file, int32_t offset)
{
    zone_file_put(file, (uint32_t)offset, 4);
    zone_file_put(file, 0, 2); /* not summer time; the first name */
}

/* No changes, an offset of an hour, and the rule. */
static inline void zone_file_with_rule(struct buffer *file, const char *rule)
{
    const struct zone_file_counts one_type = {.types = 1, .letters = 4};
    zone_file_put_header(file, '2', (struct zone_file_counts){0});
    zone_file_put_header(file, '2', one_type);
    zone_file_put_type(file, 3600);
    zone_file_put(file, 0x58585800, 4);
    zone_file_put_text(file, "\n");
    zone_file_put_text(file, rule);
    zone_file_put_text(file, "\n");
}

static inline const struct zone *zone_of_system(struct arena *arena, const char *name)
{
    const struct zone *zone = NULL;
    struct error err = {0};
    cr_assert_eq(zone_load(arena, name, &zone, &err), STATUS_OK, "%s", err.message);
    return zone;
}

/* Days since 1970-01-01, counted one by one. */
static inline int64_t day_of(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = day - 1;
    for (int y = 1970; y < year; y++) {
        days += 365 + ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0);
    }
    for (int m = 1; m < month; m++) {
        days += lengths[m - 1];
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days + (leap && month > 2 ? 1 : 0);
}

/* Seconds since 1970-01-01 as that clock shows them. */
static inline int64_t clock_of(int year, int month, int day, int hour, int minute)
{
    return ((day_of(year, month, day) * 24 + hour) * 60 + minute) * 60;
}
