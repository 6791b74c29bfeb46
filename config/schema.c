#include "config/schema.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/field_values.h"
#include "config/sections.h"

#include <inttypes.h>

/* "${" is text where another "$" is before it, for that one takes it. */
#define PLACEHOLDER "(^|[^$])\\\\$\\\\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\\\\}"

static const char head[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n"
    "\"title\":\"Sallyport's config\",\n"
    "\"$defs\":{\n"
    "\"placeholder\":{\"type\":\"string\",\"pattern\":\"" PLACEHOLDER "\"},\n"
    "\"text\":{\"type\":[\"string\",\"number\",\"boolean\"],\"minLength\":1},\n"
    "\"name\":{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^" FIELD_NAME_PATTERN "$\"},"
    "{\"$ref\":\"#/$defs/placeholder\"}]}},\n";

static const char or_placeholder[] = ",{\"$ref\":\"#/$defs/placeholder\"}";

static bool is_number(enum field_kind kind)
{
    return kind == FIELD_KIND_UINT || kind == FIELD_KIND_DURATION || kind == FIELD_KIND_SIZE ||
           kind == FIELD_KIND_SHARE;
}

static enum status put(struct buffer *out, const char *text)
{
    return buffer_append(out, slice_from(text));
}

static enum status put_string(struct buffer *out, const char *text)
{
    return encode_json_string(slice_from(text), out);
}

/* A number without a unit, as YAML and JSON know it. */
static enum status put_bare_number(const struct field *field, struct buffer *out)
{
    TRY(buffer_print(out, "{\"type\":\"integer\",\"minimum\":%" PRId64, field->min));
    if (field->max < INT64_MAX) {
        TRY(buffer_print(out, ",\"maximum\":%" PRId64, field->max));
    }
    return put(out, "}");
}

static enum status put_pattern(const char *pattern, struct buffer *out)
{
    CLEANUP(buffer_fini) struct buffer whole;
    buffer_init(&whole, 1024);
    TRY(buffer_print(&whole, "^(%s)$", pattern));
    TRY(put(out, "{\"type\":\"string\",\"pattern\":"));
    TRY(encode_json_string(buffer_bytes(&whole), out));
    return put(out, "}");
}

static enum status put_number(const struct field *field, struct buffer *out)
{
    if (field->kind == FIELD_KIND_UINT) {
        TRY(put_bare_number(field, out));
        TRY(put(out, ","));
    }
    return put_pattern(FIELD_NUMBER_PATTERN(field->kind), out);
}

static enum status put_enum(const struct field *field, struct buffer *out)
{
    TRY(put(out, "{\"enum\":["));
    for (unsigned i = 0; field->names[i] != NULL; i++) {
        TRY(put(out, i > 0 ? "," : ""));
        TRY(put_string(out, field->names[i]));
    }
    return put(out, "]}");
}

static enum status put_text(const struct field *field, struct buffer *out)
{
    if (field->pattern == NULL) {
        return put(out, "{\"$ref\":\"#/$defs/text\"}");
    }
    if (field->max > 0) {
        TRY(put_bare_number(field, out));
        TRY(put(out, ","));
    }
    return put_pattern(field->pattern, out);
}

/* What a single value, or each of a list or map of such, may be: alternatives with commas. */
static enum status put_scalar(const struct field *field, struct buffer *out)
{
    if (field->kind == FIELD_KIND_BOOL) {
        TRY(put(out, "{\"enum\":[true,false,\"true\",\"false\"]}"));
    } else if (field->kind == FIELD_KIND_ENUM) {
        TRY(put_enum(field, out));
    } else if (is_number(field->kind)) {
        TRY(put_number(field, out));
    } else {
        TRY(put_text(field, out));
    }
    return put(out, or_placeholder);
}

static enum status put_map(const struct field *fields, struct buffer *out);

/* NOLINTNEXTLINE(misc-no-recursion) */
static enum status put_texts(const struct field *field, struct buffer *out)
{
    bool is_map = field->kind == FIELD_KIND_TEXT_MAP;
    TRY(put(out, is_map ? "{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":["
                        : "{\"type\":\"array\",\"items\":{\"anyOf\":["));
    TRY(put_scalar(field, out));
    if (field->section != NULL) {
        TRY(put(out, ",{"));
        TRY(put_map(field->section, out));
        TRY(put(out, "}"));
    }
    TRY(put(out, "]}},{\"type\":\"null\"}"));
    if (field->lone) {
        TRY(put(out, ","));
        TRY(put_scalar(field, out));
    }
    return STATUS_OK;
}

static bool has_required(const struct field *fields)
{
    bool found = false;
    for (; fields->name != NULL && !found; fields++) {
        found = fields->required;
    }
    return found;
}

/* Its map, or nothing where no key is required. NOLINTNEXTLINE(misc-no-recursion) */
static enum status put_section(const struct field *field, struct buffer *out)
{
    TRY(put(out, "{"));
    TRY(put_map(field->section, out));
    return put(out, has_required(field->section) ? "}" : "},{\"type\":\"null\"}");
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static enum status put_sections(const struct field *field, struct buffer *out)
{
    if (field->kind == FIELD_KIND_SECTION || field->lone) {
        TRY(put_section(field, out));
    }
    if (field->kind == FIELD_KIND_SECTION) {
        return STATUS_OK;
    }
    TRY(put(out, field->lone ? "," : ""));
    TRY(put(out, field->kind == FIELD_KIND_LIST
                     ? "{\"type\":\"array\",\"items\":{\"anyOf\":["
                     : "{\"type\":\"object\",\"propertyNames\":{\"$ref\":\"#/$defs/name\"},"
                       "\"additionalProperties\":{\"anyOf\":["));
    TRY(put_section(field, out));
    return put(out, "]}},{\"type\":\"null\"}");
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static enum status put_value(const struct field *field, struct buffer *out)
{
    TRY(put(out, "\"anyOf\":["));
    if (field->kind == FIELD_KIND_TEXTS || field->kind == FIELD_KIND_TEXT_MAP) {
        TRY(put_texts(field, out));
    } else if (field->section != NULL) {
        TRY(put_sections(field, out));
    } else {
        TRY(put_scalar(field, out));
    }
    if (field->word != NULL) {
        TRY(put(out, ",{\"const\":"));
        TRY(put_string(out, field->word));
        TRY(put(out, "}"));
        TRY(put(out, field->section != NULL ? or_placeholder : ""));
    }
    return put(out, "]");
}

static enum status put_description(const struct field *field, struct buffer *out)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, 4096);
    TRY(put(&text, field->help));
    if (is_number(field->kind) && field->min < field->max) {
        TRY(buffer_print(&text, " From %s to %s.", FIELD_NUMBER(field->kind, field->min),
                         FIELD_NUMBER(field->kind, field->max)));
    }
    if (field->fallback_text != NULL) {
        TRY(buffer_print(&text, " Default: %s.", field->fallback_text));
    }
    if (field->example != NULL) {
        TRY(buffer_print(&text, " Example: `%s`.", field->example));
    }
    TRY(put(out, "\"description\":"));
    TRY(encode_json_string(buffer_bytes(&text), out));
    return put(out, ",");
}

/* Of numbers, booleans and strings; what stands for another value is in the description only. */
static enum status put_default(const struct field *field, struct buffer *out)
{
    if (field->required) {
        return STATUS_OK;
    }
    if (field->kind == FIELD_KIND_BOOL) {
        return buffer_print(out, "\"default\":%s,", field->fallback != 0 ? "true" : "false");
    }
    if (is_number(field->kind) && field->fallback == 0 && field->word != NULL) {
        return buffer_print(out, "\"default\":\"%s\",", field->word);
    }
    if (field->kind == FIELD_KIND_UINT) {
        return buffer_print(out, "\"default\":%" PRId64 ",", field->fallback);
    }
    if (is_number(field->kind)) {
        return buffer_print(out, "\"default\":\"%s\",", FIELD_NUMBER(field->kind, field->fallback));
    }
    for (unsigned i = 0; field->kind == FIELD_KIND_ENUM && field->names[i] != NULL; i++) {
        if (i == field->fallback) {
            return buffer_print(out, "\"default\":\"%s\",", field->names[i]);
        }
    }
    return STATUS_OK;
}

static enum status put_required(const struct field *fields, struct buffer *out)
{
    unsigned count = 0;
    for (; fields->name != NULL; fields++) {
        if (fields->required) {
            TRY(put(out, count++ == 0 ? ",\"required\":[" : ","));
            TRY(put_string(out, fields->name));
        }
    }
    return put(out, count > 0 ? "]" : "");
}

/* The members of a schema for a map with these keys and no others. Sections lie in each other, at
 * most four levels deep. NOLINTNEXTLINE(misc-no-recursion) */
static enum status put_map(const struct field *fields, struct buffer *out)
{
    TRY(put(out, "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"));
    for (const struct field *field = fields; field->name != NULL; field++) {
        TRY(put(out, field == fields ? "\n" : ",\n"));
        TRY(put_string(out, field->name));
        TRY(put(out, ":{"));
        TRY(put_description(field, out));
        TRY(put_default(field, out));
        TRY(put_value(field, out));
        TRY(put(out, "}"));
    }
    TRY(put(out, "}"));
    return put_required(fields, out);
}

enum status schema_write(struct buffer *out)
{
    TRY(put(out, head));
    TRY(put_map(config_fields, out));
    return put(out, "}\n");
}
