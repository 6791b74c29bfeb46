#include "routes/advice_form.h"

#define NOT_SAID ((usec_t)-1)
/* As milliseconds this is March 1973, as seconds the year 5138: no epoch of today is near it. */
#define EPOCH_SECONDS_MAX 100000000000U

/* ---- what is left of a text ---- */

static bool take_text(struct slice *rest, struct slice text)
{
    if (!slice_starts_with(*rest, text)) {
        return false;
    }
    *rest = slice_skip(*rest, text.len);
    return true;
}

/* All the digits in front; at least one. */
static struct slice take_digits(struct slice *rest)
{
    size_t len = 0;
    while (len < rest->len && ascii_is_digit(rest->ptr[len])) {
        len++;
    }
    struct slice digits = slice_make(rest->ptr, len);
    *rest = slice_skip(*rest, len);
    return digits;
}

/* "1", "1.25": times `unit`, which is below a day. False: no such number, or above the longest. */
static bool decimal_of(struct slice whole, struct slice fraction, usec_t unit, usec_t *ret)
{
    uint64_t number;
    if (!slice_number(whole, (uint64_t)(ADVICE_LONGEST / unit), &number)) {
        return false;
    }
    usec_t value = (usec_t)number * unit;
    for (size_t i = 0; i < fraction.len && unit > 0; i++) {
        unit /= 10;
        value += unit * (fraction.ptr[i] - '0');
    }
    *ret = value;
    return value <= ADVICE_LONGEST;
}

/* Splits a number with or without a fraction off the front. */
static bool take_decimal(struct slice *rest, struct slice *ret_whole, struct slice *ret_fraction)
{
    *ret_whole = take_digits(rest);
    *ret_fraction = slice_make(NULL, 0);
    if (!take_text(rest, SLICE("."))) {
        return ret_whole->len > 0;
    }
    *ret_fraction = take_digits(rest);
    return ret_whole->len > 0 && ret_fraction->len > 0;
}

static usec_t read_decimal(struct slice text, usec_t unit)
{
    struct slice whole;
    struct slice fraction;
    usec_t value;
    bool valid = take_decimal(&text, &whole, &fraction) && text.len == 0 &&
                 decimal_of(whole, fraction, unit, &value);
    return valid ? value : NOT_SAID;
}

/* ---- durations ---- */

/* Microseconds a unit; of those below one, what a whole number of them is divided by. */
static const struct duration_unit {
    struct slice name;
    usec_t unit;
    uint64_t divisor;
} duration_units[] = {
    /* the longer name before the one it begins with */
    {SLICE_INIT("ms"), MSEC, 1},        {SLICE_INIT("us"), USEC, 1},
    {SLICE_INIT("\xc2\xb5s"), USEC, 1}, {SLICE_INIT("\xce\xbcs"), USEC, 1},
    {SLICE_INIT("ns"), USEC, 1000},     {SLICE_INIT("h"), 3600 * SEC, 1},
    {SLICE_INIT("m"), 60 * SEC, 1},     {SLICE_INIT("s"), SEC, 1},
};

static const struct duration_unit *take_unit(struct slice *rest)
{
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        if (take_text(rest, duration_units[i].name)) {
            return &duration_units[i];
        }
    }
    return NULL;
}

/* "6m", "1.2s", "500ns" off the front, added to *sum. */
static bool add_part(struct slice *rest, usec_t *sum)
{
    struct slice whole;
    struct slice fraction;
    usec_t part;
    if (!take_decimal(rest, &whole, &fraction)) {
        return false;
    }
    const struct duration_unit *unit = take_unit(rest);
    if (unit == NULL) {
        return false;
    }
    if (unit->divisor > 1) {
        uint64_t count;
        if (!slice_number(whole, (uint64_t)ADVICE_LONGEST, &count)) {
            return false;
        }
        part = (usec_t)(count / unit->divisor);
    } else if (!decimal_of(whole, fraction, unit->unit, &part)) {
        return false;
    }
    *sum += part;
    return *sum <= ADVICE_LONGEST;
}

/* "6m0s", "120ms", "1.2s"; plain digits are seconds. */
static usec_t read_duration(struct slice text)
{
    usec_t sum = read_decimal(text, SEC);
    if (sum != NOT_SAID || text.len == 0) {
        return sum;
    }
    sum = 0;
    while (text.len > 0) {
        if (!add_part(&text, &sum)) {
            return NOT_SAID;
        }
    }
    return sum;
}

