#include "config/sections.h"

#define HOUR (3600 * SEC)

/* What config/quota_values reads. */
#define COUNT      "0*[1-9][0-9]*[kM]?"
#define MONEY      "[0-9]+([.][0-9]{1,9})? USD"
#define SIZE       "0*[1-9][0-9]*(B|KiB|MiB|GiB|TiB)"
#define SPAN       "[0-9]+(ms|s|m|h|d)|day|week|month"
#define PART       "0*[1-9][0-9]?%"
#define EACH       "tenant|route|ip|header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}"
#define LIKE_COUNT .pattern = COUNT, .min = 1, .max = (int64_t)LIMIT_AMOUNT_MAX

/* clang-format off */
static const struct field store_tls_fields[] = {
    FIELD_FILE(struct client_tls_section, ca, .example = "/etc/ssl/corp-ca.pem",
        .help = "The certificate authorities to trust for `rediss://`, PEM, instead of the system's."),
    FIELD_END,
};

static const char *const failures[] = {
    [STORE_LOCAL] = "local",
    [STORE_DENY] = "deny",
    [STORE_ALLOW] = "allow",
    NULL,
};

const struct field store_fields[] = {
    FIELD_TEXT(struct store_section, url, .fallback_text = "memory:",
        .example = "redis://10.0.0.5:6379/0",
        .help = "`memory:` (of this process alone), `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, "
                "`rediss://` for TLS, or `redis+unix://[[USER]:PASSWORD@]/PATH[?db=N]`. User and password "
                "are percent-encoded; keep them out of the file: `${env:REDIS_URL}`."),
    FIELD_TEXT(struct store_section, name, .fallback_text = DEFAULT_STORE_NAME, .example = DEFAULT_STORE_NAME,
        LIKE_A_NAME,
        .help = "Gateways that share quotas share this name (formed like a route's); the store's keys begin with it."),
    FIELD_DURATION(struct store_section, timeout, .min = MSEC, .max = 10 * SEC, .fallback = 25 * MSEC,
        .help = "How long a request waits for the store; then `on_failure` decides."),
    FIELD_ENUM(struct store_section, on_failure, .names = failures, .fallback = STORE_LOCAL, .fallback_text = "local",
        .help = "Without the store: `local` goes on with this gateway's share of what was left, `deny` "
                "answers 503, `allow` lets all pass uncounted. A quota may say otherwise."),
    FIELD_UINT(struct store_section, gateways, .min = 1, .max = 10000, .fallback = 1,
        .help = "How many gateways share, for `local` where the store could never be asked."),
    FIELD_SECTION(struct store_section, tls, store_tls_fields, .help = "Of `rediss://`; certificates are always verified."),
    FIELD_END,
};

static const char *const actions[] = {[LIMIT_DENY] = "deny", [LIMIT_WARN] = "warn", NULL};

const struct field quota_fields[] = {
    FIELD_TEXT(struct quota_section, name, .fallback_text = "made of the keys below", .example = "rpm",
        LIKE_A_NAME,
        .help = "In headers, errors and metrics (formed like a route's)."),
    FIELD_TEXT(struct quota_section, requests, .example = "600",
        LIKE_COUNT,
        .help = "So many requests (`600`, `2k`, `1M`). One of the five units is required."),
    FIELD_TEXT(struct quota_section, tokens, .example = "2M",
        LIKE_COUNT,
        .help = "So many tokens, input and output, of the calls that the route's profile can count."),
    FIELD_TEXT(struct quota_section, cost, .example = "250 USD",
        .pattern = MONEY,
        .help = "So much money, by the providers' list prices; up to 9 decimals."),
    FIELD_TEXT(struct quota_section, bytes, .example = "10GiB",
        .pattern = SIZE,
        .help = "So many bytes of request and answer bodies."),
    FIELD_TEXT(struct quota_section, concurrency, .example = "10",
        LIKE_COUNT,
        .help = "So many requests at once. Has no `per`."),
    FIELD_TEXT(struct quota_section, per, .example = "1m",
        .pattern = SPAN,
        .help = "`1s` to `1h`, whole seconds: a rate, refilled evenly. `day`, `week` (from Monday), `month` "
                "or a number of days (`7d`, at most `366d`): a window of the calendar in `gateway.time_zone`."),
    FIELD_TEXT(struct quota_section, burst, .fallback_text = "the limit", .example = "100",
        .pattern = COUNT "|" MONEY "|" SIZE, .min = 1, .max = (int64_t)LIMIT_AMOUNT_MAX,
        .help = "Of a rate: the most that may be taken at once, in its unit."),
    FIELD_TEXT(struct quota_section, route, .fallback_text = "any", .example = "openai",
        LIKE_A_NAME,
        .help = "Only requests to this route."),
    FIELD_TEXT(struct quota_section, model, .fallback_text = "any", .example = "\"gpt-4o*\"",
        .help = "Only calls of this model; `*` is any run of characters. Compared exactly, as the request names it."),
    FIELD_TEXT(struct quota_section, each, .fallback_text = "all share one", .example = "tenant",
        .pattern = EACH,
        .help = "Counts each on its own: `tenant`, `route`, `ip` (the peer's address) or `header:NAME` (its "
                "value). At most 10,000 live addresses or values a rule; further ones share one. A tenant's "
                "own quota cannot say `tenant`."),
    FIELD_ENUM(struct quota_section, action, .names = actions, .fallback = LIMIT_DENY, .fallback_text = "deny",
        .help = "`warn` refuses nothing: it only counts, and says so when it is over."),
    FIELD_TEXT(struct quota_section, warn_at, .fallback_text = "never", .example = "80%",
        .pattern = PART,
        .help = "`1%` to `99%`: says once when so much of the limit is used."),
    FIELD_DURATION(struct quota_section, wait, .min = 0, .max = HOUR, .fallback = 0,
        .help = "How long a request is held for room instead of being refused at once."),
    FIELD_ENUM(struct quota_section, on_failure, .names = failures, .fallback = ON_FAILURE_AS_STORE,
        .fallback_text = "store.on_failure", .help = "For this quota, without the store."),
    FIELD_END,
};
/* clang-format on */
