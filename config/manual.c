#include "config/manual.h"

#include "base/buffer.h"
#include "base/field_values.h"
#include "config/sections.h"

#include <stdio.h>

static const char preface[] =
    "# The config\n"
    "\n"
    "<!-- Generated from the tables in config/sections*.c; do not edit.\n"
    "     sallyport check --manual > docs/CONFIG.md -->\n"
    "\n"
    "One YAML file (JSON is YAML, too), or a folder of such. `sallyport check -c FILE` says\n"
    "everything that is wrong with it, with line and column and what to write; `sallyport run\n"
    "-c FILE` serves it, and reads it again when it changes or SIGHUP comes; one with a problem\n"
    "changes nothing. The few keys that need a restart are in [OPERATIONS.md](OPERATIONS.md).\n"
    "\n"
    "Of a folder (`-c DIR`) the files called `*.yaml`, `*.yml` and `*.json` are one config, in "
    "the\n"
    "order of their names; hidden ones and folders below do not count. Sections and maps of\n"
    "names may be spread over files, the lists `secrets` and `quotas` are put behind each other;\n"
    "anything else, and each name, is there once. `version: 1` is in one of them. A relative path\n"
    "starts from the folder.\n"
    "\n"
    "```yaml\n"
    "version: 1\n"
    "gateway:\n"
    "  listen: 127.0.0.1:8080\n"
    "secrets:\n"
    "  - {type: env}                        # openai-key is SALLYPORT_SECRET_OPENAI_KEY\n"
    "routes:\n"
    "  openai:                              # at /openai, to the profile's base URL\n"
    "    credential: {secret: openai-key}\n"
    "tenants:\n"
    "  checkout:\n"
    "    keys: [\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"]\n"
    "    allow: [openai]                    # nothing is allowed by default\n"
    "    quotas:\n"
    "      - {requests: 600, per: 1m, burst: 100}\n"
    "      - {tokens: 100k, per: 1m, route: openai, model: \"gpt-4o*\", wait: 5s}\n"
    "webhooks:\n"
    "  stripe:                              # comes in at /hooks/stripe\n"
    "    secrets: [stripe-hook]\n"
    "    deliver: {to: http://billing.internal/stripe, secret: billing-hook}\n"
    "```\n"
    "\n"
    "## How values are written\n"
    "\n"
    "| kind | form |\n"
    "| --- | --- |\n"
    "| duration | a whole number and its unit: `250ms`, `10s`, `5m`, `1h`, `1d` |\n"
    "| size | a whole number and its unit: `512B`, `64KiB`, `25MiB`, `1GiB` |\n"
    "| count | a whole number: `600`, `2k` (2,000), `1M` (1,000,000) |\n"
    "| money | US dollars, up to 9 decimals: `250 USD`, `0.50 USD` |\n"
    "| share | whole percents: `80%` |\n"
    "| file | a path; a relative one starts from the folder of the config file |\n"
    "| text | any single value; in quotes, if it has `: ` or ` #` in it or begins with a mark |\n"
    "\n"
    "`${env:NAME}` in a value is replaced by that environment variable, `${file:PATH}` by the\n"
    "contents of that file (64 KiB at most, without the newline at its end); several in one "
    "value,\n"
    "too. One that cannot be resolved is a problem. `$${` stands for `${` itself. What was put in "
    "is\n"
    "never shown; messages have the value as it was written. Credentials of providers belong into\n"
    "secrets all the same: only those are taken out of answers.\n"
    "\n"
    "Keys that are not on this page are refused, as are a key given twice, anchors, aliases, "
    "tags,\n"
    "a second document, files above 8 MiB and more than 32 levels.\n";

static const char *kind_text(enum field_kind kind)
{
    switch (kind) {
    case FIELD_KIND_BOOL:
        return "`true` or `false`";
    case FIELD_KIND_UINT:
        return "count";
    case FIELD_KIND_DURATION:
        return "duration";
    case FIELD_KIND_SIZE:
        return "size";
    case FIELD_KIND_SHARE:
        return "share";
    case FIELD_KIND_ENUM:
        return "one of";
    case FIELD_KIND_STRING:
    case FIELD_KIND_TEXT:
        return "text";
    case FIELD_KIND_PATH:
    case FIELD_KIND_FILE:
        return "file";
    case FIELD_KIND_TEXTS:
        return "list of texts";
    case FIELD_KIND_TEXT_MAP:
        return "map of texts";
    case FIELD_KIND_SECTION:
        return "map, below";
    case FIELD_KIND_LIST:
        return "list of maps, below";
    case FIELD_KIND_NAMED:
        return "map of names, below";
    }
    return "";
}

