#include "gateway/exchange/path_key.h"

#include "auth/inbound/api_key.h"
#include "base/memory.h"
#include "gateway/exchange/exchange.h"
#include "routes/profile.h"

/* "/botKEY/sendMessage": KEY; a part of `rest`. Empty: there is none. A slot without a prefix takes
 * nothing but a tenant key, for any other path goes through it. */
static struct slice find_key(const struct slot *slot, struct slice rest)
{
    struct slice segment = slice_skip(rest, 1);
    segment.len = slice_find(segment, '/');
    if (!slice_starts_with(segment, slot->prefix)) {
        return slice_make("", 0);
    }
    struct slice key = slice_skip(segment, slot->prefix.len);
    return slot->prefix.len > 0 || api_key_valid(key) ? key : slice_make("", 0);
}

bool path_key_find(struct slice text, struct slice *ret_key)
{
    for (size_t at = 0; at + API_KEY_LEN <= text.len; at++) {
        struct slice key = slice_make(text.ptr + at, API_KEY_LEN);
        if (text.ptr[at] == 's' && api_key_valid(key)) {
            *ret_key = key;
            return true;
        }
    }
    return false;
}

void path_key_cut(struct exchange *exchange)
{
    const struct slot *slot = exchange->route->profile->path_slot;
    struct slice key = slot == NULL ? slice_make("", 0) : find_key(slot, exchange->rest);
    if (key.len == 0) {
        return;
    }
    size_t route_len = exchange->route->path.len;
    struct slice behind = slice_skip(exchange->rest, 1 + slot->prefix.len + key.len);
    size_t path_len = route_len + behind.len;
    char *out = memory_alloc(path_len + exchange->query.len + 1);
    memcpy(out, exchange->path.ptr, route_len);
    memcpy(out + route_len, behind.ptr, behind.len);
    if (exchange->query.ptr != NULL) {
        memcpy(out + path_len, exchange->query.ptr, exchange->query.len);
        exchange->query.ptr = out + path_len;
    }
    exchange->path_key = key;
    exchange->cut_path = out;
    exchange->cut_path_len = path_len;
    exchange->path = slice_make(out, path_len);
    exchange->rest = slice_skip(exchange->path, route_len);
}

/* Up to the first tenant key: a slip in the path may have kept it from a route, or from the place
 * where the route's profile has keys. */
static struct slice before_key(struct slice path)
{
    struct slice key;
    return path_key_find(path, &key) ? slice_make(path.ptr, (size_t)(key.ptr - path.ptr)) : path;
}

struct slice path_key_shown(const struct exchange *exchange)
{
    if (exchange->cut_path != NULL) {
        return before_key(slice_make(exchange->cut_path, exchange->cut_path_len));
    }
    struct slice path = exchange->request->path;
    path.len = slice_find(path, '?');
    return before_key(path);
}
