#include "routes/links.h"

#include "base/buffer.h"
#include "routes/route.h"
#include "routes/target.h"

#include <stdbool.h>
#include <stdint.h>

static bool ends_authority(char byte)
{
    return byte == '/' || byte == '?' || byte == '#';
}

/* Position of the first byte that ends an authority or a path segment, or text.len. */
static size_t authority_end(struct slice text)
{
    size_t end = 0;
    while (end < text.len && !ends_authority(text.ptr[end])) {
        end++;
    }
    return end;
}

/* "host", "host:port", "[v6]:port"; never with user info. */
static bool is_authority_of(const struct origin *origin, struct slice authority)
{
    struct slice host = slice_make(authority.ptr, slice_find(authority, ':'));
    size_t host_end = host.len;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        size_t bracket = slice_find(authority, ']');
        host_end = bracket == authority.len ? bracket : bracket + 1;
        host = slice_make(authority.ptr + 1, bracket - 1);
    }
    struct slice behind = slice_skip(authority, host_end);
    uint64_t port = origin->tls ? 443 : 80;
    if (behind.len > 0 && behind.ptr[0] != ':') {
        return false;
    }
    if (behind.len > 1 && !slice_number(slice_skip(behind, 1), UINT16_MAX, &port)) {
        return false;
    }
    return port == origin->port && slice_equal_nocase(host, slice_from(origin->host));
}

/* Takes scheme and authority off the front. False if they name another origin. */
static bool take_origin(const struct origin *origin, struct slice *value)
{
    struct slice scheme = origin->tls ? SLICE("https:") : SLICE("http:");
    struct slice rest = *value;
    if (slice_starts_with_nocase(rest, scheme)) {
        rest = slice_skip(rest, scheme.len);
    }
    if (!slice_starts_with(rest, SLICE("//"))) {
        return false;
    }
    rest = slice_skip(rest, 2);
    size_t end = authority_end(rest);
    if (!is_authority_of(origin, slice_make(rest.ptr, end))) {
        return false;
    }
    *value = slice_skip(rest, end);
    return true;
}

/* No byte that clients read in different ways, no segment . or ..; the fragment does not matter. */
static bool is_plain(struct slice reference)
{
    struct slice target = slice_make(reference.ptr, slice_find(reference, '#'));
    struct slice path = slice_make(target.ptr, slice_find(target, '?'));
    struct slice query;
    if (slice_find(path, '\\') < path.len) {
        return false;
    }
    return path.len == 0 || target_check(path, &path, &query, NULL) == STATUS_OK;
}

/* Takes the base path off the front, at a segment border. */
static bool take_base_path(struct slice base_path, struct slice *reference)
{
    if (!slice_starts_with(*reference, base_path)) {
        return false;
    }
    struct slice rest = slice_skip(*reference, base_path.len);
    if (rest.len > 0 && authority_end(rest) != 0) {
        return false;
    }
    *reference = rest;
    return true;
}

/* Of "https://host/openai": "/openai"; also if that is all that is known. */
static struct slice path_of(struct slice public_base)
{
    if (slice_starts_with(public_base, SLICE("/"))) {
        return public_base;
    }
    size_t colon = slice_find(public_base, ':');
    struct slice behind = slice_skip(public_base, colon + 3);
    return slice_skip(behind, authority_end(behind));
}

static enum status append_two(struct buffer *out, struct slice first, struct slice second)
{
    TRY(buffer_append(out, first));
    return buffer_append(out, second);
}

/* "/v1/x?page=2": the client would look it up at the gateway. */
static enum status rewrite_absolute_path(const struct route *route, struct slice public_base,
                                         struct slice value, struct buffer *out)
{
    struct slice rest = value;
    if (is_plain(value) && take_base_path(route->base_path, &rest)) {
        struct slice path = path_of(public_base);
        if (path.len == 0 && (rest.len == 0 || rest.ptr[0] != '/')) {
            path = SLICE("/"); /* else it would be relative to the request's own path */
        }
        return append_two(out, path, rest);
    }
    TRY(append_two(out, route->origin.tls ? SLICE("https://") : SLICE("http://"),
                   slice_from(route->origin.authority)));
    return buffer_append(out, value);
}

enum status links_rewrite_location(const struct route *route, struct slice public_base,
                                   struct slice value, struct buffer *out)
{
    struct slice rest = value;
    if (slice_starts_with(value, SLICE("/")) && !slice_starts_with(value, SLICE("//"))) {
        return rewrite_absolute_path(route, public_base, value, out);
    }
    if (take_origin(&route->origin, &rest) && is_plain(rest) &&
        take_base_path(route->base_path, &rest)) {
        return append_two(out, public_base, rest);
    }
    return buffer_append(out, value);
}

/* Position of the next '<' outside of quoted parameter values, or text.len. */
static size_t find_reference(struct slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && text.ptr[i] == '<') {
            return i;
        }
    }
    return text.len;
}

enum status links_rewrite_link(const struct route *route, struct slice public_base,
                               struct slice value, struct buffer *out)
{
    while (value.len > 0) {
        size_t begin = find_reference(value);
        struct slice inside = slice_skip(value, begin + 1);
        size_t len = slice_find(inside, '>');
        if (len == inside.len) {
            break; /* no further one, or one without an end */
        }
        TRY(buffer_append(out, slice_make(value.ptr, begin + 1)));
        TRY(links_rewrite_location(route, public_base, slice_make(inside.ptr, len), out));
        value = slice_skip(inside, len);
    }
    return buffer_append(out, value);
}
