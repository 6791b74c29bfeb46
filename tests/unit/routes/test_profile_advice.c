/* The heads of answers as the providers send them, read with the built-in profiles. */
#include "base/http1.h"
#include "base/memory.h"
#include "routes/advice.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
/* 2026-11-26 15:47:47 UTC */
#define NOW (1795708067 * SEC)

enum { FIELDS_MAX = 32 };

struct answer_case {
    const char *profile;
    const char *head;
    usec_t retry_after;
    enum advice_word word;
    bool throttled, key_refused;
    uint64_t limit, remaining; /* 0 and 0: none is known */
    usec_t reset_after;
};

static struct advice read_answer(const struct profile_set *set, const struct answer_case *it)
{
    static const struct http1_limits limits = {16384, 1024, FIELDS_MAX};
    struct http1_field fields[FIELDS_MAX];
    struct http1_response response = {.fields = fields};
    struct http1_fault fault;
    struct arena arena CLEANUP(arena_fini) = {0};
    const char *head = arena_print(&arena, "HTTP/1.1 %s\r\n\r\n", it->head);
    cr_assert_eq(http1_read_response(slice_from(head), &limits, HTTP1_POST, &response, &fault),
                 HTTP1_DONE, "%s", it->head);
    const struct profile *profile = profile_find(set, slice_from(it->profile));
    cr_assert_not_null(profile);
    struct advice advice;
    advice_read(&profile->advice, &response, NOW, &advice);
    return advice;
}

static void expect_answers(const struct answer_case *cases, size_t count)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    struct error err = {0};
    cr_assert_eq(profile_set_load(&arena, &set, &err), STATUS_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        const struct answer_case *it = &cases[i];
        struct advice advice = read_answer(&set, it);
        cr_expect_eq(advice.retry_after, it->retry_after, "%zu: %ld", i, (long)advice.retry_after);
        cr_expect_eq(advice.word, it->word, "%zu", i);
        cr_expect_eq(advice.throttled, it->throttled, "%zu", i);
        cr_expect_eq(advice.unprocessed, it->throttled, "%zu", i);
        cr_expect_eq(advice.key_refused, it->key_refused, "%zu", i);
        cr_expect_eq(advice.has_limit, it->limit > 0, "%zu", i);
        cr_expect_eq(advice.limit, it->limit, "%zu", i);
        cr_expect_eq(advice.remaining, it->remaining, "%zu", i);
        cr_expect_eq(advice.reset_after, it->limit > 0 ? it->reset_after : -1, "%zu", i);
    }
}

#define JSON "Content-Type: application/json\r\nDate: Thu, 26 Nov 2026 15:47:47 GMT\r\n"

