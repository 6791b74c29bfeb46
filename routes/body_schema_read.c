/* How a schema is read, or put together. */
#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/body_schema.h"
#include "routes/body_schema_state.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, NUMBER_MAX = 64, VALUES_MAX = 256 };

static const struct json_limits limits = {
    .bytes = BODY_SCHEMA_BYTES_MAX, .depth = 4 * DEPTH_MAX, .names = JSON_NAMES_ONCE};

static const struct {
    const char *name;
    unsigned type;
} types[] = {
    {"object", SCHEMA_OBJECT},   {"array", SCHEMA_ARRAY},
    {"string", SCHEMA_STRING},   {"number", SCHEMA_NUMBER | SCHEMA_INTEGER},
    {"integer", SCHEMA_INTEGER}, {"boolean", SCHEMA_BOOLEAN},
    {"null", SCHEMA_NULL},
};

static unsigned find_type(struct slice name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equal(slice_from(types[i].name), name)) {
            return types[i].type;
        }
    }
    return 0;
}

static struct schema_node *new_node(struct arena *arena)
{
    struct schema_node *node = ARENA_NEW(arena, struct schema_node);
    node->types = SCHEMA_ANY;
    node->max_length = UINT64_MAX;
    node->max_items = UINT64_MAX;
    return node;
}

/* The property of that name, a new one if need be. NULL: there is no room. */
static struct schema_property *property_of(struct arena *arena, struct schema_node *node,
                                           const char *name)
{
    if (node->properties == NULL) {
        node->properties = ARENA_ARRAY(arena, struct schema_property, BODY_SCHEMA_PROPERTIES_MAX);
    }
    for (unsigned i = 0; i < node->property_count; i++) {
        if (strcmp(node->properties[i].name, name) == 0) {
            return &node->properties[i];
        }
    }
    if (node->property_count == BODY_SCHEMA_PROPERTIES_MAX) {
        return NULL;
    }
    struct schema_property *property = &node->properties[node->property_count++];
    property->name = arena_copy(arena, slice_from(name)).ptr;
    return property;
}

/* ---- put together ---- */

static enum status reach(struct arena *arena, struct schema_node **root,
                         const struct json_place *place, bool required, struct schema_node **ret,
                         struct error *err)
{
    struct schema_node **at = root;
    for (unsigned i = 0; i < place->depth; i++) {
        if (*at == NULL) {
            *at = new_node(arena);
        }
        struct schema_property *property = property_of(arena, *at, place->path[i]);
        if (property == NULL) {
            FAIL(err, STATUS_INVALID, "more than %d names at one level",
                 BODY_SCHEMA_PROPERTIES_MAX);
        }
        if (required) {
            (*at)->types &= SCHEMA_OBJECT;
            property->required = true;
        }
        at = &property->node;
    }
    if (*at == NULL) {
        *at = new_node(arena);
    }
    *ret = *at;
    return STATUS_OK;
}

enum status body_schema_require(struct arena *arena, struct schema_node **root,
                                const struct json_place *place, struct error *err)
{
    struct schema_node *node;
    return reach(arena, root, place, true, &node, err);
}

enum status body_schema_type(struct arena *arena, struct schema_node **root,
                             const struct json_place *place, struct slice type, struct error *err)
{
    struct schema_node *node;
    unsigned found = find_type(type);
    if (found == 0) {
        FAIL(err, STATUS_INVALID,
             "no type is called \"%.*s\"; write object, array, string, number, integer, boolean or "
             "null",
             SLICE_ARG(type));
    }
    TRY(reach(arena, root, place, false, &node, err));
    node->types = found;
    return STATUS_OK;
}

/* ---- read ---- */

struct reader {
    struct arena *arena;
    struct error *err;
    unsigned depth;
};

static enum status read_node(struct reader *reader, const struct cJSON *json,
                             struct schema_node **ret);

static enum status wrong(const struct reader *reader, const char *keyword, const char *wanted)
{
    FAIL(reader->err, STATUS_INVALID, "\"%s\" is %s", keyword, wanted);
}

static bool read_double(const struct cJSON *json, double *ret)
{
    struct buffer text CLEANUP(buffer_fini);
    char copy[NUMBER_MAX] = "";
    char *end = NULL;
    buffer_init(&text, sizeof(copy) - 1);
    if (json_write(json, &text) != STATUS_OK || buffer_len(&text) == 0) {
        return false;
    }
    memcpy(copy, buffer_bytes(&text).ptr, buffer_len(&text));
    *ret = strtod(copy, &end);
    return end != copy && *end == '\0'; /* a string begins with a quote, and so on */
}

