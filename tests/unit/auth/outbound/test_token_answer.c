#include "auth/outbound/token_answer.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

static const int64_t wall = 1468275250; /* 2016-07-11T22:14:10Z */

static enum status read_text(unsigned status, struct slice body, struct token_answer *ret,
                             struct error *err)
{
    const struct token_plan plan = {.lifetime = 1800 * SEC};
    memset(err, 0, sizeof(*err));
    return token_answer_read(&plan, status, body, wall, ret, err);
}

static void expect_token(const char *body, const char *token, usec_t life, const char *refresh)
{
    struct token_answer answer = {0};
    struct error err;
    cr_assert_eq(read_text(200, slice_from(body), &answer, &err), STATUS_OK, "%s: %s", body,
                 err.message);
    cr_expect(slice_equal(answer.token, slice_from(token)), "%s", body);
    cr_expect_eq(answer.life, life, "%s: %lld", body, (long long)answer.life);
    cr_expect(slice_equal(answer.refresh_token, slice_from(refresh)), "%s", body);
    token_answer_fini(&answer);
}

/* RFC 6749, sections 4.4.3 and 5.1; RFC 8693, section 2.3; GitHub's, Microsoft's and Google's
 * documents. */
Test(token_answer, reads_the_forms_that_endpoints_write)
{
    expect_token("{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\"token_type\":\"Bearer\","
                 "\"expires_in\":3600,\"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA\","
                 "\"example_parameter\":\"example_value\"}",
                 "2YotnFZFEjr1zCsicMWpAA", 3600 * SEC, "tGzv3JOkF0XG5Qx2TlKWIA");
    expect_token("{\"access_token\":\"eyJhbGci\",\"issued_token_type\":"
                 "\"urn:ietf:params:oauth:token-type:access_token\",\"token_type\":\"N_A\","
                 "\"expires_in\":60}",
                 "eyJhbGci", 60 * SEC, "");
    expect_token("{\"token\":\"ghs_16C7e42F292c6912E7710c838347Ae178B4a\","
                 "\"expires_at\":\"2016-07-11T23:14:10Z\",\"permissions\":{\"issues\":\"write\"}}",
                 "ghs_16C7e42F292c6912E7710c838347Ae178B4a", 3600 * SEC, "");
    expect_token("{\"accessToken\":\"ya29.x\",\"expireTime\":\"2016-07-11T23:14:10.045123456Z\"}",
                 "ya29.x", 3600 * SEC, "");
    expect_token("{\"token_type\":\"bearer\",\"expires_in\":\"3599\",\"access_token\":\"eyJ0\"}",
                 "eyJ0", 3599 * SEC, "");
    expect_token("{\"access_token\":\"00Dx!AQ4\",\"instance_url\":\"https://x\"}", "00Dx!AQ4",
                 1800 * SEC, "");
    expect_token("{\"access_token\":\"x\",\"token_type\":\"BearerToken\",\"expires_in\":9e9}", "x",
                 TOKEN_LIFE_LONGEST, "");
}

static void expect_refused(unsigned status, const char *body, const char *why)
{
    struct token_answer answer = {0};
    struct error err;
    cr_expect_eq(read_text(status, slice_from(body), &answer, &err), STATUS_INVALID, "%s", body);
    cr_expect_not_null(strstr(err.message, why), "%s: %s", body, err.message);
    cr_expect_null(strstr(err.message, "SECRET"), "%s", err.message);
    token_answer_fini(&answer);
}

Test(token_answer, refuses_what_is_no_token)
{
    expect_refused(200, "", "no JSON object");
    expect_refused(200, "SECRET", "no JSON object");
    expect_refused(200, "[\"SECRET\"]", "no JSON object");
    expect_refused(200, "{}", "answered 200");
    expect_refused(200, "{\"error\":\"SECRET<script>\"}", "answered 200");
    expect_refused(200, "{\"error\":\"bad_verification_code\"}", "\"bad_verification_code\"");
    expect_refused(200, "{\"access_token\":\"\"}", "answered 200");
    expect_refused(200, "{\"access_token\":5}", "no text");
    expect_refused(200, "{\"access_token\":null}", "no text");
    expect_refused(200, "{\"access_token\":\"a\",\"access_token\":\"SECRET\"}", "no JSON object");
    expect_refused(200, "{\"access_token\":\"SECRET\\r\\nX-Evil: 1\"}", "no header can carry");
    expect_refused(200, "{\"access_token\":\"SECRET SECRET\"}", "no header can carry");
    expect_refused(200, "{\"access_token\":\"SECRET\\u00e9\"}", "no header can carry");
    expect_refused(200, "{\"access_token\":\"a\",\"refresh_token\":\"SECRET\\n\"}",
                   "a refresh_token that has bytes");
    expect_refused(200, "{\"access_token\":\"SECRET\",\"token_type\":\"DPoP\"}", "no bearer");
    expect_refused(200, "{\"access_token\":\"SECRET\",\"token_type\":\"mac\"}", "no bearer");
}

