/*
 * fuzz_zone: zone files as a stranger may have written them: all of the file (first byte even), or
 * the rule behind a table of one change (odd). Nothing outside is read, offsets stay within
 * their bounds, every search ends, and windows follow each other.
 */
#include "base/memory.h"
#include "limiter/window.h"
#include "limiter/zone.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OFFSET_MAX = 26 * 3600, SIZE_MAX_TRIED = 1 << 14 };

/* Old block: nothing. New block: one change at 10^9 s, offsets of none and of an hour. */
static const char table[] =
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\4"
    "\0\0\0\0\x3b\x9a\xca\0\1\0\0\0\0\0\0\0\0\x0e\x10\0\0XXX\0\n";

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static int64_t local_at(const struct zone *zone, int64_t utc_seconds)
{
    int offset = zone_offset(zone, utc_seconds);
    require(offset >= -OFFSET_MAX && offset <= OFFSET_MAX);
    return utc_seconds + offset;
}

static void check_instant(const struct zone *zone, int64_t local_seconds)
{
    int64_t found = zone_to_utc(zone, local_seconds);
    int64_t shown = local_at(zone, found);
    require(shown >= local_seconds);
    require(shown == local_seconds || local_at(zone, found - 1) < local_seconds);
}

static void check_window(const struct limit *limit, int64_t wall_ms)
{
    struct window window = window_at(limit, wall_ms);
    require(window.start_ms < window.end_ms && window.end_ms < window.next_end_ms);
    require(wall_ms < window.end_ms);
}

static void check_zone(const struct zone *zone)
{
    static const int64_t instants[] = {0,          1,          951782400,  1000000000,  1234567890,
                                       1709164800, 2147483648, 4102444800, 253402300799};
    const struct limit limits[] = {
        {.span = LIMIT_DAYS, .days = 1, .zone = zone},
        {.span = LIMIT_DAYS, .days = 7, .zone = zone},
        {.span = LIMIT_WEEK, .zone = zone},
        {.span = LIMIT_MONTH, .zone = zone},
    };
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        check_instant(zone, instants[i]);
        check_instant(zone, -instants[i]);
        for (size_t j = 0; j < sizeof(limits) / sizeof(limits[0]); j++) {
            check_window(&limits[j], instants[i] * 1000);
        }
    }
}

/* In memory of just that size. The rule is between two newlines. */
static char *file_of(const char *data, size_t size, bool rule_alone, size_t *ret_len)
{
    size_t front = rule_alone ? sizeof(table) - 1 : 0;
    size_t len = front + size + (rule_alone ? 1 : 0);
    char *file = memory_alloc(len);
    memcpy(file, table, front);
    memcpy(file + front, data, size);
    if (rule_alone) {
        file[len - 1] = '\n';
    }
    *ret_len = len;
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SIZE_MAX_TRIED) {
        return 0;
    }
    struct arena arena CLEANUP(arena_fini) = {0};
    struct error err = {0};
    const struct zone *zone = NULL;
    size_t len = 0;
    char *file CLEANUP(memory_free_at) =
        file_of((const char *)data + 1, size - 1, data[0] % 2 == 1, &len);
    if (zone_parse(&arena, "Fuzz/Zone", file, len, &zone, &err) == STATUS_OK) {
        require(strcmp(zone_name(zone), "Fuzz/Zone") == 0);
        check_zone(zone);
    } else {
        require(zone == NULL && err.message[0] != '\0');
    }
    return 0;
}