static bool is_number(enum field_kind kind)
{
    return kind == FIELD_KIND_UINT || kind == FIELD_KIND_DURATION || kind == FIELD_KIND_SIZE ||
           kind == FIELD_KIND_SHARE;
}

static enum status write_kind(const struct field *field, struct buffer *out)
{
    if (field->see != NULL) {
        return buffer_print(out, "like %s", field->see);
    }
    bool may_be_lone = field->kind == FIELD_KIND_LIST && field->lone;
    bool texts = field->kind == FIELD_KIND_TEXT_MAP || field->kind == FIELD_KIND_TEXTS;
    bool has_maps = texts && field->section != NULL;
    TRY(buffer_print(out, "%s%s%s", may_be_lone ? "map or " : "", kind_text(field->kind),
                     has_maps ? ", or of maps, below" : ""));
    for (unsigned i = 0; field->kind == FIELD_KIND_ENUM && field->names[i] != NULL; i++) {
        TRY(buffer_print(out, "%s`%s`", i > 0 ? ", " : " ", field->names[i]));
    }
    if (field->word != NULL) {
        TRY(buffer_print(out, ", or `%s`", field->word));
    }
    if (is_number(field->kind) && field->min == field->max) {
        return buffer_print(out, ", %s", FIELD_NUMBER(field->kind, field->min));
    }
    if (is_number(field->kind)) {
        return buffer_print(out, ", %s to %s", FIELD_NUMBER(field->kind, field->min),
                            FIELD_NUMBER(field->kind, field->max));
    }
    return STATUS_OK;
}

static enum status write_default(const struct field *field, struct buffer *out)
{
    if (field->required) {
        return buffer_append(out, SLICE("**required**"));
    }
    if (field->fallback_text != NULL) {
        return buffer_print(out, "`%s`", field->fallback_text);
    }
    if (is_number(field->kind)) {
        return buffer_print(out, "`%s`",
                            field->fallback == 0 && field->word != NULL
                                ? field->word
                                : FIELD_NUMBER(field->kind, field->fallback));
    }
    if (field->kind == FIELD_KIND_BOOL) {
        return buffer_print(out, "`%s`", field->fallback != 0 ? "true" : "false");
    }
    return buffer_append(out, SLICE("–"));
}

static enum status write_row(const struct field *field, struct buffer *out)
{
    TRY(buffer_print(out, "| `%s` | ", field->name));
    TRY(write_kind(field, out));
    TRY(buffer_append(out, SLICE(" | ")));
    TRY(write_default(field, out));
    TRY(buffer_print(out, " | %s", field->help));
    /* What a message would say to write; the numbers' forms are above. */
    if (field->example != NULL && field->section == NULL) {
        TRY(buffer_print(out, " Example: `%s`.", field->example));
    }
    return buffer_append(out, SLICE(" |\n"));
}

struct heading {
    const char *path; /* "" for the top of the file */
    unsigned level;   /* number of '#' */
};

/* How what is in the field is named behind it. */
static const char *inner_name(const struct field *field)
{
    if (field->kind == FIELD_KIND_NAMED || field->kind == FIELD_KIND_TEXT_MAP) {
        return ".NAME";
    }
    bool listed = field->kind == FIELD_KIND_LIST && !field->lone;
    return listed || field->kind == FIELD_KIND_TEXTS ? "[]" : "";
}

/* Sections follow their parent; at most three levels deep. NOLINTNEXTLINE(misc-no-recursion) */
static enum status write_section(const struct field *fields, const struct heading *heading,
                                 struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\n| key | value | default | meaning |\n"
                                 "| --- | --- | --- | --- |\n")));
    for (const struct field *field = fields; field->name != NULL; field++) {
        TRY(write_row(field, out));
    }
    for (const struct field *field = fields; field->name != NULL; field++) {
        if (field->section == NULL || field->see != NULL) {
            continue;
        }
        char path[128];
        (void)snprintf(path, sizeof(path), "%s%s%s%s", heading->path,
                       heading->path[0] != '\0' ? "." : "", field->name, inner_name(field));
        const struct heading next = {path, heading->level < 4 ? heading->level + 1 : 4};
        TRY(buffer_print(out, "\n%.*s %s\n\n%s\n", (int)next.level, "####", path, field->help));
        TRY(write_section(field->section, &next, out));
    }
    return STATUS_OK;
}

enum status manual_write(struct buffer *out)
{
    const struct heading top = {"", 2};
    TRY(buffer_append(out, slice_from(preface)));
    TRY(buffer_append(out, SLICE("\n## Keys\n")));
    return write_section(config_fields, &top, out);
}
