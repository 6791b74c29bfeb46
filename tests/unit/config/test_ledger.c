#include "tests/unit/config/config_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(ledger, .init = setup, .fini = teardown);

static void load(const char *section)
{
    char text[400];
    (void)snprintf(text, sizeof(text), "version: 1\n%s\n", section);
    parse_text(text);
}

static const char *warning_at(unsigned index)
{
    return problem_line(problems.warnings, problems.warning_count, index);
}

Test(ledger, is_none_by_default)
{
    static const char *const texts[] = {"", "ledger: none", "ledger: {url: none}", "ledger: {}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        load(texts[i]);
        cr_assert_not_null(snapshot, "%s: %s", texts[i], problem_at(0));
        cr_expect_null(snapshot->ledger.path, "%s", texts[i]);
        cr_expect_eq(problems.warning_count, 0U, "%s: %s", texts[i], warning_at(0));
    }
}

Test(ledger, settings_are_taken)
{
    load("ledger: {url: \"sqlite:/var/lib/usage.db\", keep: 2d, max_size: 64MiB}");
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    cr_expect_str_eq(snapshot->ledger.path, "/var/lib/usage.db");
    cr_expect_eq(snapshot->ledger.keep, 2 * 86400 * SEC);
    cr_expect_eq(snapshot->ledger.max_bytes, 64U << 20);
    cr_expect_eq(problems.warning_count, 0U);
}

Test(ledger, defaults_are_30_days_and_10_gib)
{
    load("ledger: {url: sqlite:usage.db}");
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    cr_expect_eq(snapshot->ledger.keep, 30 * 86400 * SEC);
    cr_expect_eq(snapshot->ledger.max_bytes, (uint64_t)10 << 30);
}

Test(ledger, a_relative_path_starts_from_the_folder_of_the_config)
{
    CLEANUP(problems_fini) struct problems found = {0};
    struct snapshot *parsed = NULL;
    cr_assert_eq(snapshot_parse("/etc/gw/sallyport.yaml",
                                SLICE("version: 1\nledger: {url: \"sqlite:../usage.db\"}\n"), NULL,
                                &found, &parsed),
                 STATUS_OK);
    cr_expect_str_eq(parsed->ledger.path, "/etc/gw/../usage.db");
    snapshot_unref(parsed);
}

Test(ledger, other_urls_are_refused_with_what_to_write)
{
    static const char *const urls[] = {
        "sqlite:",           "sqlite:/", "sqlite:///usage.db", "sqlite:usage/", "usage.db",
        "postgresql://db/x", "None",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "ledger: {url: \"%s\"}", urls[i]);
        load(text);
        cr_expect_eq(problems.count, 1U, "%s", urls[i]);
        cr_expect_str_eq(problem_at(0),
                         "f:2:15: ledger.url: write sqlite:PATH, such as sqlite:usage.db or "
                         "sqlite:/var/lib/sallyport/usage.db, or none",
                         "%s: %s", urls[i], problem_at(0));
    }
}

Test(ledger, what_was_put_in_is_not_shown)
{
    cr_assert_eq(setenv("LEDGER_URL", "postgres://:hunter2@db", 1), 0);
    load("ledger: {url: \"${env:LEDGER_URL}\"}");
    cr_expect_eq(problems.count, 1U);
    cr_expect_str_eq(problem_at(0), "f:2:15: ledger.url: \"${env:LEDGER_URL}\" does not stand for "
                                    "the URL of a ledger");
}

Test(ledger, bounds_are_said)
{
    load("ledger: {url: \"sqlite:u.db\", keep: 1m, max_size: 1MiB}");
    cr_expect_eq(problems.count, 2U);
}

Test(ledger, keys_that_do_nothing_are_warned_of)
{
    load("ledger: {url: none, keep: 1d, max_size: 1GiB}");
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    cr_expect_eq(problems.warning_count, 2U);
    cr_expect_str_eq(warning_at(0),
                     "f:2:27: ledger.keep: ignored: there is no ledger; write "
                     "ledger: {url: \"sqlite:usage.db\"}",
                     "%s", warning_at(0));
}