/* ---- points in time ---- */

struct moment {
    uint64_t year, month, day; /* month and day from 1 */
    uint64_t hour, minute, second;
    usec_t fraction;
};

static usec_t until(usec_t moment, usec_t wall)
{
    return moment < wall || moment - wall > ADVICE_LONGEST ? NOT_SAID : moment - wall;
}

static unsigned days_in_month(uint64_t year, uint64_t month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* A leap second counts as the one behind it. */
static bool valid_moment(const struct moment *it)
{
    return it->year >= 1970 && it->month >= 1 && it->month <= 12 && it->day >= 1 &&
           it->day <= days_in_month(it->year, it->month) && it->hour <= 23 && it->minute <= 59 &&
           it->second <= 60;
}

/* Since 1970-01-01 UTC. */
static usec_t moment_time(const struct moment *it)
{
    uint64_t before = it->year - 1;
    uint64_t days = it->year * 365 - (uint64_t)1970 * 365 +
                    (before / 4 - before / 100 + before / 400) -
                    (1969 / 4 - 1969 / 100 + 1969 / 400) + it->day - 1;
    for (uint64_t month = 1; month < it->month; month++) {
        days += days_in_month(it->year, month);
    }
    uint64_t seconds = days * 86400 + it->hour * 3600 + it->minute * 60 + it->second;
    return (usec_t)seconds * SEC + it->fraction;
}

/* Exactly so many digits. */
static bool take_number(struct slice *rest, size_t digits, uint64_t *ret)
{
    struct slice number = slice_make(rest->ptr, digits);
    if (rest->len < digits || !slice_number(number, UINT32_MAX, ret)) {
        return false;
    }
    *rest = slice_skip(*rest, digits);
    return true;
}

static bool take_time(struct slice *rest, struct moment *ret)
{
    return take_number(rest, 2, &ret->hour) && take_text(rest, SLICE(":")) &&
           take_number(rest, 2, &ret->minute) && take_text(rest, SLICE(":")) &&
           take_number(rest, 2, &ret->second);
}

static bool take_month(struct slice *rest, struct moment *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; i < 12; i++) {
        if (take_text(rest, slice_make(names + (size_t)i * 3, 3))) {
            ret->month = i + 1;
            return true;
        }
    }
    return false;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool take_fixdate(struct slice *rest, struct moment *ret)
{
    return take_number(rest, 2, &ret->day) && take_text(rest, SLICE(" ")) &&
           take_month(rest, ret) && take_text(rest, SLICE(" ")) &&
           take_number(rest, 4, &ret->year) && take_text(rest, SLICE(" ")) &&
           take_time(rest, ret) && take_text(rest, SLICE(" GMT"));
}

/* "06-Nov-94 08:49:37 GMT": the year is within 50 years of now (RFC 9110, section 5.6.7); nothing
 * before 1970 is asked for. */
static bool take_rfc850(struct slice *rest, struct moment *ret)
{
    bool valid = take_number(rest, 2, &ret->day) && take_text(rest, SLICE("-")) &&
                 take_month(rest, ret) && take_text(rest, SLICE("-")) &&
                 take_number(rest, 2, &ret->year) && take_text(rest, SLICE(" ")) &&
                 take_time(rest, ret) && take_text(rest, SLICE(" GMT"));
    ret->year += ret->year < 70 ? 2000 : 1900;
    return valid;
}

/* "Nov  6 08:49:37 1994" */
static bool take_asctime(struct slice *rest, struct moment *ret)
{
    bool month = take_month(rest, ret) && take_text(rest, SLICE(" "));
    bool day = month && (take_text(rest, SLICE(" ")) ? take_number(rest, 1, &ret->day)
                                                     : take_number(rest, 2, &ret->day));
    return day && take_text(rest, SLICE(" ")) && take_time(rest, ret) &&
           take_text(rest, SLICE(" ")) && take_number(rest, 4, &ret->year);
}

/* The three forms of RFC 9110, section 5.6.7. What day of the week it was is not looked at. */
static bool read_http_date(struct slice text, struct moment *ret)
{
    size_t letters = 0;
    while (letters < text.len && ascii_is_letter(text.ptr[letters])) {
        letters++;
    }
    text = slice_skip(text, letters);
    bool valid;
    if (letters == 3 && take_text(&text, SLICE(", "))) {
        valid = take_fixdate(&text, ret);
    } else if (letters > 3 && take_text(&text, SLICE(", "))) {
        valid = take_rfc850(&text, ret);
    } else {
        valid = letters == 3 && take_text(&text, SLICE(" ")) && take_asctime(&text, ret);
    }
    return valid && text.len == 0 && valid_moment(ret);
}

/* "+01:00" behind a time is what it is ahead of UTC. */
static bool take_offset(struct slice *rest, usec_t *ret_ahead)
{
    uint64_t hours;
    uint64_t minutes;
    *ret_ahead = 0;
    if (take_text(rest, SLICE("Z")) || take_text(rest, SLICE("z"))) {
        return true;
    }
    bool ahead = take_text(rest, SLICE("+"));
    if (!ahead && !take_text(rest, SLICE("-"))) {
        return false;
    }
    if (!take_number(rest, 2, &hours) || !take_text(rest, SLICE(":")) ||
        !take_number(rest, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    usec_t offset = (usec_t)(hours * 3600 + minutes * 60) * SEC;
    *ret_ahead = ahead ? offset : -offset;
    return true;
}

static bool take_fraction(struct slice *rest, usec_t *ret)
{
    if (!take_text(rest, SLICE("."))) {
        return true;
    }
    struct slice digits = take_digits(rest);
    return digits.len > 0 && decimal_of(SLICE("0"), digits, SEC, ret);
}

/* RFC 3339: "2026-11-26T15:47:47.5Z" */
static usec_t read_time(struct slice text, usec_t wall)
{
    struct moment it = {0};
    usec_t ahead;
    bool date = take_number(&text, 4, &it.year) && take_text(&text, SLICE("-")) &&
                take_number(&text, 2, &it.month) && take_text(&text, SLICE("-")) &&
                take_number(&text, 2, &it.day) &&
                (take_text(&text, SLICE("T")) || take_text(&text, SLICE("t")) ||
                 take_text(&text, SLICE(" ")));
    bool valid = date && take_time(&text, &it) && take_fraction(&text, &it.fraction) &&
                 take_offset(&text, &ahead) && text.len == 0 && valid_moment(&it);
    return valid ? until(moment_time(&it) - ahead, wall) : NOT_SAID;
}

bool advice_form_date(struct slice text, usec_t *ret_wall)
{
    struct moment it = {0};
    if (!read_http_date(text, &it)) {
        return false;
    }
    *ret_wall = moment_time(&it);
    return true;
}

static usec_t read_seconds_or_date(struct slice text, usec_t wall)
{
    struct moment it = {0};
    if (text.len > 0 && ascii_is_digit(text.ptr[0])) {
        return read_decimal(text, SEC);
    }
    return read_http_date(text, &it) ? until(moment_time(&it), wall) : NOT_SAID;
}

static usec_t read_epoch(struct slice text, usec_t wall)
{
    struct slice whole;
    struct slice fraction;
    uint64_t number;
    if (!take_decimal(&text, &whole, &fraction) || text.len > 0 ||
        !slice_number(whole, (uint64_t)EPOCH_SECONDS_MAX * 1000, &number)) {
        return NOT_SAID;
    }
    usec_t unit = number > EPOCH_SECONDS_MAX ? MSEC : SEC;
    usec_t part = 0;
    (void)decimal_of(SLICE("0"), fraction, unit, &part);
    return until((usec_t)number * unit + part, wall);
}

usec_t advice_form_read(enum advice_form form, struct slice text, usec_t wall)
{
    text = slice_trim(text);
    switch (form) {
    case ADVICE_SECONDS_OR_DATE:
        return read_seconds_or_date(text, wall);
    case ADVICE_MILLISECONDS:
        return read_decimal(text, MSEC);
    case ADVICE_SECONDS:
        return read_decimal(text, SEC);
    case ADVICE_DURATION:
        return read_duration(text);
    case ADVICE_EPOCH:
        return read_epoch(text, wall);
    case ADVICE_TIME:
        return read_time(text, wall);
    }
    return NOT_SAID;
}
