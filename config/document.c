#include "config/document.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/table.h"
#include "config/expand.h"
#include "config/syntax_hint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Maps up to this size look for a key twice by comparing; larger ones by a table. */
enum { SMALL_MAP = 12 };

/* A map or list whose end was not seen yet. */
struct level {
    struct tree *node;
    struct tree *key;    /* of a map: read, its value is next; NULL: a key is next */
    struct tree **items; /* owned; kept for the next node of this level */
    size_t size;
    struct table keys; /* of a large map */
};

struct reader {
    struct arena *arena;
    struct problems *problems;
    const struct tree_document *document;
    struct tree *root;
    unsigned depth; /* open levels */
    struct level levels[DOCUMENT_DEPTH_MAX];
    size_t expand_left;
    bool ended; /* the first document has */
};

static void report_at(const struct reader *reader, const yaml_mark_t *mark, const char *message)
{
    problems_add(reader->problems, reader->document->file, (unsigned)mark->line + 1,
                 (unsigned)mark->column + 1, "%s", message);
}

static struct tree *new_node(struct reader *reader, enum tree_kind kind, const yaml_mark_t *mark)
{
    struct tree *node = ARENA_NEW(reader->arena, struct tree);
    node->kind = kind;
    node->line = (unsigned)mark->line + 1;
    node->column = (unsigned)mark->column + 1;
    node->document = reader->document;
    return node;
}

/* The value of this map that has the key already, or NULL. */
static const struct tree *find_twin(struct level *level, const struct tree *value)
{
    struct tree *map = level->node;
    if (map->count > SMALL_MAP) {
        return table_add(&level->keys, value->key->text, (void *)value);
    }
    const struct tree *twin = NULL;
    for (unsigned i = 0; i < map->count && twin == NULL; i++) {
        if (slice_equal(level->items[i]->key->text, value->key->text)) {
            twin = level->items[i];
        }
    }
    if (twin == NULL && map->count == SMALL_MAP) {
        for (unsigned i = 0; i < map->count; i++) {
            (void)table_add(&level->keys, level->items[i]->key->text, level->items[i]);
        }
        (void)table_add(&level->keys, value->key->text, (void *)value);
    }
    return twin;
}

/* Whether the value may join the map: its key is usable and new. */
static bool check_key(struct reader *reader, struct level *level, struct tree *value)
{
    const struct tree *key = value->key;
    if (key->kind != TREE_SCALAR) {
        problems_add(reader->problems, reader->document->file, key->line, key->column,
                     "a key must be a single value, not a map or list; quote it if it is text");
        return false;
    }
    if (key->faulty) {
        return false;
    }
    const struct tree *twin = find_twin(level, value);
    if (twin != NULL) {
        tree_report_key(reader->problems, value,
                        "this key is already there, at line %u; keep one of them", twin->key->line);
        return false;
    }
    return true;
}

static void append(struct level *level, struct tree *node)
{
    struct tree *parent = level->node;
    node->index = parent->count;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers it is. */
    MEMORY_GROW(level->items, parent->count, &level->size);
    level->items[parent->count++] = node;
}

/* Hangs a node up; true if it is where its own children count. */
static void attach(struct reader *reader, struct tree *node)
{
    if (reader->depth == 0) {
        reader->root = node;
        return;
    }
    struct level *level = &reader->levels[reader->depth - 1];
    node->parent = level->node;
    if (level->node->kind == TREE_LIST) {
        append(level, node);
    } else if (level->key == NULL) {
        level->key = node;
    } else {
        node->key = TAKE(level->key);
        if (check_key(reader, level, node)) {
            append(level, node);
        }
    }
}

/* What no node may have. */
static bool refuse_decoration(const struct reader *reader, const yaml_event_t *event,
                              const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL) {
        report_at(reader, &event->start_mark,
                  "anchors (&name) are not supported; write the value out where it is used");
    }
    if (tag != NULL) {
        report_at(reader, &event->start_mark,
                  "tags (!name) are not supported; take it out, or quote the value");
    }
    return anchor != NULL || tag != NULL;
}

