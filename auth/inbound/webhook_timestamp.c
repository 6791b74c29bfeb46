#include "auth/inbound/webhook_timestamp.h"

#include "base/calendar.h"

#define SECONDS_MAX UINT64_C(253402300799) /* the year 9999 */

/* `count` digits at the front; takes them off. */
static bool take_digits(struct slice *text, size_t count, int64_t *ret)
{
    uint64_t number = 0;
    if (text->len < count || !slice_number(slice_make(text->ptr, count), UINT32_MAX, &number)) {
        return false;
    }
    *text = slice_skip(*text, count);
    *ret = (int64_t)number;
    return true;
}

static bool take_byte(struct slice *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != byte) {
        return false;
    }
    *text = slice_skip(*text, 1);
    return true;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year >= 1970 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (leap && month == 2);
}

/* ".123" and more digits: the first three count. */
static bool take_fraction(struct slice *text, int64_t *ret_msec)
{
    int64_t weight = 100;
    size_t count = 0;
    *ret_msec = 0;
    if (!take_byte(text, '.')) {
        return true;
    }
    while (count < text->len && ascii_is_digit(text->ptr[count])) {
        *ret_msec += weight * (text->ptr[count] - '0');
        weight /= 10;
        count++;
    }
    *text = slice_skip(*text, count);
    return count > 0 && count <= 9;
}

static bool read_rfc3339(struct slice text, int64_t *ret_msec)
{
    int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0;
    bool date = take_digits(&text, 4, &year) && take_byte(&text, '-') &&
                take_digits(&text, 2, &month) && take_byte(&text, '-') &&
                take_digits(&text, 2, &day) && is_date(year, month, day);
    bool time = date && take_byte(&text, 'T') && take_digits(&text, 2, &hour) &&
                take_byte(&text, ':') && take_digits(&text, 2, &minute) && take_byte(&text, ':') &&
                take_digits(&text, 2, &second) && take_fraction(&text, &fraction) &&
                take_byte(&text, 'Z');
    if (!time || text.len > 0 || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    int64_t seconds = calendar_days(year, (int)month, (int)day) * DAY_SECONDS + hour * 3600 +
                      minute * 60 + second;
    *ret_msec = seconds * 1000 + fraction;
    return true;
}

bool webhook_timestamp_read(struct slice text, enum webhook_unit unit, int64_t *ret_msec)
{
    uint64_t number = 0;
    uint64_t scale = unit == WEBHOOK_SECONDS ? 1000 : 1;
    if (unit == WEBHOOK_RFC3339) {
        return read_rfc3339(text, ret_msec);
    }
    if ((text.len > 1 && text.ptr[0] == '0') ||
        !slice_number(text, SECONDS_MAX * 1000 / scale, &number)) {
        return false;
    }
    *ret_msec = (int64_t)(number * scale);
    return true;
}

enum webhook_reason webhook_timestamp_check(int64_t msec, int64_t now, int64_t tolerance)
{
    if (tolerance == WEBHOOK_NO_TOLERANCE) {
        return WEBHOOK_OK;
    }
    int64_t age = now * 1000 - msec;
    if (age > tolerance * 1000) {
        return WEBHOOK_TIMESTAMP_EXPIRED;
    }
    return age < -tolerance * 1000 ? WEBHOOK_TIMESTAMP_FUTURE : WEBHOOK_OK;
}
