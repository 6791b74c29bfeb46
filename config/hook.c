#include "config/hook.h"

#include "base/memory.h"
#include "base/pattern.h"
#include "routes/route.h"
#include "routes/route_table.h"

#include <stdlib.h>
#include <string.h>

static int compare_text(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_place(const void *left, const void *right)
{
    const struct hook *a = *(const struct hook *const *)left;
    const struct hook *b = *(const struct hook *const *)right;
    int order = compare_text(a->path, b->path);
    if (order == 0) {
        order = (a->host.len == 0) - (b->host.len == 0);
    }
    return order != 0 ? order : compare_text(a->host, b->host);
}

void hook_table_make(struct hook_table *table, struct hook *const *hooks, unsigned count,
                     const struct route_table *routes, struct arena *arena)
{
    const struct hook **sorted = ARENA_ARRAY(arena, const struct hook *, count + 1);
    for (unsigned i = 0; i < count; i++) {
        sorted[i] = hooks[i];
    }
    if (count > 1) {
        qsort(sorted, count, sizeof(sorted[0]), by_place);
    }
    *table = (struct hook_table){hooks, count, sorted, routes};
}

/* The first of that path, or of one behind it. */
static unsigned find_path(const struct hook_table *table, struct slice path)
{
    unsigned low = 0;
    unsigned high = table->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (compare_text(table->by_path[middle]->path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A route of this very host is more exact than a hook of any. */
static bool is_a_routes(const struct hook_table *table, struct slice host, struct slice path)
{
    const struct route *route = route_table_find(table->routes, host, path);
    return route != NULL && route->host.len > 0;
}

const struct hook *hook_table_find(const struct hook_table *table, struct slice host,
                                   struct slice path)
{
    char room[ROUTE_HOST_MAX];
    struct slice wanted = {0};
    for (unsigned i = find_path(table, path); i < table->count; i++) {
        const struct hook *hook = table->by_path[i];
        if (!slice_equal(hook->path, path)) {
            return NULL;
        }
        if (hook->host.len == 0) {
            return is_a_routes(table, host, path) ? NULL : hook;
        }
        wanted = wanted.ptr == NULL ? route_host(host, room) : wanted;
        if (slice_equal(hook->host, wanted)) {
            return hook;
        }
    }
    return NULL;
}

static int compare_name(const void *name, const void *hook)
{
    return compare_text(*(const struct slice *)name,
                        slice_from((*(const struct hook *const *)hook)->name));
}

const struct hook *hook_table_named(const struct hook_table *table, struct slice name)
{
    struct hook *const *found = table->count == 0 ? NULL
                                                  : bsearch(&name, table->hooks, table->count,
                                                            sizeof(table->hooks[0]), compare_name);
    return found == NULL ? NULL : *found;
}

const struct hook_target *hook_target_named(const struct hook *hook, struct slice name)
{
    for (unsigned i = 0; i < hook->target_count; i++) {
        if (slice_equal(slice_from(hook->targets[i].name), name)) {
            return &hook->targets[i];
        }
    }
    return NULL;
}

bool hook_patterns_match(const struct hook_patterns *patterns, struct slice type)
{
    for (unsigned i = 0; i < patterns->count; i++) {
        if (pattern_matches(patterns->pattern[i], type)) {
            return true;
        }
    }
    return patterns->count == 0;
}