static enum status read_type(struct reader *reader, const struct cJSON *json,
                             struct schema_node *node)
{
    struct slice name;
    unsigned all = 0;
    const struct cJSON *item = json_is_array(json) ? json_first(json) : json;
    for (; item != NULL; item = json_is_array(json) ? json_next(item) : NULL) {
        unsigned type = json_string(item, &name) ? find_type(name) : 0;
        if (type == 0) {
            return wrong(reader, "type", "a name of a type, or a list of such");
        }
        all |= type;
    }
    node->types = all;
    return all == 0 ? wrong(reader, "type", "a name of a type, or a list of such") : STATUS_OK;
}

static bool read_value(struct arena *arena, const struct cJSON *json, struct schema_value *ret)
{
    bool truth = false;
    struct slice text;
    if (json_string(json, &text)) {
        *ret = (struct schema_value){.type = SCHEMA_STRING, .text = arena_copy(arena, text)};
        return text.len <= JSON_SCAN_TEXT;
    }
    if (json_bool(json, &truth)) {
        *ret = (struct schema_value){.type = SCHEMA_BOOLEAN,
                                     .text = truth ? SLICE("true") : SLICE("false")};
        return true;
    }
    if (read_double(json, &ret->number)) {
        ret->type = SCHEMA_NUMBER;
        return true;
    }
    ret->type = SCHEMA_NULL;
    return !json_is_array(json) && !json_is_object(json);
}

static enum status read_values(struct reader *reader, const struct cJSON *list,
                               struct schema_node *node)
{
    unsigned count = json_count(list);
    struct schema_value *values = ARENA_ARRAY(reader->arena, struct schema_value, count + 1);
    const struct cJSON *item = json_is_array(list) ? json_first(list) : NULL;
    if (count == 0 || count > VALUES_MAX || item == NULL) {
        return wrong(reader, "enum", "a list of 1 to 256 values");
    }
    for (unsigned i = 0; i < count; i++, item = json_next(item)) {
        if (!read_value(reader->arena, item, &values[i])) {
            return wrong(reader, "enum", "of texts up to 256 bytes, numbers, true, false and null");
        }
    }
    node->values = values;
    node->value_count = count;
    return STATUS_OK;
}

static enum status read_const(struct reader *reader, const struct cJSON *json,
                              struct schema_node *node)
{
    struct schema_value *value = ARENA_NEW(reader->arena, struct schema_value);
    if (!read_value(reader->arena, json, value)) {
        return wrong(reader, "const", "a text up to 256 bytes, a number, true, false or null");
    }
    node->values = value;
    node->value_count = 1;
    return STATUS_OK;
}

static enum status read_required(struct reader *reader, const struct cJSON *list,
                                 struct schema_node *node)
{
    struct slice name;
    if (!json_is_array(list)) {
        return wrong(reader, "required", "a list of names");
    }
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct schema_property *property =
            json_string(item, &name) ? property_of(reader->arena, node, name.ptr) : NULL;
        if (property == NULL) {
            return wrong(reader, "required", "a list of names; up to 64 with \"properties\"");
        }
        property->required = true;
    }
    return STATUS_OK;
}

static enum status read_properties(struct reader *reader, const struct cJSON *map,
                                   struct schema_node *node)
{
    if (!json_is_object(map)) {
        return wrong(reader, "properties", "an object of schemas");
    }
    for (const struct cJSON *item = json_first(map); item != NULL; item = json_next(item)) {
        struct schema_property *property = property_of(reader->arena, node, json_name(item));
        if (property == NULL) {
            return wrong(reader, "properties", "an object of up to 64 schemas");
        }
        TRY(read_node(reader, item, &property->node));
    }
    return STATUS_OK;
}

static enum status read_more(struct reader *reader, const struct cJSON *json,
                             struct schema_node *node)
{
    bool allowed = true;
    struct schema_node *more = NULL;
    if (json_bool(json, &allowed)) {
        node->closed = !allowed;
        return STATUS_OK;
    }
    TRY(read_node(reader, json, &more));
    node->more = more;
    return STATUS_OK;
}

