/*
 * calendar: days since 1970-01-01 and dates of the Gregorian calendar, in years of any sign.
 */
#pragma once

#include <stdint.h>

#define DAY_SECONDS INT64_C(86400)

struct calendar_date {
    int64_t year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};

/* A month of 13 is the next year's January. */
int64_t calendar_days(int64_t year, int month, int day);
struct calendar_date calendar_date(int64_t days);

/* Rounded down, before 1970, too. */
int64_t calendar_floor(int64_t value, int64_t step);
