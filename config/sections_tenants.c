/* Who may call: tenants, their keys. */
#include "config/sections.h"

/* clang-format off */
#define KEY_TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z"
const struct field tenant_key_fields[] = {
    FIELD_TEXT(struct tenant_key_section, hash, .required = true, .example = "\"sha256:...\"",
        .help = "The key's hash."),
    FIELD_TEXT(struct tenant_key_section, not_before, .fallback_text = "at once", .example = "2026-12-01T00:00:00Z",
        .pattern = KEY_TIME,
        .help = "From when on the key is good: a time in UTC."),
    FIELD_TEXT(struct tenant_key_section, expires, .fallback_text = "never", .example = "2027-03-01T00:00:00Z",
        .pattern = KEY_TIME,
        .help = "Until when it is good. `sallyport check` warns of keys that have expired, or will within 14 days."),
    FIELD_TEXT(struct tenant_key_section, label, .example = "ci, rotated by ops",
        .help = "What you call the key, for `sallyport keys list`; never its text."),
    FIELD_END,
};

const struct field tenant_fields[] = {
    FIELD_TEXTS(struct tenant_section, keys, .required = true, .section = tenant_key_fields,
        .example = "[\"sha256:...\"]",
        .help = "Hashes of the tenant's keys, as `sallyport keys new --tenant NAME` prints them; or maps, for "
                "keys that have a time or a label. Several while keys are changed; none shuts the tenant out."),
    FIELD_TEXTS(struct tenant_section, allow, .fallback_text = "nothing",
        .example = "[openai, \"stripe:GET /v1/*\"]",
        .help = "What it may call: `ROUTE`, or `ROUTE:METHOD PATH` where METHOD may be `*`, a `*` in "
                "PATH is one segment, and a `/*` at its end any rest."),
    FIELD_UINT(struct tenant_section, max_in_flight, .min = 0, .max = 1000000, .fallback = 0,
        .fallback_text = "0, no bound",
        .help = "The most requests of this tenant at once, of this gateway; beyond it 503 `overloaded`."),
    FIELD_LIST(struct tenant_section, quotas, struct quota_section, quota_fields,
        .see = "`quotas[]`", .example = "[{requests: 600, per: 1m}]",
        .help = "Its own limits, next to those over all tenants."),
    FIELD_END,
};
/* clang-format on */
