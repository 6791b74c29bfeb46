#include "routes/route_table.h"

#include "base/memory.h"
#include "routes/route.h"

#include <assert.h>

/* A path in the table is "" or "/a/b": whole segments, none of them empty. Counts them. */
static enum status check_path(const struct route *route, unsigned *ret_segments, struct error *err)
{
    struct slice path = route->path;
    unsigned segments = 0;
    if (path.len > 0 && (path.ptr[0] != '/' || path.ptr[path.len - 1] == '/')) {
        FAIL(err, STATUS_INVALID,
             "routes.%s.path: \"%.*s\" must begin with / and not end with one; write \"/%s\"",
             route->name, SLICE_ARG(path), route->name);
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '/') {
            continue;
        }
        segments++;
        if (path.ptr[i + 1] == '/') {
            FAIL(err, STATUS_INVALID, "routes.%s.path: \"%.*s\" has an empty segment; remove one /",
                 route->name, SLICE_ARG(path));
        }
    }
    *ret_segments = segments;
    return STATUS_OK;
}

static struct table *paths_of_host(struct route_table *table, struct slice host)
{
    struct table *paths = table_get(&table->by_host, host);
    if (paths == NULL) {
        paths = MEMORY_NEW(struct table);
        (void)table_add(&table->by_host, host, paths);
    }
    return paths;
}

enum status route_table_add(struct route_table *table, const struct route *route, struct error *err)
{
    unsigned segments = 0;
    TRY(check_path(route, &segments, err));
    struct table *paths =
        route->host.len == 0 ? &table->by_path : paths_of_host(table, route->host);
    const struct route *other = table_add(paths, route->path, (void *)route);
    if (other != NULL && route->host.len == 0) {
        FAIL(err, STATUS_INVALID,
             "routes.%s and routes.%s have the same path \"%.*s\"; give one of them another path",
             other->name, route->name, SLICE_ARG(route->path));
    }
    if (other != NULL) {
        FAIL(err, STATUS_INVALID,
             "routes.%s and routes.%s have the same host \"%.*s\" and path \"%.*s\"; "
             "give one of them another path",
             other->name, route->name, SLICE_ARG(route->host), SLICE_ARG(route->path));
    }
    if (segments > table->deepest) {
        table->deepest = segments;
    }
    return STATUS_OK;
}

void route_table_fini(struct route_table *table)
{
    for (size_t i = 0; i < table->by_host.size; i++) {
        struct table *paths = table->by_host.entries[i].value;
        if (paths != NULL) {
            table_fini(paths);
            memory_free(paths);
        }
    }
    table_fini(&table->by_host);
    table_fini(&table->by_path);
    *table = (struct route_table){0};
}

struct slice route_host(struct slice host, char room[ROUTE_HOST_MAX])
{
    bool literal = host.len > 0 && host.ptr[0] == '['; /* its colons are no port's */
    size_t end = literal ? slice_find(host, ']') + 1 : slice_find(host, ':');
    end = end > host.len ? host.len : end;
    if (end > 0 && host.ptr[end - 1] == '.') {
        end--;
    }
    if (end > ROUTE_HOST_MAX) {
        return slice_make(room, 0);
    }
    for (size_t i = 0; i < end; i++) {
        room[i] = ascii_lower(host.ptr[i]);
    }
    return slice_make(room, end);
}

/* One lookup for each border between segments, down to the deepest route; the last hit is the
 * longest. */
static const struct route *find_path(const struct table *paths, struct slice path, unsigned deepest)
{
    const struct route *best = table_get(paths, slice_make(path.ptr, 0));
    size_t end = 0;
    for (unsigned segment = 0; segment < deepest && end < path.len; segment++) {
        end += 1 + slice_find(slice_skip(path, end + 1), '/');
        const struct route *route = table_get(paths, slice_make(path.ptr, end));
        best = route != NULL ? route : best;
    }
    return best;
}

const struct route *route_table_find(const struct route_table *table, struct slice host,
                                     struct slice path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return NULL;
    }
    if (table->by_host.count > 0) {
        char lower[ROUTE_HOST_MAX];
        const struct table *paths = table_get(&table->by_host, route_host(host, lower));
        const struct route *route = paths == NULL ? NULL : find_path(paths, path, table->deepest);
        if (route != NULL) {
            return route;
        }
    }
    return find_path(&table->by_path, path, table->deepest);
}
