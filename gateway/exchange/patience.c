/* patience: the caller's own deadline: X-Request-Timeout, grpc-timeout. */
#include "gateway/exchange/patience.h"

#include "base/http1.h"

#include <stdbool.h>

#define PATIENCE_LONGEST (86400 * SEC) /* the most that timeouts.total can be */

/* Digits with up to six decimals, in units of `unit`. False: none. */
static bool read_number(struct slice *text, usec_t unit, usec_t *ret)
{
    usec_t whole = 0;
    usec_t scale = unit;
    bool digits = false;
    size_t at = 0;
    for (; at < text->len && ascii_is_digit(text->ptr[at]); at++, digits = true) {
        whole = whole * 10 + (text->ptr[at] - '0');
        if (whole > PATIENCE_LONGEST) {
            whole = PATIENCE_LONGEST; /* more than enough in any unit */
        }
    }
    usec_t part = 0;
    if (digits && at < text->len && text->ptr[at] == '.') {
        for (at++; at < text->len && ascii_is_digit(text->ptr[at]); at++) {
            scale /= 10;
            part += scale * (text->ptr[at] - '0');
        }
    }
    *text = slice_skip(*text, at);
    *ret = whole > PATIENCE_LONGEST / unit ? PATIENCE_LONGEST : whole * unit + part;
    return digits;
}

struct unit {
    struct slice name;
    usec_t span;
};

/* "30", "1.5", "30s", "500ms", "2m". */
static bool read_request_timeout(struct slice text, usec_t *ret)
{
    static const struct unit units[] = {
        {SLICE_INIT("ms"), MSEC}, {SLICE_INIT("s"), SEC}, {SLICE_INIT("m"), 60 * SEC}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct slice rest = text;
        if (read_number(&rest, units[i].span, ret) && slice_equal(rest, units[i].name)) {
            return true;
        }
    }
    return read_number(&text, SEC, ret) && text.len == 0;
}

/* https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: at most 8 digits and a unit. */
static bool read_grpc_timeout(struct slice text, usec_t *ret)
{
    static const struct unit units[] = {{SLICE_INIT("H"), 3600 * SEC},
                                        {SLICE_INIT("M"), 60 * SEC},
                                        {SLICE_INIT("S"), SEC},
                                        {SLICE_INIT("m"), MSEC},
                                        {SLICE_INIT("u"), 1}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct slice rest = text;
        if (text.len <= 9 && read_number(&rest, units[i].span, ret) &&
            slice_equal(rest, units[i].name)) {
            return true;
        }
    }
    struct slice rest = text;
    if (text.len <= 9 && read_number(&rest, 1, ret) && slice_equal(rest, SLICE("n"))) {
        *ret /= 1000;
        return true;
    }
    return false;
}

enum status patience_read(const struct http1_request *request, usec_t *ret, struct error *err)
{
    static const struct slice own = SLICE_INIT("x-request-timeout");
    static const struct slice grpc = SLICE_INIT("grpc-timeout");
    *ret = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        bool is_own = field->name.len == own.len && slice_equal_nocase(field->name, own);
        bool is_grpc = field->name.len == grpc.len && slice_equal_nocase(field->name, grpc);
        usec_t found = 0;
        if (!is_own && !is_grpc) {
            continue;
        }
        bool valid = is_own ? read_request_timeout(field->value, &found)
                            : read_grpc_timeout(field->value, &found);
        if (!valid || found < MSEC) {
            FAIL(err, STATUS_INVALID, "%s is no time: send %s",
                 is_own ? "X-Request-Timeout" : "grpc-timeout",
                 is_own ? "seconds, such as 30 or 2.5, or 500ms"
                        : "digits and a unit, such as 30S");
        }
        *ret = *ret == 0 || found < *ret ? found : *ret;
    }
    return STATUS_OK;
}