Test(profile_advice, openai)
{
    static const struct answer_case cases[] = {
        {"openai",
         "200 OK\r\n" JSON "x-request-id: req_1\r\nx-ratelimit-limit-requests: 10000\r\n"
         "x-ratelimit-limit-tokens: 2000000\r\nx-ratelimit-remaining-requests: 9999\r\n"
         "x-ratelimit-remaining-tokens: 1500000\r\nx-ratelimit-reset-requests: 6ms\r\n"
         "x-ratelimit-reset-tokens: 15s",
         -1, ADVICE_NO_WORD, false, false, 2000000, 1500000, 15 * SEC},
        {"openai",
         "429 Too Many Requests\r\n" JSON "retry-after: 2\r\nretry-after-ms: 1187\r\n"
         "x-should-retry: true\r\nx-ratelimit-limit-requests: 500\r\n"
         "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1m12.5s",
         1187 * MSEC, ADVICE_AGAIN, true, false, 500, 0, 72 * SEC + SEC / 2},
        {"openai",
         "429 Too Many Requests\r\n" JSON "x-ratelimit-limit-requests: 500\r\n"
         "x-ratelimit-limit-tokens: 30000\r\nx-ratelimit-remaining-requests: 499\r\n"
         "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-requests: 120ms\r\n"
         "x-ratelimit-reset-tokens: 6m0s",
         360 * SEC, ADVICE_NO_WORD, true, false, 30000, 0, 360 * SEC},
        {"openai", "429 Too Many Requests\r\n" JSON "x-should-retry: false", -1, ADVICE_NOT_AGAIN,
         true, false, 0, 0, -1},
        {"openai", "500 Internal Server Error\r\n" JSON "x-should-retry: true", -1, ADVICE_AGAIN,
         false, false, 0, 0, -1},
        {"openai", "401 Unauthorized\r\n" JSON "x-request-id: r", -1, ADVICE_NO_WORD, false, true,
         0, 0, -1},
        {"openai", "403 Forbidden\r\n" JSON "x-request-id: r", -1, ADVICE_NO_WORD, false, false, 0,
         0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, azure_openai)
{
    static const struct answer_case cases[] = {
        {"azure-openai",
         "200 OK\r\n" JSON "apim-request-id: a\r\nx-ratelimit-limit-requests: 60\r\n"
         "x-ratelimit-remaining-requests: 12\r\nx-ratelimit-reset-requests: 10\r\n"
         "x-ratelimit-limit-tokens: 60000\r\nx-ratelimit-remaining-tokens: 59000",
         -1, ADVICE_NO_WORD, false, false, 60, 12, 10 * SEC},
        {"azure-openai",
         "429 Too Many Requests\r\n" JSON "Retry-After: 26\r\nretry-after-ms: 25503", 25503 * MSEC,
         ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"azure-openai",
         "429 Too Many Requests\r\n" JSON "x-ratelimit-limit-requests: 60\r\n"
         "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 10",
         10 * SEC, ADVICE_NO_WORD, true, false, 60, 0, 10 * SEC},
        {"azure-openai", "401 PermissionDenied\r\n" JSON "apim-request-id: a", -1, ADVICE_NO_WORD,
         false, true, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, aws_and_azure_storage)
{
    static const struct answer_case cases[] = {
        {"aws-dynamodb",
         "400 Bad Request\r\n" JSON "x-amzn-ErrorType: ProvisionedThroughputExceededException", -1,
         ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"aws-dynamodb", "400 Bad Request\r\n" JSON "x-amzn-ErrorType: ValidationException", -1,
         ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"aws-dynamodb",
         "400 Bad Request\r\n" JSON "x-amzn-ErrorType: com.amazon.coral.service#"
         "UnrecognizedClientException",
         -1, ADVICE_NO_WORD, false, true, 0, 0, -1},
        {"aws-ses", "403 Forbidden\r\n" JSON "x-amzn-ErrorType: ExpiredTokenException", -1,
         ADVICE_NO_WORD, false, true, 0, 0, -1},
        {"aws-ses", "403 Forbidden\r\n" JSON "x-amzn-ErrorType: AccessDeniedException:http://x/",
         -1, ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"aws-lambda", "429 Too Many Requests\r\n" JSON "Retry-After: 2", 2 * SEC, ADVICE_NO_WORD,
         true, false, 0, 0, -1},
        {"aws-s3", "503 Slow Down\r\n" JSON "Retry-After: 1", 1 * SEC, ADVICE_NO_WORD, false, false,
         0, 0, -1},
        {"azure-blob",
         "503 Server Busy\r\n" JSON "x-ms-error-code: ServerBusy\r\n"
         "x-ms-retry-after-ms: 250",
         250 * MSEC, ADVICE_NO_WORD, true, false, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, anthropic)
{
    static const struct answer_case cases[] = {
        {"anthropic",
         "200 OK\r\n" JSON "request-id: req_1\r\nanthropic-ratelimit-requests-limit: 4000\r\n"
         "anthropic-ratelimit-requests-remaining: 3999\r\n"
         "anthropic-ratelimit-requests-reset: 2026-11-26T15:47:47Z\r\n"
         "anthropic-ratelimit-tokens-limit: 480000\r\n"
         "anthropic-ratelimit-tokens-remaining: 400000\r\n"
         "anthropic-ratelimit-tokens-reset: 2026-11-26T15:48:00Z\r\n"
         "anthropic-ratelimit-input-tokens-limit: 400000\r\n"
         "anthropic-ratelimit-input-tokens-remaining: 320000\r\n"
         "anthropic-ratelimit-input-tokens-reset: 2026-11-26T15:47:59Z\r\n"
         "anthropic-ratelimit-output-tokens-limit: 80000\r\n"
         "anthropic-ratelimit-output-tokens-remaining: 8000\r\n"
         "anthropic-ratelimit-output-tokens-reset: 2026-11-26T15:48:47Z",
         -1, ADVICE_NO_WORD, false, false, 80000, 8000, 60 * SEC},
        {"anthropic",
         "429 Too Many Requests\r\n" JSON "retry-after: 41\r\nx-should-retry: true\r\n"
         "anthropic-ratelimit-requests-limit: 50\r\n"
         "anthropic-ratelimit-requests-remaining: 0\r\n"
         "anthropic-ratelimit-requests-reset: 2026-11-26T15:48:27Z",
         41 * SEC, ADVICE_AGAIN, true, false, 50, 0, 40 * SEC},
        {"anthropic", "529 Overloaded\r\n" JSON "x-should-retry: true", -1, ADVICE_AGAIN, false,
         false, 0, 0, -1},
        {"anthropic", "401 Unauthorized\r\n" JSON "x-should-retry: false", -1, ADVICE_NOT_AGAIN,
         false, true, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, github)
{
    static const struct answer_case cases[] = {
        {"github",
         "200 OK\r\n" JSON "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4987\r\n"
         "X-RateLimit-Reset: 1795711667\r\nX-RateLimit-Used: 13\r\nX-RateLimit-Resource: core",
         -1, ADVICE_NO_WORD, false, false, 5000, 4987, 3600 * SEC},
        {"github",
         "403 rate limit exceeded\r\n" JSON "X-RateLimit-Limit: 60\r\n"
         "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1795708127\r\nX-RateLimit-Resource: core",
         60 * SEC, ADVICE_NO_WORD, true, false, 60, 0, 60 * SEC},
        {"github",
         "403 Forbidden\r\n" JSON "Retry-After: 60\r\nX-RateLimit-Limit: 5000\r\n"
         "X-RateLimit-Remaining: 4000\r\nX-RateLimit-Reset: 1795711667",
         60 * SEC, ADVICE_NO_WORD, true, false, 5000, 4000, 3600 * SEC},
        {"github",
         "403 Forbidden\r\n" JSON "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4000\r\n"
         "X-RateLimit-Reset: 1795711667",
         -1, ADVICE_NO_WORD, false, false, 5000, 4000, 3600 * SEC}, /* it may not do that */
        {"github",
         "200 OK\r\n" JSON "X-RateLimit-Limit: 30\r\nX-RateLimit-Remaining: 0\r\n"
         "X-RateLimit-Reset: 1795708127\r\nX-RateLimit-Resource: search",
         -1, ADVICE_NO_WORD, false, false, 30, 0, 60 * SEC},
        {"github", "401 Unauthorized\r\n" JSON "X-GitHub-Request-Id: a:b", -1, ADVICE_NO_WORD,
         false, true, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, payments)
{
    static const struct answer_case cases[] = {
        {"stripe",
         "409 Conflict\r\n" JSON "Request-Id: req_1\r\nStripe-Should-Retry: true\r\n"
         "Idempotency-Key: k",
         -1, ADVICE_AGAIN, false, false, 0, 0, -1},
        {"stripe", "402 Payment Required\r\n" JSON "Stripe-Should-Retry: false", -1,
         ADVICE_NOT_AGAIN, false, false, 0, 0, -1},
        {"stripe",
         "429 Too Many Requests\r\n" JSON "Stripe-Rate-Limited-Reason: global-rate\r\n"
         "Retry-After: 1",
         SEC, ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"stripe", "401 Unauthorized\r\n" JSON "Request-Id: req_1", -1, ADVICE_NO_WORD, false, true,
         0, 0, -1},
        {"square", "429 Too Many Requests\r\n" JSON "Retry-After: 5", 5 * SEC, ADVICE_NO_WORD, true,
         false, 0, 0, -1},
        {"paypal", "429 Too Many Requests\r\n" JSON "Paypal-Debug-Id: d", -1, ADVICE_NO_WORD, true,
         false, 0, 0, -1},
        {"paypal", "401 Unauthorized\r\n" JSON "Paypal-Debug-Id: d", -1, ADVICE_NO_WORD, false,
         true, 0, 0, -1},
        {"adyen", "422 Unprocessable Entity\r\n" JSON "transient-error: true\r\npspReference: p",
         -1, ADVICE_AGAIN, false, false, 0, 0, -1},
        {"adyen", "422 Unprocessable Entity\r\n" JSON "pspReference: p", -1, ADVICE_NO_WORD, false,
         false, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, bedrock_and_resend)
{
    static const struct answer_case cases[] = {
        {"bedrock",
         "429 Too Many Requests\r\n" JSON "x-amzn-RequestId: a\r\n"
         "x-amzn-ErrorType: ThrottlingException:http://internal.amazon.com/coral/x/",
         -1, ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"bedrock", "400 Bad Request\r\n" JSON "x-amzn-ErrorType: ThrottlingException", -1,
         ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"bedrock", "400 Bad Request\r\n" JSON "x-amzn-ErrorType: ValidationException:http://x/",
         -1, ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"bedrock",
         "503 Service Unavailable\r\n" JSON "x-amzn-ErrorType: ServiceUnavailableException", -1,
         ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"bedrock", "403 Forbidden\r\n" JSON "x-amzn-ErrorType: UnrecognizedClientException", -1,
         ADVICE_NO_WORD, false, true, 0, 0, -1},
        {"bedrock", "403 Forbidden\r\n" JSON "x-amzn-ErrorType: AccessDeniedException:", -1,
         ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"resend",
         "429 Too Many Requests\r\n" JSON "ratelimit-limit: 2\r\nratelimit-remaining: 0\r\n"
         "ratelimit-reset: 1\r\nretry-after: 1",
         SEC, ADVICE_NO_WORD, true, false, 2, 0, SEC},
        {"http", "503 Service Unavailable\r\n" JSON "Retry-After: Thu, 26 Nov 2026 15:48:17 GMT",
         30 * SEC, ADVICE_NO_WORD, false, false, 0, 0, -1},
        {"http", "401 Unauthorized\r\n" JSON "X: y", -1, ADVICE_NO_WORD, false, false, 0, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, groq_cerebras_and_openrouter)
{
    static const struct answer_case cases[] = {
        {"groq",
         "200 OK\r\n" JSON
         "x-ratelimit-limit-requests: 14400\r\nx-ratelimit-limit-tokens: 18000\r\n"
         "x-ratelimit-remaining-requests: 14370\r\nx-ratelimit-remaining-tokens: 9000\r\n"
         "x-ratelimit-reset-requests: 2m59.56s\r\nx-ratelimit-reset-tokens: 7.66s",
         -1, ADVICE_NO_WORD, false, false, 18000, 9000, 7660 * MSEC},
        {"groq", "429 Too Many Requests\r\n" JSON "retry-after: 7\r\nx-should-retry: false",
         7 * SEC, ADVICE_NOT_AGAIN, true, false, 0, 0, -1},
        {"groq", "498 Capacity\r\n" JSON "x-request-id: r", -1, ADVICE_NO_WORD, true, false, 0, 0,
         -1},
        {"cerebras",
         "200 OK\r\n" JSON "x-ratelimit-limit-requests-day: 14400\r\n"
         "x-ratelimit-remaining-requests-day: 14000\r\nx-ratelimit-reset-requests-day: "
         "33011.382867\r\n"
         "x-ratelimit-limit-tokens-minute: 60000\r\nx-ratelimit-remaining-tokens-minute: 100\r\n"
         "x-ratelimit-reset-tokens-minute: 11.5",
         -1, ADVICE_NO_WORD, false, false, 60000, 100, 11500 * MSEC},
        {"openrouter",
         "429 Too Many Requests\r\n" JSON "X-RateLimit-Limit: 20\r\nX-RateLimit-Remaining: 0\r\n"
         "X-RateLimit-Reset: 1795708097000",
         30 * SEC, ADVICE_NO_WORD, true, false, 20, 0, 30 * SEC},
    };
    expect_answers(cases, COUNT_OF(cases));
}

Test(profile_advice, tools_that_teams_work_with)
{
    static const struct answer_case cases[] = {
        {"notion", "529 Overloaded\r\n" JSON "retry-after: 3", 3 * SEC, ADVICE_NO_WORD, true, false,
         0, 0, -1},
        {"hubspot",
         "477 Migration\r\n" JSON "retry-after: 10\r\nx-hubspot-ratelimit-max: 100\r\n"
         "x-hubspot-ratelimit-remaining: 40\r\nx-hubspot-ratelimit-daily: 250000\r\n"
         "x-hubspot-ratelimit-daily-remaining: 240000",
         10 * SEC, ADVICE_NO_WORD, true, false, 100, 40, -1},
        {"linear",
         "400 Bad Request\r\n" JSON "x-ratelimit-requests-limit: 1500\r\n"
         "x-ratelimit-requests-remaining: 0\r\nx-ratelimit-requests-reset: 1795708127000",
         60 * SEC, ADVICE_NO_WORD, true, false, 1500, 0, 60 * SEC},
        {"linear",
         "400 Bad Request\r\n" JSON "x-ratelimit-requests-limit: 1500\r\n"
         "x-ratelimit-requests-remaining: 1499\r\nx-ratelimit-requests-reset: 1795708127000",
         -1, ADVICE_NO_WORD, false, false, 1500, 1499, 60 * SEC},
        {"okta",
         "429 Too Many Requests\r\n" JSON "x-rate-limit-limit: 600\r\nx-rate-limit-remaining: 0\r\n"
         "x-rate-limit-reset: 1795708097",
         30 * SEC, ADVICE_NO_WORD, true, false, 600, 0, 30 * SEC},
        {"auth0",
         "429 Too Many Requests\r\n" JSON "x-ratelimit-limit: 50\r\nx-ratelimit-remaining: 0\r\n"
         "x-ratelimit-reset: 1795708072",
         5 * SEC, ADVICE_NO_WORD, true, false, 50, 0, 5 * SEC},
        {"microsoft-graph",
         "429 Too Many Requests\r\n" JSON "Retry-After: 31\r\nRateLimit-Limit: 1200\r\n"
         "RateLimit-Remaining: 0\r\nRateLimit-Reset: 29",
         31 * SEC, ADVICE_NO_WORD, true, false, 1200, 0, 29 * SEC},
        {"sentry",
         "429 Too Many Requests\r\n" JSON "Retry-After: 60\r\n"
         "X-Sentry-Rate-Limits: 60:error:organization",
         60 * SEC, ADVICE_NO_WORD, true, false, 0, 0, -1},
        {"sentry",
         "200 OK\r\n" JSON "X-Sentry-Rate-Limit-Limit: 40\r\nX-Sentry-Rate-Limit-Remaining: 39\r\n"
         "X-Sentry-Rate-Limit-Reset: 1795708068",
         -1, ADVICE_NO_WORD, false, false, 40, 39, SEC},
        {"discord",
         "429 Too Many Requests\r\n" JSON "retry-after: 64.57\r\nx-ratelimit-limit: 5\r\n"
         "x-ratelimit-remaining: 0\r\nx-ratelimit-reset-after: 64.57",
         64570 * MSEC, ADVICE_NO_WORD, true, false, 5, 0, 64570 * MSEC},
        {"gitlab",
         "200 OK\r\n" JSON "RateLimit-Limit: 60\r\nRateLimit-Remaining: 59\r\n"
         "RateLimit-Reset: 1795708097",
         -1, ADVICE_NO_WORD, false, false, 60, 59, 30 * SEC},
        {"jira",
         "429 Too Many Requests\r\n" JSON "Retry-After: 5\r\nX-RateLimit-Limit: 100\r\n"
         "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 2026-11-26T15:48:17Z",
         5 * SEC, ADVICE_NO_WORD, true, false, 100, 0, 30 * SEC},
        {"intercom",
         "429 Too Many Requests\r\n" JSON "x-ratelimit-limit: 83\r\nx-ratelimit-remaining: 0\r\n"
         "x-ratelimit-reset: 1795708077",
         10 * SEC, ADVICE_NO_WORD, true, false, 83, 0, 10 * SEC},
        {"datadog",
         "429 Too Many Requests\r\n" JSON "x-ratelimit-limit: 300\r\nx-ratelimit-remaining: 0\r\n"
         "x-ratelimit-reset: 25",
         25 * SEC, ADVICE_NO_WORD, true, false, 300, 0, 25 * SEC},
        {"slack", "429 Too Many Requests\r\n" JSON "Retry-After: 30", 30 * SEC, ADVICE_NO_WORD,
         true, false, 0, 0, -1},
        {"cloudinary",
         "420 Rate Limited\r\n" JSON "X-FeatureRateLimit-Limit: 500\r\n"
         "X-FeatureRateLimit-Remaining: 0",
         -1, ADVICE_NO_WORD, true, false, 500, 0, -1},
    };
    expect_answers(cases, COUNT_OF(cases));
}
