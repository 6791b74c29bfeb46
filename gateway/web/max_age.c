#include "gateway/web/max_age.h"

enum { DAY_SECONDS = 24 * 3600 };

/* "max-age=600", "no-cache": false, and what was found is void. */
static bool read_directive(struct slice text, uint64_t *seconds)
{
    static const struct slice max_age = SLICE_INIT("max-age=");
    if (slice_starts_with_nocase(text, max_age)) {
        struct slice digits = slice_skip(text, max_age.len);
        uint64_t number = 0;
        bool is_number = slice_number(digits, UINT64_MAX, &number);
        *seconds = is_number && number < DAY_SECONDS ? number : is_number ? DAY_SECONDS : 0;
    }
    return !slice_equal_nocase(text, SLICE("no-store")) &&
           !slice_equal_nocase(text, SLICE("no-cache"));
}

usec_t max_age_of(const struct http1_field *fields, unsigned count)
{
    uint64_t seconds = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!slice_equal_nocase(fields[i].name, SLICE("cache-control"))) {
            continue;
        }
        for (struct slice rest = fields[i].value; rest.len > 0;) {
            struct slice part = slice_make(rest.ptr, slice_find(rest, ','));
            rest = slice_skip(rest, part.len + 1);
            if (!read_directive(slice_trim(part), &seconds)) {
                return 0;
            }
        }
    }
    return (usec_t)seconds * SEC;
}
