/* sections_otlp: the keys of `otlp`; see sections.h. */
#include "config/sections.h"

static const char *const switches[] = {
    [OTLP_OFF] = "off",
    [OTLP_ON] = "on",
    NULL,
};

/* clang-format off */
const struct field otlp_header_fields[] = {
    FIELD_TEXT(struct otlp_header_section, secret, .required = true, .example = "collector-key",
        LIKE_A_SECRET,
        .help = "The name of a secret that is put into the header."),
    FIELD_TEXT(struct otlp_header_section, value, .fallback_text = "{secret}", .example = "Bearer {secret}",
        .help = "The header's value; `{secret}` stands for the secret."),
    FIELD_END,
};

const struct field otlp_fields[] = {
    FIELD_TEXT(struct otlp_section, url, .required = true, .example = "http://collector:4318",
        .help = "The collector's address; `/v1/traces` and `/v1/metrics` are put behind it. Its host need not "
                "be in `egress`; the environment's proxy is not used."),
    FIELD_TEXT_MAP(struct otlp_section, headers, .section = otlp_header_fields,
        .example = "{Authorization: {secret: collector-key}}",
        .help = "What is sent with each request: texts, or secrets by their names."),
    FIELD_ENUM(struct otlp_section, traces, .names = switches, .fallback = OTLP_ON, .fallback_text = "on",
        .help = "A span for each request, and one for its call upstream."),
    FIELD_ENUM(struct otlp_section, metrics, .names = switches, .fallback = OTLP_ON, .fallback_text = "on",
        .help = "The figures that `/metrics` has."),
    FIELD_SHARE(struct otlp_section, sample, .min = 0, .max = 100, .fallback = 100,
        .help = "How many of the traces that begin here are sent, chosen by their ids. Where a caller's "
                "`traceparent` says whether it is recorded, that counts."),
    FIELD_DURATION(struct otlp_section, every, .min = SEC, .max = 3600 * SEC, .fallback = 60 * SEC,
        .help = "How often metrics are sent."),
    FIELD_TEXT(struct otlp_section, service, .fallback_text = DEFAULT_OTLP_SERVICE, .example = "sallyport-eu",
        .help = "The resource's `service.name`."),
    FIELD_END,
};
/* clang-format on */
