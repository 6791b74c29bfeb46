/* What a route asks of its requests' bodies. */
#include "config/sections.h"

/* clang-format off */
const struct field validate_fields[] = {
    FIELD_TEXT(struct validate_section, method, .fallback_text = "*", .example = "POST",
        .help = "For calls with this method."),
    FIELD_TEXT(struct validate_section, path, .fallback_text = "any", .example = "/v1/chat/completions",
        .help = "For this path behind the route's, as in `allow`, in whatever spelling."),
    FIELD_TEXTS(struct validate_section, content_types, .lone = true, .fallback_text = "any", .example = "[application/json]",
        .help = "What `Content-Type` may be, without its parameters."),
    FIELD_SIZE(struct validate_section, max_body, .min = 0, .max = (int64_t)1 << 40, .fallback = 0,
        .fallback_text = "`gateway.limits.body_bytes`",
        .help = "The largest body; beyond it 413."),
    FIELD_TEXTS(struct validate_section, required, .lone = true, .fallback_text = "none", .example = "[/model, /messages]",
        .help = "Members of a JSON body that have to be there, as JSON Pointers through objects."),
    FIELD_TEXT_MAP(struct validate_section, types, .example = "{/model: string, /messages: array}",
        .help = "What members are, if they are there: `object`, `array`, `string`, `number`, `integer`, `boolean` or `null`."),
    FIELD_FILE(struct validate_section, schema, .example = "chat.schema.json",
        .help = "A JSON Schema for the body, up to 64 KiB: `type`, `required`, `properties`, `additionalProperties`, `items`, "
                "`enum`, `const`, the minima and maxima of numbers, items and lengths (of texts in Unicode code points). Other "
                "keywords but annotations are refused."),
    FIELD_END,
};
/* clang-format on */
