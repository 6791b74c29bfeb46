#include "limiter/zone.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "limiter/zone_rule.h"

#include <stdio.h>

/* RFC 8536, section 3. A file has a block of 32-bit times for old readers, then one of 64-bit
 * times, then the rule for later times between two newlines. */
enum {
    HEADER_BYTES = 44,
    TYPE_BYTES = 6,
    COUNT_MAX = 4096, /* of each kind; real files have a few hundred */
    FILE_MAX_BYTES = 256 * 1024,
    OFFSET_MAX_SECONDS = 26 * 3600,
    NAME_MAX_BYTES = 64,
};

struct zone {
    const char *name;
    unsigned count;       /* of changes, ascending */
    const int64_t *times; /* when, UTC seconds */
    const int *offsets;   /* from then on */
    int first_offset;     /* before the first of them */
    bool has_rule;        /* behind the last one */
    struct zone_rule rule;
};

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

/* ---- reading ---- */

struct counts {
    uint32_t utc_marks, standard_marks, leaps, times, types, letters;
};

static uint32_t read_32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t read_64(const unsigned char *bytes)
{
    return (int64_t)((uint64_t)read_32(bytes) << 32 | read_32(bytes + 4));
}

static bool read_counts(struct slice bytes, struct counts *ret)
{
    if (bytes.len < HEADER_BYTES || memcmp(bytes.ptr, "TZif", 4) != 0 || bytes.ptr[4] < '2') {
        return false;
    }
    const unsigned char *at = (const unsigned char *)bytes.ptr + 20;
    *ret = (struct counts){
        .utc_marks = read_32(at),
        .standard_marks = read_32(at + 4),
        .leaps = read_32(at + 8),
        .times = read_32(at + 12),
        .types = read_32(at + 16),
        .letters = read_32(at + 20),
    };
    return ret->utc_marks <= COUNT_MAX && ret->standard_marks <= COUNT_MAX &&
           ret->leaps <= COUNT_MAX && ret->times <= COUNT_MAX && ret->types <= COUNT_MAX &&
           ret->letters <= COUNT_MAX;
}

/* Bytes of the block behind its header. */
static size_t block_bytes(const struct counts *counts, size_t time_bytes)
{
    return counts->times * (time_bytes + 1) + counts->types * (size_t)TYPE_BYTES + counts->letters +
           counts->leaps * (time_bytes + 4) + counts->standard_marks + counts->utc_marks;
}

static bool read_offset(const unsigned char *types, unsigned index, int *ret)
{
    int32_t offset = (int32_t)read_32(types + (size_t)index * TYPE_BYTES);
    *ret = offset;
    return offset >= -OFFSET_MAX_SECONDS && offset <= OFFSET_MAX_SECONDS;
}

static bool read_changes(struct arena *arena, const unsigned char *block,
                         const struct counts *counts, struct zone *zone)
{
    int64_t *times = ARENA_ARRAY(arena, int64_t, counts->times + 1);
    int *offsets = ARENA_ARRAY(arena, int, counts->times + 1);
    const unsigned char *indices = block + counts->times * 8;
    const unsigned char *types = indices + counts->times;
    for (uint32_t i = 0; i < counts->times; i++) {
        times[i] = read_64(block + (size_t)i * 8);
        if ((i > 0 && times[i] <= times[i - 1]) || indices[i] >= counts->types ||
            !read_offset(types, indices[i], &offsets[i])) {
            return false;
        }
    }
    zone->count = counts->times;
    zone->times = times;
    zone->offsets = offsets;
    return read_offset(types, 0, &zone->first_offset);
}

/* "\nRULE\n"; an empty rule says that the last change holds for ever. */
static bool read_rule(struct slice footer, struct zone *zone)
{
    if (footer.len < 2 || footer.ptr[0] != '\n') {
        return false;
    }
    footer = slice_skip(footer, 1);
    size_t len = slice_find(footer, '\n');
    if (len == footer.len) {
        return false;
    }
    zone->has_rule = len > 0;
    return len == 0 || zone_rule_parse(slice_make(footer.ptr, len), &zone->rule);
}

