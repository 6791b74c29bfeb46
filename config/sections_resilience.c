#include "config/sections.h"

#define HOUR (3600 * SEC)

/* One table fills the policy and what stands beside it. */
_Static_assert(offsetof(struct retry_section, policy) == 0, "retry_fields count on it");

/* clang-format off */
static const char *const jitters[] = {
    [RETRY_JITTER_FULL] = "full",
    [RETRY_JITTER_NONE] = "none",
    NULL,
};

const struct field retry_fields[] = {
    FIELD_UINT(struct retry_policy, attempts, .min = 1, .max = RETRY_ATTEMPTS_MAX, .fallback = 3,
        .help = "Attempts in all, the first included."),
    FIELD_DURATION(struct retry_policy, base, .min = MSEC, .max = HOUR, .fallback = 250 * MSEC,
        .help = "The wait before the second attempt; at most `cap`."),
    FIELD_UINT(struct retry_policy, factor, .min = 1, .max = RETRY_FACTOR_MAX, .fallback = 2,
        .help = "Each further wait is so many times the one before."),
    FIELD_DURATION(struct retry_policy, cap, .min = MSEC, .max = HOUR, .fallback = 8 * SEC,
        .help = "No wait is longer, but for one that the provider asks for (up to 30 s)."),
    FIELD_ENUM(struct retry_policy, jitter, .names = jitters, .fallback = RETRY_JITTER_FULL, .fallback_text = "full",
        .help = "`full`: each wait is random, from nothing to what it would be, so that callers do not "
                "come back all at once. `none`: as computed."),
    FIELD_TEXTS(struct retry_section, statuses, .fallback_text = "[408, 429, 500, 502, 503, 504]",
        .example = "[429, 503]", .pattern = "[45][0-9][0-9]", .min = 400, .max = 599,
        .help = "Answers that are tried again at all, 400 to 599."),
    FIELD_SHARE(struct retry_policy, budget, .min = 0, .max = 100, .fallback = 20,
        .help = "Retries in percent of first attempts, so that they do not pile on an upstream that "
                "fails; 3 a minute are given at least, 20 are saved at most."),
    FIELD_SIZE(struct retry_policy, buffer, .min = 0, .max = (int64_t)32 * 1024 * 1024,
        .fallback = (int64_t)1024 * 1024,
        .help = "Request bodies up to this size are held until they are whole, and can be sent again; "
                "longer ones stream, and are sent once. 64KiB where nothing could be sent again "
                "(`attempts: 1` and no `fallback`)."),
    FIELD_END,
};

const struct field breaker_fields[] = {
    FIELD_DURATION(struct breaker_policy, window, .min = SEC, .max = HOUR, .fallback = 30 * SEC,
        .help = "The time that rates are counted over."),
    FIELD_UINT(struct breaker_policy, min_requests, .min = 1, .max = 1000000, .fallback = 20,
        .help = "Calls in the window before a rate says anything."),
    FIELD_SHARE(struct breaker_policy, failure_rate, .min = 1, .max = 100, .fallback = 50,
        .help = "Opens when so many of the calls fail: 5xx, no answer in time, a broken one."),
    FIELD_UINT(struct breaker_policy, consecutive, .min = 1, .max = 1000, .fallback = 5,
        .help = "Opens after so many failed connects in a row."),
    FIELD_DURATION(struct breaker_policy, open, .min = 10 * MSEC, .max = 24 * HOUR, .fallback = 5 * SEC,
        .help = "How long it stays open, ±20 %; doubled each time that the probes fail."),
    FIELD_DURATION(struct breaker_policy, max_open, .min = 10 * MSEC, .max = 24 * HOUR, .fallback = 120 * SEC,
        .help = "How long at most."),
    FIELD_UINT(struct breaker_policy, probes, .min = 1, .max = 100, .fallback = 3,
        .help = "Calls that have to succeed before it is closed again, and may run at once."),
    FIELD_DURATION(struct breaker_policy, slow, .min = MSEC, .max = HOUR, .fallback = 0, .word = "off",
        .help = "A call is slow that takes longer to its answer's head."),
    FIELD_SHARE(struct breaker_policy, slow_rate, .min = 1, .max = 100, .fallback = 100,
        .help = "Opens when so many of the calls are slow. Only with `slow`."),
    FIELD_END,
};

const struct field hedge_fields[] = {
    FIELD_DURATION(struct hedge_section, after, .min = MSEC, .max = HOUR, .required = true,
        .help = "How long the first attempt is waited for."),
    FIELD_END,
};

const struct field health_fields[] = {
    FIELD_TEXT(struct health_section, path, .fallback_text = "the profile's", .example = "/health",
        .help = "What is called with GET, behind the base URL's path."),
    FIELD_DURATION(struct health_section, every, .min = 100 * MSEC, .max = HOUR, .fallback = 10 * SEC,
        .help = "How often."),
    FIELD_END,
};
/* clang-format on */
