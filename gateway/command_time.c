#include "gateway/command_time.h"

#include "auth/inbound/webhook_timestamp.h"
#include "base/calendar.h"
#include "base/field_values.h"
#include "gateway/command.h"
#include "gateway/observe/timestamp.h"
#include "limiter/zone.h"

#include <string.h>

#define TIMES "write 24h, 7d, a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z"

void command_write_date(int64_t days, char out[COMMAND_DATE_LEN + 1])
{
    char time[TIMESTAMP_LEN];
    (void)timestamp_write(days * DAY_SECONDS * SEC, time);
    memcpy(out, time, COMMAND_DATE_LEN);
    out[COMMAND_DATE_LEN] = '\0';
}

/* "2026-11-01" */
static bool read_date(struct slice text, int64_t *ret_days)
{
    char again[COMMAND_DATE_LEN + 1];
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    if (text.len != COMMAND_DATE_LEN || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        !slice_number(slice_make(text.ptr, 4), 9999, &year) ||
        !slice_number(slice_make(text.ptr + 5, 2), 12, &month) ||
        !slice_number(slice_make(text.ptr + 8, 2), 31, &day) || year < 1970 || month == 0) {
        return false;
    }
    *ret_days = calendar_days((int64_t)year, (int)month, (int)day);
    command_write_date(*ret_days, again); /* another one, of a day that its month has not */
    return slice_equal(slice_from(again), text);
}

static bool read_time(const char *given, const struct zone *zone, usec_t now, usec_t *ret)
{
    struct slice text = slice_from(given);
    int64_t days = 0;
    int64_t ago = 0;
    int64_t msec = 0;
    if (read_date(text, &days)) {
        *ret = zone_to_utc(zone, days * DAY_SECONDS) * SEC;
        return true;
    }
    if (webhook_timestamp_read(text, WEBHOOK_RFC3339, &msec)) {
        *ret = msec * (SEC / 1000);
        return true;
    }
    if (field_number_parse(FIELD_KIND_DURATION, text, &ago, NULL) != STATUS_OK) {
        return false;
    }
    *ret = ago < now ? now - ago : 0;
    return true;
}

bool command_read_time(const struct command_line *line, const struct zone *zone, const char *text,
                       usec_t *ret)
{
    if (text != NULL && !read_time(text, zone, clock_wall(), ret)) {
        (void)command_misused(line, "\"%s\" is no time; " TIMES, text);
        return false;
    }
    return true;
}

bool command_read_times(const struct command_line *line, const struct zone *zone, const char *since,
                        const char *until, usec_t *ret_since, usec_t *ret_until)
{
    usec_t now = clock_wall();
    const char *wrong = !read_time(since, zone, now, ret_since) ? since : NULL;
    *ret_until = 0;
    if (wrong == NULL && until != NULL && !read_time(until, zone, now, ret_until)) {
        wrong = until;
    }
    if (wrong != NULL) {
        (void)command_misused(line, "\"%s\" is no time; " TIMES, wrong);
        return false;
    }
    if (until != NULL && *ret_until <= *ret_since) {
        (void)command_misused(line, "--until is not after --since");
        return false;
    }
    return true;
}