static void read_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct tree *node = new_node(reader, TREE_SCALAR, &event->start_mark);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->faulty =
        refuse_decoration(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
    struct slice value =
        slice_make((const char *)event->data.scalar.value, event->data.scalar.length);
    node->source = arena_copy(reader->arena, value);
    node->text = node->source;
    attach(reader, node);
    struct error err;
    if (memchr(node->source.ptr, '\0', node->source.len) != NULL) {
        report_at(reader, &event->start_mark, "a value cannot have a NUL (\\0) in it");
        node->faulty = true;
    } else if (expand_wanted(node->source) &&
               expand(reader->document, node->source, &reader->expand_left, reader->arena,
                      &node->text, &err) != STATUS_OK) {
        tree_report(reader->problems, node, "%s", err.message);
        node->text = node->source;
        node->faulty = true;
    }
}

static void read_alias(struct reader *reader, const yaml_event_t *event)
{
    struct tree *node = new_node(reader, TREE_SCALAR, &event->start_mark);
    node->faulty = true;
    node->source =
        slice_from(arena_print(reader->arena, "*%s", (const char *)event->data.alias.anchor));
    node->text = node->source;
    report_at(reader, &event->start_mark,
              "aliases (*name) are not supported; write the value out, or quote it");
    attach(reader, node);
}

/* False: too deep. */
static bool open_level(struct reader *reader, const yaml_event_t *event, enum tree_kind kind)
{
    if (reader->depth == DOCUMENT_DEPTH_MAX) {
        report_at(reader, &event->start_mark, "nested too deeply; 32 levels are the most");
        return false;
    }
    struct tree *node = new_node(reader, kind, &event->start_mark);
    if (kind == TREE_MAP) {
        (void)refuse_decoration(reader, event, event->data.mapping_start.anchor,
                                event->data.mapping_start.tag);
    } else {
        (void)refuse_decoration(reader, event, event->data.sequence_start.anchor,
                                event->data.sequence_start.tag);
    }
    attach(reader, node);
    struct level *level = &reader->levels[reader->depth++];
    level->node = node;
    level->key = NULL;
    return true;
}

static void close_level(struct reader *reader)
{
    struct level *level = &reader->levels[--reader->depth];
    struct tree *node = level->node;
    assert(node != NULL);
    if (node->count > 0) {
        size_t bytes = node->count * sizeof(struct tree *);
        struct tree **items = arena_reserve(reader->arena, bytes);
        memcpy(items, level->items, bytes);
        node->items = items;
    }
    table_fini(&level->keys);
}

enum progress { READ_ON, READ_DONE, READ_FAILED };

static enum progress read_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reader->ended) {
            report_at(reader, &event->start_mark,
                      "a second document begins here; a file has one: take the '---' out");
            return READ_DONE;
        }
        return READ_ON;
    case YAML_DOCUMENT_END_EVENT:
        reader->ended = true;
        return READ_ON;
    case YAML_STREAM_END_EVENT:
        return READ_DONE;
    case YAML_ALIAS_EVENT:
        read_alias(reader, event);
        return READ_ON;
    case YAML_SCALAR_EVENT:
        read_scalar(reader, event);
        return READ_ON;
    case YAML_SEQUENCE_START_EVENT:
        return open_level(reader, event, TREE_LIST) ? READ_ON : READ_FAILED;
    case YAML_MAPPING_START_EVENT:
        return open_level(reader, event, TREE_MAP) ? READ_ON : READ_FAILED;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_level(reader);
        return READ_ON;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
        return READ_ON;
    }
    return READ_ON;
}

