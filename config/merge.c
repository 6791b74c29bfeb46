#include "config/merge.h"

#include "base/memory.h"
#include "base/table.h"

/* Nodes of one kind, which become one. */
struct nodes {
    struct tree **list;
    unsigned count;
};

static struct nodes nodes_of(struct arena *arena, size_t most)
{
    return (struct nodes){.list = arena_reserve(arena, (most + 1) * sizeof(struct tree *))};
}

static size_t count_items(struct nodes nodes)
{
    size_t count = 0;
    for (unsigned i = 0; i < nodes.count; i++) {
        count += nodes.list[i]->count;
    }
    return count;
}

static bool all_are(struct nodes nodes, enum tree_kind kind)
{
    bool all = true;
    for (unsigned i = 0; i < nodes.count && all; i++) {
        all = nodes.list[i]->kind == kind && !nodes.list[i]->faulty;
    }
    return all;
}

/* Stands where the first one does, with the items of all. */
static struct tree *container(struct arena *arena, const struct tree *first, struct nodes items)
{
    struct tree *node = ARENA_NEW(arena, struct tree);
    *node = *first;
    node->items = items.list;
    node->count = items.count;
    return node;
}

static void report_twin(struct problems *problems, const struct tree *node, const struct tree *twin)
{
    tree_report_key(problems, node, "this key is already there, at %s:%u:%u; keep one of them",
                    twin->key->document->file, twin->key->line, twin->key->column);
}

static const struct field *find_field(const struct field *fields, struct slice key)
{
    while (fields->name != NULL && !slice_equal(slice_from(fields->name), key)) {
        fields++;
    }
    return fields->name != NULL ? fields : NULL;
}

/* What the maps have under a key; where nothing is written under it, that counts only if it is so
 * in all of them. */
static struct nodes find_values(struct arena *arena, struct nodes maps, const char *key)
{
    struct nodes found = nodes_of(arena, maps.count);
    struct tree *empty = NULL;
    for (unsigned i = 0; i < maps.count; i++) {
        const struct tree *map = maps.list[i];
        for (unsigned k = 0; k < map->count; k++) {
            if (!slice_equal(map->items[k]->key->text, slice_from(key))) {
                continue;
            }
            if (tree_is_null(map->items[k])) {
                empty = map->items[k];
            } else {
                found.list[found.count++] = map->items[k];
            }
        }
    }
    if (found.count == 0 && empty != NULL) {
        found.list[found.count++] = empty;
    }
    return found;
}

static struct tree *merge_lists(struct arena *arena, struct nodes lists)
{
    struct nodes items = nodes_of(arena, count_items(lists));
    for (unsigned i = 0; i < lists.count; i++) {
        for (unsigned k = 0; k < lists.list[i]->count; k++) {
            items.list[items.count++] = lists.list[i]->items[k];
        }
    }
    return container(arena, lists.list[0], items);
}

static struct tree *merge_names(struct arena *arena, struct nodes maps, struct problems *problems)
{
    CLEANUP(table_fini) struct table names = {0};
    struct nodes items = nodes_of(arena, count_items(maps));
    for (unsigned i = 0; i < maps.count; i++) {
        for (unsigned k = 0; k < maps.list[i]->count; k++) {
            struct tree *item = maps.list[i]->items[k];
            const struct tree *twin = table_add(&names, item->key->text, item);
            if (twin != NULL) {
                report_twin(problems, item, twin);
            } else {
                items.list[items.count++] = item;
            }
        }
    }
    return container(arena, maps.list[0], items);
}

static struct tree *merge_section(struct arena *arena, struct nodes maps,
                                  const struct field *fields, struct problems *problems);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables are. */
static struct tree *merge_values(struct arena *arena, struct nodes values,
                                 const struct field *field, struct problems *problems)
{
    if (values.count == 1) {
        return values.list[0];
    }
    if (field->kind == FIELD_KIND_SECTION && all_are(values, TREE_MAP)) {
        return merge_section(arena, values, field->section, problems);
    }
    if (field->kind == FIELD_KIND_NAMED && all_are(values, TREE_MAP)) {
        return merge_names(arena, values, problems);
    }
    if (field->kind == FIELD_KIND_LIST && all_are(values, TREE_LIST)) {
        return merge_lists(arena, values);
    }
    for (unsigned i = 1; i < values.count; i++) {
        report_twin(problems, values.list[i], values.list[0]);
    }
    return values.list[0];
}

/* Keys that are not known come last, to be told as such. NOLINTNEXTLINE(misc-no-recursion) */
static struct tree *merge_section(struct arena *arena, struct nodes maps,
                                  const struct field *fields, struct problems *problems)
{
    struct nodes items = nodes_of(arena, count_items(maps));
    for (const struct field *field = fields; field->name != NULL; field++) {
        struct nodes values = find_values(arena, maps, field->name);
        if (values.count > 0) {
            items.list[items.count++] = merge_values(arena, values, field, problems);
        }
    }
    for (unsigned i = 0; i < maps.count; i++) {
        for (unsigned k = 0; k < maps.list[i]->count; k++) {
            struct tree *item = maps.list[i]->items[k];
            if (find_field(fields, item->key->text) == NULL) {
                items.list[items.count++] = item;
            }
        }
    }
    return container(arena, maps.list[0], items);
}

const struct tree *merge(struct arena *arena, const struct tree *const *roots, unsigned count,
                         const struct field *fields, struct problems *problems)
{
    struct nodes maps = nodes_of(arena, count);
    for (unsigned i = 0; i < count; i++) {
        struct nodes items = {(struct tree **)roots[i]->items, roots[i]->count};
        maps.list[maps.count++] = container(arena, roots[i], items);
    }
    return merge_section(arena, maps, fields, problems);
}
