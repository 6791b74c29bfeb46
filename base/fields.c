#include "base/fields.h"

#include "base/field_values.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/nearest.h"

static const struct field *find(const struct field *fields, struct slice name)
{
    for (; fields->name != NULL; fields++) {
        if (slice_equal(slice_from(fields->name), name)) {
            return fields;
        }
    }
    return NULL;
}

static void report_unknown_key(struct problems *problems, const struct tree *node,
                               const struct field *fields)
{
    struct nearest nearest;
    if (problems_leave_out(problems)) {
        return;
    }
    nearest_init(&nearest, node->key->source);
    for (; fields->name != NULL; fields++) {
        nearest_offer(&nearest, fields->name);
    }
    if (nearest.best != NULL) {
        tree_report_key(problems, node, "unknown key; did you mean \"%s\"?", nearest.best);
    } else {
        tree_report_key(problems, node, "unknown key; known here: %s", nearest.known);
    }
}

static const char some_keys[] = "keys below it, indented, or {key: value}";

/* For "write ..." in messages. */
static const char *example_of(const struct field *field)
{
    if (field->example != NULL) {
        return field->example;
    }
    switch (field->kind) {
    case FIELD_KIND_BOOL:
        return "true or false";
    case FIELD_KIND_UINT:
    case FIELD_KIND_DURATION:
    case FIELD_KIND_SIZE:
    case FIELD_KIND_SHARE:
        return field_number_example(field->kind);
    case FIELD_KIND_ENUM:
        return field->names[0];
    case FIELD_KIND_STRING:
    case FIELD_KIND_TEXT:
        return "a text";
    case FIELD_KIND_PATH:
    case FIELD_KIND_FILE:
        return "a file's path";
    case FIELD_KIND_TEXTS:
        return "[one, two]";
    case FIELD_KIND_TEXT_MAP:
        return "{key: value}";
    case FIELD_KIND_SECTION:
        return some_keys;
    case FIELD_KIND_LIST:
        return "[{key: value}]";
    case FIELD_KIND_NAMED:
        return "a name and its keys below it, indented";
    }
    return "";
}

static const char *kind_name(const struct tree *node)
{
    return node->kind == TREE_MAP ? "a map" : node->kind == TREE_LIST ? "a list" : "a single value";
}

/* `word` may stand in its place; NULL: none may. */
static void report_kind(struct problems *problems, const struct tree *node, const char *expected,
                        const char *example, const char *word)
{
    tree_report(problems, node, "expected %s, found %s; write %s%s%s", expected, kind_name(node),
                example, word == NULL ? "" : ", or ", word == NULL ? "" : word);
}

/* Whether `node` is a scalar that says something. */
static bool is_text(struct problems *problems, const struct tree *node, const struct field *field)
{
    if (node->faulty) {
        return false;
    }
    if (node->kind != TREE_SCALAR) {
        report_kind(problems, node, "a single value", example_of(field), NULL);
        return false;
    }
    if (tree_is_null(node) || node->text.len == 0) {
        tree_report(problems, node, "%s; write %s, or take the line out",
                    tree_expanded(node) ? "it stands for an empty value" : "there is no value",
                    example_of(field));
        return false;
    }
    return true;
}

static void read_number(const struct fields_sink *sink, const struct tree *node,
                        const struct field *field, int64_t *value)
{
    struct error err;
    int64_t number;
    if (field->word != NULL && slice_equal(node->text, slice_from(field->word))) {
        *value = 0;
        return;
    }
    if (field_number_parse(field->kind, node->text, &number, &err) != STATUS_OK) {
        tree_report(sink->problems, node, "\"%s\": %s%s%s", QUOTE(node->source), err.message,
                    field->word != NULL ? ", or " : "", field->word != NULL ? field->word : "");
    } else if (number < field->min || number > field->max) {
        tree_report(sink->problems, node, "\"%s\" is too %s; the %s is %s", QUOTE(node->source),
                    number < field->min ? "small" : "large", number < field->min ? "least" : "most",
                    FIELD_NUMBER(field->kind, number < field->min ? field->min : field->max));
    } else {
        *value = number;
    }
}

static void read_bool(const struct fields_sink *sink, const struct tree *node, int64_t *value)
{
    if (slice_equal(node->text, SLICE("true"))) {
        *value = 1;
    } else if (slice_equal(node->text, SLICE("false"))) {
        *value = 0;
    } else {
        tree_report(sink->problems, node, "\"%s\": write true or false", QUOTE(node->source));
    }
}

