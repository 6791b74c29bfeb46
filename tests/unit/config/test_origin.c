#include "tests/unit/config/config_scene.h"

#include <stdlib.h>

#include <criterion/criterion.h>

TestSuite(origin, .init = setup, .fini = teardown);

/* What is warned of, with one route to `base_url`. */
static const char *warning_of(const char *egress, const char *base_url)
{
    char text[2000];
    (void)snprintf(text, sizeof(text),
                   "version: 1\negress: {%s}\nroutes: {r: {provider: http, base_url: \"%s\"}}\n",
                   egress, base_url);
    parse_text(text);
    cr_assert_eq(problems.count, 0U, "%s", problem_at(0));
    cr_expect_leq(problems.warning_count, 1U);
    return problem_line(problems.warnings, problems.warning_count, 0);
}

static void expect_warned(const char *egress, const char *base_url, const char *networks)
{
    char line[500];
    (void)snprintf(line, sizeof(line),
                   "f:3:40: routes.r.base_url: this is no public address, so each call will be "
                   "502 egress_refused; if it is meant write egress: {allow_private: [%s]}",
                   networks);
    const char *said = warning_of(egress, base_url);
    cr_expect_str_eq(said, line, "%s", said);
}

Test(origin, an_address_that_egress_will_refuse_is_warned_of_with_what_would_allow_it)
{
    expect_warned("", "http://127.0.0.1:8000/v1", "127.0.0.1");
    expect_warned("allow_private: [10.0.0.0/8]", "https://192.168.0.7", "192.168.0.7");
    expect_warned("", "http://[::1]:8000", "\"::1\"");
    expect_warned("", "http://169.254.169.254", "169.254.169.254");
    expect_warned("", "http://localhost:8000", "127.0.0.1, \"::1\"");
}

Test(origin, what_is_allowed_public_or_a_name_is_not)
{
    cr_expect_str_eq(warning_of("allow_private: [127.0.0.1]", "http://127.0.0.1:8000"), "");
    cr_expect_str_eq(warning_of("allow_private: [127.0.0.0/8]", "http://localhost"), "");
    cr_expect_str_eq(warning_of("allow_private: [\"::1\"]", "http://[::1]:8000"), "");
    cr_expect_str_eq(warning_of("", "https://8.8.8.8"), "");
    cr_expect_str_eq(warning_of("", "https://reports.internal"), "");
}

Test(origin, the_warning_does_not_show_what_a_reference_stands_for)
{
    cr_assert_eq(setenv("ORIGIN_HOST", "10.1.2.3", 1), 0);
    expect_warned("", "http://${env:ORIGIN_HOST}", "NETWORK");
}
