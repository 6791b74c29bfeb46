#include "base/calendar.h"

/* Years are counted from March, so that a leap day is a year's last; and in eras of 400 years,
 * which all have as many days. */
#define DAYS_AN_ERA   INT64_C(146097)
#define DAYS_TO_EPOCH INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */

int64_t calendar_floor(int64_t value, int64_t step)
{
    int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

int64_t calendar_days(int64_t year, int month, int day)
{
    int64_t from_march = (month + 9) % 12;
    year += month > 12 ? 1 : 0;
    year -= from_march >= 10 ? 1 : 0;
    int64_t era_year = calendar_floor(year, 400);
    int64_t year_of_era = year - era_year;
    int64_t days = year_of_era * 365 + year_of_era / 4 - year_of_era / 100;
    days += (153 * from_march + 2) / 5 + day - 1;
    return era_year / 400 * DAYS_AN_ERA + days - DAYS_TO_EPOCH;
}

struct calendar_date calendar_date(int64_t days)
{
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era_start = calendar_floor(shifted, DAYS_AN_ERA);
    int64_t day = shifted - era_start;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    return (struct calendar_date){
        .year = era_start / DAYS_AN_ERA * 400 + year + (from_march >= 10 ? 1 : 0),
        .month = (int)(from_march < 10 ? from_march + 3 : from_march - 9),
        .day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1),
    };
}