/* False: nothing that could be looked at further. */
static bool read_events(struct reader *reader, yaml_parser_t *yaml, struct slice text)
{
    for (;;) {
        yaml_event_t event;
        if (yaml_parser_parse(yaml, &event) == 0) {
            const struct syntax_fault fault = {
                .problem = yaml->problem,
                .line = (unsigned)yaml->problem_mark.line + 1,
                .column = (unsigned)yaml->problem_mark.column + 1,
                .context = yaml->context,
                .context_line = (unsigned)yaml->context_mark.line + 1,
                .context_column = (unsigned)yaml->context_mark.column + 1,
            };
            syntax_fault_report(reader->problems, reader->document->file, text, &fault);
            return false;
        }
        enum progress progress = read_event(reader, &event);
        yaml_event_delete(&event);
        if (progress != READ_ON) {
            return progress == READ_DONE;
        }
    }
}

static void close_reader(struct reader *reader)
{
    for (unsigned i = 0; i < DOCUMENT_DEPTH_MAX; i++) {
        memory_free(reader->levels[i].items);
        table_fini(&reader->levels[i].keys);
    }
}

static const struct tree_document *new_document(struct arena *arena, const char *file)
{
    struct tree_document *document = ARENA_NEW(arena, struct tree_document);
    const char *slash = strrchr(file, '/');
    size_t len = slash == NULL ? 0 : slash == file ? 1 : (size_t)(slash - file);
    document->file = arena_copy(arena, slice_from(file)).ptr;
    document->folder = arena_copy(arena, slice_make(file, len)).ptr;
    return document;
}

/* False: nothing that could be looked at further. Where there is nothing in it, *ret is NULL. */
static bool parse(struct arena *arena, const char *file, struct slice text,
                  struct problems *problems, const struct tree **ret)
{
    *ret = NULL;
    if (text.len > DOCUMENT_MAX) {
        problems_add(problems, file, 0, 0, "larger than %d MiB", DOCUMENT_MAX / 1024 / 1024);
        return false;
    }
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf"))) {
        text = slice_skip(text, 3); /* the mark that editors on Windows begin UTF-8 with */
    }
    if (!syntax_check_bytes(problems, file, text)) {
        return false;
    }
    CLEANUP(close_reader)
    struct reader reader = {
        .arena = arena,
        .problems = problems,
        .document = new_document(arena, file),
        .expand_left = EXPAND_TOTAL_MAX,
    };
    CLEANUP(yaml_parser_delete) yaml_parser_t yaml;
    if (yaml_parser_initialize(&yaml) == 0) {
        abort();
    }
    yaml_parser_set_encoding(&yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml, (const unsigned char *)text.ptr, text.len);
    if (!read_events(&reader, &yaml, text)) {
        return false;
    }
    *ret = reader.root;
    return true;
}

const struct tree *document_parse(struct arena *arena, const char *file, struct slice text,
                                  struct problems *problems)
{
    const struct tree *root = NULL;
    if (parse(arena, file, text, problems, &root) && root == NULL) {
        problems_add(problems, file, 0, 0,
                     "there is nothing in this file; it begins with: version: 1");
    }
    return root;
}

static bool read_file(const char *path, enum file_kind kind, struct buffer *out,
                      struct problems *problems)
{
    struct error err;
    enum status status = file_read(path, kind, out, &err);
    if (status == STATUS_NOT_FOUND) {
        problems_add(problems, path, 0, 0,
                     "there is no config file here; name one with -c FILE, or write one: "
                     "docs/CONFIG.md says how, config/quickstart.yaml is an example");
    } else if (status != STATUS_OK) {
        problems_add(problems, path, 0, 0, "cannot use this config file: %s", err.message);
    }
    return status == STATUS_OK;
}

const struct tree *document_load(struct arena *arena, const char *path, struct problems *problems)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, DOCUMENT_MAX);
    return read_file(path, FILE_ANY_INPUT, &text, problems)
               ? document_parse(arena, path, buffer_bytes(&text), problems)
               : NULL;
}

bool document_load_part(struct arena *arena, const char *path, struct problems *problems,
                        const struct tree **ret)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, DOCUMENT_MAX);
    return read_file(path, FILE_REGULAR, &text, problems) &&
           parse(arena, path, buffer_bytes(&text), problems, ret);
}