static void read_enum(const struct fields_sink *sink, const struct tree *node,
                      const struct field *field, int64_t *value)
{
    struct nearest nearest;
    nearest_init(&nearest, node->source);
    for (unsigned i = 0; field->names[i] != NULL; i++) {
        if (slice_equal(node->text, slice_from(field->names[i]))) {
            *value = i;
            return;
        }
        nearest_offer(&nearest, field->names[i]);
    }
    if (nearest.best != NULL) {
        tree_report(sink->problems, node, "\"%s\" is unknown; did you mean \"%s\"?",
                    QUOTE(node->source), nearest.best);
    } else {
        tree_report(sink->problems, node, "\"%s\" is unknown; write one of: %s",
                    QUOTE(node->source), nearest.known);
    }
}

static const char *read_path(const struct fields_sink *sink, const struct tree *node,
                             const struct field *field)
{
    struct error err;
    const char *path = tree_resolve(node->document, node->text, sink->arena);
    if (field->kind == FIELD_KIND_FILE && file_readable(path, &err) != STATUS_OK) {
        /* The resolved path tells more, unless it may hold what must not be shown. */
        tree_report(sink->problems, node, "cannot use the file \"%s\": %s",
                    QUOTE(tree_expanded(node) ? node->source : slice_from(path)), err.message);
    }
    return path;
}

static void store_number(const struct field *field, int64_t value, void *member)
{
    if (field->kind == FIELD_KIND_BOOL) {
        *(bool *)member = value != 0;
    } else if (field->kind == FIELD_KIND_DURATION) {
        *(usec_t *)member = value;
    } else if (field->kind == FIELD_KIND_SIZE) {
        *(uint64_t *)member = (uint64_t)value;
    } else {
        *(unsigned *)member = (unsigned)value;
    }
}

/* `node` is NULL if absent or of no use. */
static void bind_number(const struct fields_sink *sink, const struct tree *node,
                        const struct field *field, void *member)
{
    int64_t value = field->fallback;
    if (node != NULL && field->kind == FIELD_KIND_BOOL) {
        read_bool(sink, node, &value);
    } else if (node != NULL && field->kind == FIELD_KIND_ENUM) {
        read_enum(sink, node, field, &value);
    } else if (node != NULL) {
        read_number(sink, node, field, &value);
    }
    store_number(field, value, member);
}

static const char *container_name(const struct field *field)
{
    bool is_map = field->kind == FIELD_KIND_TEXT_MAP || field->kind == FIELD_KIND_NAMED;
    bool is_lone = field->kind == FIELD_KIND_LIST && field->lone;
    return is_map ? "a map" : is_lone ? "a map, or a list of such" : "a list";
}

/* Whether `node` is there, and is the list or map that it should be. */
static bool is_container(struct problems *problems, const struct tree *node, enum tree_kind wanted,
                         const struct field *field)
{
    if (node == NULL || node->faulty || tree_is_null(node)) {
        return false;
    }
    if (node->kind != wanted) {
        report_kind(problems, node, container_name(field), example_of(field), field->word);
    }
    return node->kind == wanted;
}

/* A list or map of scalars. Items that are none are reported and stay, marked as faulty: the
 * document is ours alone while it is bound. */
static void bind_texts(const struct fields_sink *sink, const struct tree *node,
                       const struct field *field, void *member)
{
    enum tree_kind wanted = field->kind == FIELD_KIND_TEXT_MAP ? TREE_MAP : TREE_LIST;
    *(const struct tree **)member = NULL;
    if (node != NULL && field->lone && node->kind == TREE_SCALAR && !tree_is_null(node)) {
        if (is_text(sink->problems, node, field)) {
            *(const struct tree **)member = node;
        }
        return;
    }
    if (!is_container(sink->problems, node, wanted, field)) {
        return;
    }
    for (unsigned i = 0; i < node->count; i++) {
        struct tree *item = node->items[i];
        bool is_section = field->section != NULL && item->kind == TREE_MAP;
        if (!is_section && !is_text(sink->problems, item, field)) {
            item->faulty = true;
        }
    }
    *(const struct tree **)member = node;
}

static bool is_word(const struct tree *node, const struct field *field)
{
    return node != NULL && field->word != NULL && node->kind == TREE_SCALAR &&
           slice_equal(node->text, slice_from(field->word));
}