enum status zone_parse(struct arena *arena, const char *name, const void *bytes, size_t len,
                       const struct zone **ret, struct error *err)
{
    struct slice rest = slice_make(bytes, len);
    struct counts counts;
    struct zone *zone = ARENA_NEW(arena, struct zone);
    zone->name = arena_copy(arena, slice_from(name)).ptr;
    bool good = read_counts(rest, &counts);
    if (good) {
        rest = slice_skip(rest, HEADER_BYTES + block_bytes(&counts, 4));
        good = read_counts(rest, &counts);
    }
    if (good) {
        size_t block = block_bytes(&counts, 8);
        rest = slice_skip(rest, HEADER_BYTES);
        /* Where leap seconds are counted, times are not since 1970-01-01 UTC. */
        good = rest.len >= block && counts.types > 0 && counts.leaps == 0 &&
               read_changes(arena, (const unsigned char *)rest.ptr, &counts, zone) &&
               read_rule(slice_skip(rest, block), zone);
    }
    if (!good) {
        FAIL(err, STATUS_INVALID,
             "the zone file of \"%s\" is none of version 2 or later (RFC 8536)", name);
    }
    *ret = zone;
    return STATUS_OK;
}

static bool valid_name(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || !ascii_is_letter(name.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool plain = ascii_is_alphanumeric(byte) || byte == '_' || byte == '-' || byte == '+';
        bool border = byte == '/' && i + 1 < name.len && name.ptr[i + 1] != '/';
        if (!plain && !border) {
            return false;
        }
    }
    return true;
}

enum status zone_load(struct arena *arena, const char *name, const struct zone **ret,
                      struct error *err)
{
    if (slice_equal(slice_from(name), SLICE("UTC"))) {
        struct zone *utc = ARENA_NEW(arena, struct zone);
        utc->name = "UTC";
        *ret = utc;
        return STATUS_OK;
    }
    struct buffer bytes CLEANUP(buffer_fini);
    char path[sizeof("/usr/share/zoneinfo/") + NAME_MAX_BYTES];
    buffer_init(&bytes, FILE_MAX_BYTES);
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    if (!valid_name(slice_from(name)) || file_read(path, FILE_REGULAR, &bytes, NULL) != STATUS_OK) {
        FAIL(err, STATUS_NOT_FOUND,
             "no time zone is called \"%s\" here; write one of the system's (package tzdata), such "
             "as Europe/Berlin or UTC",
             name);
    }
    return zone_parse(arena, name, buffer_bytes(&bytes).ptr, buffer_len(&bytes), ret, err);
}

/* ---- asking ---- */

/* How many changes are at or before that instant. */
static unsigned changes_until(const struct zone *zone, int64_t utc_seconds)
{
    unsigned low = 0;
    unsigned high = zone->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (zone->times[middle] <= utc_seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int zone_offset(const struct zone *zone, int64_t utc_seconds)
{
    unsigned passed = changes_until(zone, utc_seconds);
    if (passed == zone->count && zone->has_rule) {
        return zone_rule_offset(&zone->rule, utc_seconds);
    }
    return passed == 0 ? zone->first_offset : zone->offsets[passed - 1];
}

static int64_t local_at(const struct zone *zone, int64_t utc_seconds)
{
    return utc_seconds + zone_offset(zone, utc_seconds);
}

/* The clock may stand still or jump, but between two days around it there is one change at most. */
int64_t zone_to_utc(const struct zone *zone, int64_t local_seconds)
{
    int64_t low = local_seconds - INT64_C(2) * 86400;
    int64_t high = local_seconds + INT64_C(2) * 86400;
    int early = zone_offset(zone, low);
    int late = zone_offset(zone, high);
    int most = early > late ? early : late;
    int64_t guess = local_seconds - most; /* the earliest that it can be */
    if (local_at(zone, guess) == local_seconds) {
        return guess;
    }
    while (high - low > 1) { /* behind a change or, where it is skipped, the change itself */
        int64_t middle = low + (high - low) / 2;
        if (local_at(zone, middle) >= local_seconds) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}
