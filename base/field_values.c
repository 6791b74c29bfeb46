#include "base/field_values.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Ascending, so that printing finds the largest that is exact. */
static const struct unit counts[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {NULL, 0}};
static const struct unit durations[] = {{"ms", MSEC},      {"s", SEC},         {"m", 60 * SEC},
                                        {"h", 3600 * SEC}, {"d", 86400 * SEC}, {NULL, 0}};
static const struct unit sizes[] = {
    {"B", 1},
    {"KiB", 1024},
    {"MiB", INT64_C(1024) * 1024},
    {"GiB", INT64_C(1024) * 1024 * 1024},
    {"TiB", INT64_C(1024) * 1024 * 1024 * 1024},
    {NULL, 0},
};

static const struct unit shares[] = {{"%", 1}, {NULL, 0}};

static const struct unit *units_of(enum field_kind kind)
{
    return kind == FIELD_KIND_DURATION ? durations
           : kind == FIELD_KIND_SIZE   ? sizes
           : kind == FIELD_KIND_SHARE  ? shares
                                       : counts;
}

static size_t digits_of(struct slice text)
{
    size_t count = 0;
    while (count < text.len && ascii_is_digit(text.ptr[count])) {
        count++;
    }
    return count;
}

static const struct unit *find_unit(enum field_kind kind, struct slice suffix)
{
    for (const struct unit *unit = units_of(kind); unit->suffix != NULL; unit++) {
        if (slice_equal(suffix, slice_from(unit->suffix))) {
            return unit;
        }
    }
    return NULL;
}

const char *field_number_example(enum field_kind kind)
{
    return kind == FIELD_KIND_DURATION ? "a duration such as 250ms, 10s, 5m, 1h or 1d"
           : kind == FIELD_KIND_SIZE   ? "a size such as 512B, 64KiB, 25MiB or 1GiB"
           : kind == FIELD_KIND_SHARE  ? "whole percents such as 20%"
                                       : "a whole number such as 600, 2k or 1M";
}

enum status field_number_parse(enum field_kind kind, struct slice text, int64_t *ret,
                               struct error *err)
{
    size_t digits = digits_of(text);
    struct slice suffix = slice_skip(text, digits);
    if (digits == 0) {
        FAIL(err, STATUS_INVALID, "write %s", field_number_example(kind));
    }
    const struct unit *unit = find_unit(kind, suffix);
    if (unit == NULL) {
        FAIL(err, STATUS_INVALID, "%s unit; write %s", suffix.len == 0 ? "no" : "unknown",
             field_number_example(kind));
    }
    uint64_t number = 0;
    int64_t value = 0;
    if (!slice_number(slice_make(text.ptr, digits), INT64_MAX, &number) ||
        __builtin_mul_overflow((int64_t)number, unit->factor, &value)) {
        FAIL(err, STATUS_INVALID, "far too large; write %s", field_number_example(kind));
    }
    *ret = value;
    return STATUS_OK;
}

const char *field_number_print(enum field_kind kind, int64_t value, struct field_number *out)
{
    const struct unit *best = units_of(kind);
    for (const struct unit *unit = best; unit->suffix != NULL && value != 0; unit++) {
        /* "1000" reads better than "1k"; "20000" does, too. */
        if (value % unit->factor == 0 && (units_of(kind) != counts || value >= 1000000)) {
            best = unit;
        }
    }
    if (value == 0 && kind == FIELD_KIND_DURATION) {
        best = &durations[1];
    }
    (void)snprintf(out->text, sizeof(out->text), "%" PRId64 "%s", value / best->factor,
                   best->suffix);
    return out->text;
}

const char *field_number_pattern(enum field_kind kind, struct field_pattern *out)
{
    size_t used = 0;
    for (const struct unit *unit = units_of(kind); unit->suffix != NULL; unit++) {
        int len = snprintf(out->text + used, sizeof(out->text) - used, "%s%s",
                           used == 0 ? "[0-9]+(" : "|", unit->suffix);
        used += len < 0 ? 0 : (size_t)len;
    }
    (void)snprintf(out->text + used, sizeof(out->text) - used, ")");
    return out->text;
}
