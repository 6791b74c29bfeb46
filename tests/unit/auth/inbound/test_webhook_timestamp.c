#include "auth/inbound/webhook_cert_url.h"
#include "auth/inbound/webhook_timestamp.h"

#include <criterion/criterion.h>

Test(webhook_timestamp, known_ones_are_read)
{
    static const struct {
        const char *text;
        enum webhook_unit unit;
        int64_t msec;
    } known[] = {
        {"0", WEBHOOK_SECONDS, 0},
        {"1760000000", WEBHOOK_SECONDS, 1760000000000},
        {"1760000000123", WEBHOOK_MILLISECONDS, 1760000000123},
        {"1970-01-01T00:00:00Z", WEBHOOK_RFC3339, 0},
        {"2025-10-09T08:53:20.000Z", WEBHOOK_RFC3339, 1760000000000},
        {"2025-10-09T08:53:20.12Z", WEBHOOK_RFC3339, 1760000000120},
        {"2000-02-29T23:59:59Z", WEBHOOK_RFC3339, 951868799000},
        {"2024-12-31T00:00:00Z", WEBHOOK_RFC3339, 1735603200000},
        {"2100-03-01T00:00:00Z", WEBHOOK_RFC3339, 4107542400000},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        int64_t msec = -1;
        cr_expect(webhook_timestamp_read(slice_from(known[i].text), known[i].unit, &msec));
        cr_expect_eq(msec, known[i].msec, "%s: %lld", known[i].text, (long long)msec);
    }
}

Test(webhook_timestamp, what_is_not_one_is_refused)
{
    static const char *const numbers[] = {"",
                                          "-1",
                                          "+1",
                                          "01",
                                          "1.5",
                                          "1e9",
                                          " 1",
                                          "1 ",
                                          "0x1",
                                          "1\n",
                                          "253402300800",
                                          "18446744073709551617",
                                          "99999999999999999999999999999999999999"};
    static const char *const dates[] = {"2025-10-09T08:53:20",
                                        "2025-10-09T08:53:20+00:00",
                                        "2025-10-09 08:53:20Z",
                                        "2025-02-29T00:00:00Z",
                                        "2100-02-29T00:00:00Z",
                                        "2025-13-01T00:00:00Z",
                                        "2025-00-01T00:00:00Z",
                                        "2025-10-00T00:00:00Z",
                                        "2025-10-09T24:00:00Z",
                                        "2025-10-09T08:60:00Z",
                                        "2025-10-09T08:53:60Z",
                                        "2025-10-09T08:53:20.Z",
                                        "2025-10-09T08:53:20.0000000001Z",
                                        "1969-12-31T23:59:59Z",
                                        "+025-10-09T08:53:20Z",
                                        "2025-10-09T08:53:20Zx"};
    int64_t msec = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        cr_expect_not(webhook_timestamp_read(slice_from(numbers[i]), WEBHOOK_SECONDS, &msec), "%s",
                      numbers[i]);
    }
    for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
        cr_expect_not(webhook_timestamp_read(slice_from(dates[i]), WEBHOOK_RFC3339, &msec), "%s",
                      dates[i]);
    }
}

Test(webhook_timestamp, the_tolerance_holds_both_ways_and_its_edge_is_within)
{
    cr_expect_eq(webhook_timestamp_check(700000, 1000, 300), WEBHOOK_OK);
    cr_expect_eq(webhook_timestamp_check(699999, 1000, 300), WEBHOOK_TIMESTAMP_EXPIRED);
    cr_expect_eq(webhook_timestamp_check(1300000, 1000, 300), WEBHOOK_OK);
    cr_expect_eq(webhook_timestamp_check(1300001, 1000, 300), WEBHOOK_TIMESTAMP_FUTURE);
    cr_expect_eq(webhook_timestamp_check(0, 1000000, WEBHOOK_NO_TOLERANCE), WEBHOOK_OK);
}

Test(webhook_timestamp, certificates_come_from_the_schemes_hosts_only)
{
    static const struct webhook_scheme scheme = {
        .key_hosts = {.text = {SLICE_INIT("sns.*.amazonaws.com"), SLICE_INIT("api.example.com")},
                      .count = 2},
        .key_path_end = SLICE_INIT(".pem"),
    };
    static const char *const good[] = {"https://sns.eu-west-1.amazonaws.com/a.pem",
                                       "https://api.example.com/x/y-1_2.pem"};
    static const char *const bad[] = {"",
                                      "http://api.example.com/a.pem",
                                      "HTTPS://api.example.com/a.pem",
                                      "https://api.example.com/a.pem?x",
                                      "https://api.example.com/a.pem#x",
                                      "https://api.example.com/a.pem?.pem",
                                      "https://api.example.com:8443/a.pem",
                                      "https://api.example.com@evil.example/a.pem",
                                      "https://u@api.example.com/a.pem",
                                      "https://api.example.com.evil.example/a.pem",
                                      "https://evil.example/api.example.com/a.pem",
                                      "https://xapi.example.com/a.pem",
                                      "https://api.example.com./a.pem",
                                      "https://api.example.com/../a.pem",
                                      "https://api.example.com/%2e.pem",
                                      "https://api.example.com/a.txt",
                                      "https://api.example.com\\@evil.example/a.pem",
                                      "https://api.example.com",
                                      "https://sns.a.b.amazonaws.com/a.pem",
                                      "https://sns.eu.amazonaws.com/a.pem",
                                      "https://sns..amazonaws.com/a.pem",
                                      "https://sns.eu_west.amazonaws.com/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com.cn/a.pem"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        cr_expect(webhook_cert_url_allowed(&scheme, slice_from(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_expect_not(webhook_cert_url_allowed(&scheme, slice_from(bad[i])), "%s", bad[i]);
    }
}
