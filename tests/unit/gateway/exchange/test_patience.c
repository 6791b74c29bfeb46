#include "base/http1.h"
#include "gateway/exchange/patience.h"

#include <criterion/criterion.h>

/* The request with one field or two. */
static enum status read_fields(const char *name, const char *value, const char *name2,
                               const char *value2, usec_t *ret, struct error *err)
{
    struct http1_field fields[2] = {
        {.name = slice_from(name), .value = slice_from(value)},
        {.name = slice_from(name2), .value = slice_from(value2)},
    };
    struct http1_request request = {.fields = fields, .field_count = name2 == NULL ? 1 : 2};
    return patience_read(&request, ret, err);
}

static usec_t patience(const char *name, const char *value)
{
    usec_t ret = -1;
    struct error err;
    cr_assert_eq(read_fields(name, value, NULL, NULL, &ret, &err), STATUS_OK, "%s: %s", name,
                 value);
    return ret;
}

static void refused(const char *name, const char *value)
{
    usec_t ret;
    struct error err;
    cr_expect_eq(read_fields(name, value, NULL, NULL, &ret, &err), STATUS_INVALID, "%s: %s", name,
                 value);
}

Test(patience, says_nothing_where_the_caller_says_nothing)
{
    cr_expect_eq(patience("x-request-id", "30"), 0);
    cr_expect_eq(patience("x-request-timeouts", "30"), 0);
}

Test(patience, seconds_with_a_fraction_or_a_unit)
{
    cr_expect_eq(patience("X-Request-Timeout", "30"), 30 * SEC);
    cr_expect_eq(patience("x-request-timeout", "2.5"), 2500 * MSEC);
    cr_expect_eq(patience("x-request-timeout", "0.0015"), 1500);
    cr_expect_eq(patience("x-request-timeout", "1.9999999"), 1999999);
    cr_expect_eq(patience("x-request-timeout", "500ms"), 500 * MSEC);
    cr_expect_eq(patience("x-request-timeout", "30s"), 30 * SEC);
    cr_expect_eq(patience("x-request-timeout", "2m"), 120 * SEC);
}

Test(patience, as_grpc_says_it)
{
    cr_expect_eq(patience("grpc-timeout", "1H"), 3600 * SEC);
    cr_expect_eq(patience("grpc-timeout", "2M"), 120 * SEC);
    cr_expect_eq(patience("grpc-timeout", "3S"), 3 * SEC);
    cr_expect_eq(patience("grpc-timeout", "100m"), 100 * MSEC);
    cr_expect_eq(patience("grpc-timeout", "5000u"), 5000);
    cr_expect_eq(patience("grpc-timeout", "99999999n"), 99999);
}

Test(patience, no_number_overflows)
{
    cr_expect_eq(patience("x-request-timeout", "86400"), 86400 * SEC);
    cr_expect_eq(patience("x-request-timeout", "99999999999999999999999999"), 86400 * SEC);
    cr_expect_eq(patience("x-request-timeout", "99999999999999999999999999m"), 86400 * SEC);
    cr_expect_eq(patience("grpc-timeout", "99999999H"), 86400 * SEC);
}

Test(patience, what_is_no_time_is_refused)
{
    static const char *const bad[] = {"",    "-1", "0",    "0.0001", "abc",   "1 s", "1e3", "1,5",
                                      ".5s", "5x", "0x10", "ms",     "1.5.2", "NaN", "1ss", " 1"};
    static const char *const bad_grpc[] = {"",           "30", "30s",  "-1S",
                                           "123456789S", "S",  "1.S1", "900n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused("x-request-timeout", bad[i]);
    }
    for (size_t i = 0; i < sizeof(bad_grpc) / sizeof(bad_grpc[0]); i++) {
        refused("grpc-timeout", bad_grpc[i]);
    }
}

Test(patience, the_shorter_one_counts_and_a_bad_one_beside_a_good_one_is_refused)
{
    usec_t ret;
    struct error err;
    cr_assert_eq(read_fields("grpc-timeout", "3S", "x-request-timeout", "2", &ret, &err),
                 STATUS_OK);
    cr_expect_eq(ret, 2 * SEC);
    cr_assert_eq(read_fields("grpc-timeout", "1S", "x-request-timeout", "2", &ret, &err),
                 STATUS_OK);
    cr_expect_eq(ret, SEC);
    cr_expect_eq(read_fields("grpc-timeout", "1S", "x-request-timeout", "soon", &ret, &err),
                 STATUS_INVALID);
}