static void bind_section(const struct fields_sink *sink, const struct tree *node,
                         const struct field *field, void *member)
{
    if (is_word(node, field)) {
        fields_bind(sink, NULL, field->section, member);
        *(bool *)((char *)member + field->word_offset) = true;
        return;
    }
    if (node != NULL && node->kind != TREE_MAP && !node->faulty && !tree_is_null(node)) {
        bool is_item = field->kind != FIELD_KIND_SECTION;
        report_kind(sink->problems, node, "a map", is_item ? some_keys : example_of(field),
                    is_item ? NULL : field->word);
        node = NULL;
    }
    fields_bind(sink, node, field->section, member);
}

/* A list or map of sections, or what may stand in its place: a word, or one of them alone. */
static void bind_items(const struct fields_sink *sink, const struct tree *node,
                       const struct field *field, void *member)
{
    struct field_items *array = member;
    enum tree_kind wanted = field->kind == FIELD_KIND_NAMED ? TREE_MAP : TREE_LIST;
    bool alone = node != NULL && field->lone && node->kind == TREE_MAP && !node->faulty;
    *array = (struct field_items){0};
    if (is_word(node, field)) {
        return;
    }
    if (!alone && !is_container(sink->problems, node, wanted, field)) {
        return;
    }
    array->count = alone ? 1 : node->count;
    array->items = arena_alloc(sink->arena, field->size * array->count);
    for (unsigned i = 0; i < array->count; i++) {
        const struct tree *item = alone ? node : node->items[i];
        void *element = (char *)array->items + field->size * i;
        if (wanted == TREE_MAP && !field_name_valid(item->key->text)) {
            tree_report_key(sink->problems, item,
                            "a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or "
                            "digit, and is 64 bytes long at most");
        }
        bind_section(sink, item, field, element);
        *(const struct tree **)element = item;
    }
}

static void bind_field(const struct fields_sink *sink, const struct tree *node,
                       const struct field *field, void *member)
{
    const struct tree *text = NULL;
    if (field->kind <= FIELD_KIND_TEXT && node != NULL && is_text(sink->problems, node, field)) {
        text = node;
    }
    switch (field->kind) {
    case FIELD_KIND_BOOL:
    case FIELD_KIND_UINT:
    case FIELD_KIND_DURATION:
    case FIELD_KIND_SIZE:
    case FIELD_KIND_SHARE:
    case FIELD_KIND_ENUM:
        bind_number(sink, text, field, member);
        return;
    case FIELD_KIND_STRING:
        *(const char **)member =
            text != NULL ? arena_copy(sink->arena, text->text).ptr : field->fallback_text;
        return;
    case FIELD_KIND_PATH:
    case FIELD_KIND_FILE:
        *(const char **)member = text != NULL ? read_path(sink, text, field) : NULL;
        return;
    case FIELD_KIND_TEXT:
        *(const struct tree **)member = text;
        return;
    case FIELD_KIND_TEXTS:
    case FIELD_KIND_TEXT_MAP:
        bind_texts(sink, node, field, member);
        return;
    case FIELD_KIND_SECTION:
        bind_section(sink, node, field, member);
        return;
    case FIELD_KIND_LIST:
    case FIELD_KIND_NAMED:
        bind_items(sink, node, field, member);
        return;
    }
}

void fields_bind(const struct fields_sink *sink, const struct tree *map, const struct field *fields,
                 void *out)
{
    unsigned known = 0;
    for (const struct field *field = fields; field->name != NULL; field++) {
        const struct tree *value = tree_get(map, field->name);
        known += value != NULL;
        if (value == NULL && map != NULL && field->required && !map->faulty) {
            tree_report_key(sink->problems, map, "%s is missing; write %s: %s", field->name,
                            field->name, example_of(field));
        }
        bind_field(sink, value, field, (char *)out + field->offset);
    }
    for (unsigned i = 0; map != NULL && known < map->count && i < map->count; i++) {
        if (find(fields, map->items[i]->key->text) == NULL) {
            report_unknown_key(sink->problems, map->items[i], fields);
        }
    }
}

bool field_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > 64) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool alphanumeric = (byte >= 'a' && byte <= 'z') || ascii_is_digit(byte);
        bool mark = byte == '.' || byte == '_' || byte == '-';
        if (!alphanumeric && !(mark && i > 0)) {
            return false;
        }
    }
    return true;
}