static enum status read_items(struct reader *reader, const struct cJSON *json,
                              struct schema_node *node)
{
    struct schema_node *items = NULL;
    TRY(read_node(reader, json, &items));
    node->items = items;
    return STATUS_OK;
}

static enum status read_minimum(struct reader *reader, const struct cJSON *json,
                                struct schema_node *node)
{
    node->has_minimum = true;
    return read_double(json, &node->minimum) ? STATUS_OK : wrong(reader, "minimum", "a number");
}

static enum status read_above(struct reader *reader, const struct cJSON *json,
                              struct schema_node *node)
{
    node->above_minimum = true;
    return read_minimum(reader, json, node);
}

static enum status read_maximum(struct reader *reader, const struct cJSON *json,
                                struct schema_node *node)
{
    node->has_maximum = true;
    return read_double(json, &node->maximum) ? STATUS_OK : wrong(reader, "maximum", "a number");
}

static enum status read_below(struct reader *reader, const struct cJSON *json,
                              struct schema_node *node)
{
    node->below_maximum = true;
    return read_maximum(reader, json, node);
}

#define READ_COUNT(keyword, member)                                                                \
    static enum status read_##member(struct reader *reader, const struct cJSON *json,              \
                                     struct schema_node *node)                                     \
    {                                                                                              \
        return json_uint(json, &node->member) ? STATUS_OK                                          \
                                              : wrong(reader, keyword, "a whole number");          \
    }
READ_COUNT("minLength", min_length)
READ_COUNT("maxLength", max_length)
READ_COUNT("minItems", min_items)
READ_COUNT("maxItems", max_items)

static enum status read_nothing(struct reader *reader, const struct cJSON *json,
                                struct schema_node *node)
{
    (void)reader;
    (void)json;
    (void)node;
    return STATUS_OK;
}

static const struct {
    const char *name;
    enum status (*read)(struct reader *reader, const struct cJSON *json, struct schema_node *node);
} keywords[] = {
    {"type", read_type},
    {"enum", read_values},
    {"const", read_const},
    {"required", read_required},
    {"properties", read_properties},
    {"additionalProperties", read_more},
    {"items", read_items},
    {"minimum", read_minimum},
    {"maximum", read_maximum},
    {"exclusiveMinimum", read_above},
    {"exclusiveMaximum", read_below},
    {"minLength", read_min_length},
    {"maxLength", read_max_length},
    {"minItems", read_min_items},
    {"maxItems", read_max_items},
    {"$schema", read_nothing},
    {"$id", read_nothing},
    {"$comment", read_nothing},
    {"title", read_nothing},
    {"description", read_nothing},
    {"default", read_nothing},
    {"examples", read_nothing},
    {"deprecated", read_nothing},
};

static enum status read_keyword(struct reader *reader, const struct cJSON *member,
                                struct schema_node *node)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (strcmp(keywords[i].name, json_name(member)) == 0) {
            return keywords[i].read(reader, member, node);
        }
    }
    FAIL(reader->err, STATUS_INVALID, "\"%.40s\" is not supported; take it out", json_name(member));
}

/* Bounded by DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion) */
static enum status read_node(struct reader *reader, const struct cJSON *json,
                             struct schema_node **ret)
{
    bool all = true;
    struct schema_node *node = new_node(reader->arena);
    *ret = node;
    if (json_bool(json, &all)) {
        node->types = all ? SCHEMA_ANY : 0;
        return STATUS_OK;
    }
    if (!json_is_object(json)) {
        FAIL(reader->err, STATUS_INVALID, "a schema is an object, true or false");
    }
    if (++reader->depth > DEPTH_MAX) {
        FAIL(reader->err, STATUS_INVALID, "it is more than %d schemas deep", DEPTH_MAX);
    }
    for (const struct cJSON *item = json_first(json); item != NULL; item = json_next(item)) {
        TRY(read_keyword(reader, item, node));
    }
    reader->depth--;
    return STATUS_OK;
}

enum status body_schema_read(struct arena *arena, struct slice text, const struct schema_node **ret,
                             struct error *err)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct reader reader = {.arena = arena, .err = err};
    struct schema_node *node = NULL;
    TRY(json_parse(text, &limits, &root, err));
    TRY(read_node(&reader, root, &node));
    *ret = node;
    return STATUS_OK;
}