Test(token_answer, refuses_times_that_make_no_sense)
{
    static const char *const times[] = {
        "\"expires_in\":-1",
        "\"expires_in\":0",
        "\"expires_in\":1.5",
        "\"expires_in\":\"soon\"",
        "\"expires_in\":\"-1\"",
        "\"expires_in\":null",
        "\"expires_in\":[]",
        "\"expires_in\":1e300",
        "\"expires_at\":\"2016-07-11T22:14:10Z\"",
        "\"expires_at\":\"2015-01-01T00:00:00Z\"",
        "\"expires_at\":\"tomorrow\"",
        "\"expires_at\":1468275251",
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char body[200];
        (void)snprintf(body, sizeof(body), "{\"access_token\":\"SECRET\",%s}", times[i]);
        expect_refused(200, body, "no time to come");
    }
}

Test(token_answer, tells_an_errors_code_and_nothing_else_of_it)
{
    expect_refused(400, "{\"error\":\"invalid_grant\",\"error_description\":\"SECRET\"}",
                   "answered 400, error \"invalid_grant\"");
    expect_refused(401, "{\"message\":\"SECRET\"}", "answered 401");
    expect_refused(500, "<html>SECRET", "answered 500");
    expect_refused(302, "", "answered 302");
    expect_refused(400, "{\"access_token\":\"SECRET\"}", "answered 400");
    expect_refused(400, "{\"error\":{\"code\":\"SECRET\"}}", "answered 400");
    expect_refused(400, "{\"error\":\"SECRET with blanks\"}", "answered 400");
}

Test(token_answer, a_token_has_a_most)
{
    struct token_answer answer = {0};
    struct error err;
    size_t size = TOKEN_BYTES_MAX + 100;
    char *body = malloc(size);
    for (size_t len = TOKEN_BYTES_MAX; len <= TOKEN_BYTES_MAX + 1; len++) {
        size_t used = (size_t)snprintf(body, size, "{\"access_token\":\"");
        memset(body + used, 'x', len);
        memcpy(body + used + len, "\"}", 2);
        cr_expect_eq(read_text(200, slice_make(body, used + len + 2), &answer, &err),
                     len == TOKEN_BYTES_MAX ? STATUS_OK : STATUS_INVALID);
        token_answer_fini(&answer);
    }
    free(body);
}

Test(token_answer, dates)
{
    static const struct {
        const char *text;
        int64_t moment; /* 0: none */
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT and more", 0},
        {"", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMTxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t moment = 0;
        bool valid = token_http_date(slice_from(cases[i].text), &moment);
        cr_expect_eq(valid, cases[i].moment != 0, "%s", cases[i].text);
        cr_expect(!valid || moment == cases[i].moment, "%s", cases[i].text);
    }
    int64_t moment = 0;
    cr_expect(token_iso_date(SLICE("2016-07-11T22:14:10Z"), &moment));
    cr_expect_eq(moment, wall);
    cr_expect(token_iso_date(SLICE("2016-07-11T22:14:10.9Z"), &moment));
    cr_expect_eq(moment, wall);
    cr_expect_not(token_iso_date(SLICE("2016-07-11T22:14:10+02:00"), &moment));
    cr_expect_not(token_iso_date(SLICE("2016-07-11T22:14:10.Z"), &moment));
    cr_expect_not(token_iso_date(SLICE("2016-07-11T22:14:10.5+02:00"), &moment));
    cr_expect_not(token_iso_date(SLICE("2016-07-11T22:14:10.xZ"), &moment));
}
