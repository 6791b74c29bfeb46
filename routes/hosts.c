#include "routes/hosts.h"

#include "base/memory.h"
#include "routes/route.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAME_MAX_BYTES = 253, LABEL_MAX = 63, DEFAULT_PORT = 443 };

static const struct slice any_label = SLICE_INIT("*.");

/* ---- entries ---- */

/* Letters, digits and hyphens, as RFC 1123, section 2.1, has them, in lower case. "xn--" and its
 * like (RFC 5890, section 2.3.1) are looked at by who compares. */
static bool is_label(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool inner = byte == '-' && i > 0 && i + 1 < text.len;
        if (!inner && !(ascii_is_alphanumeric(byte) && byte == ascii_lower(byte))) {
            return false;
        }
    }
    return text.len > 0 && text.len <= LABEL_MAX;
}

static bool is_number(struct slice text)
{
    uint64_t ignored;
    return slice_number(text, UINT64_MAX, &ignored);
}

/* Two labels at least, of which the last is no number, so that it is no address. */
static bool is_name(struct slice name)
{
    unsigned labels = 0;
    struct slice label = slice_make("", 0);
    if (name.len > NAME_MAX_BYTES) {
        return false;
    }
    for (bool more = true; more; labels++) {
        size_t dot = slice_find(name, '.');
        label = slice_make(name.ptr, dot);
        more = dot < name.len;
        name = slice_skip(name, dot + 1);
        if (!is_label(label)) {
            return false;
        }
    }
    return labels >= 2 && !is_number(label);
}

unsigned hosts_port(struct slice entry, struct slice *ret_host)
{
    uint64_t port = DEFAULT_PORT;
    size_t colon = slice_find(entry, ':');
    *ret_host = slice_make(entry.ptr, colon);
    if (colon < entry.len && !slice_number(slice_skip(entry, colon + 1), UINT16_MAX, &port)) {
        port = 0;
    }
    return (unsigned)port;
}

enum status hosts_check(struct slice entry, struct error *err)
{
    struct slice host;
    unsigned port = hosts_port(entry, &host);
    struct slice name = slice_skip(host, slice_starts_with(host, any_label) ? any_label.len : 0);
    struct slice behind = slice_skip(entry, host.len);
    if (!is_name(name)) {
        FAIL(err, STATUS_INVALID,
             "it is no host name of two labels or more in lower case, with *. in front or without; "
             "write push.example.com or *.push.example.com");
    }
    if (port == 0 || (behind.len > 1 && behind.ptr[1] == '0') || behind.len == 1 ||
        (behind.len > 0 && port == DEFAULT_PORT)) {
        FAIL(err, STATUS_INVALID,
             "behind the colon stands a port from 1 to 65535; 443 is not written");
    }
    return STATUS_OK;
}

/* ---- segments ---- */

struct slice hosts_segment(struct slice rest)
{
    struct slice segment = slice_skip(rest, 1);
    segment.len = slice_find(segment, '/');
    return segment;
}

/* What stands for the '*' of "*.example.com:8443"; empty: it does not cover the segment. */
static struct slice label_for(const char *entry, struct slice segment)
{
    struct slice behind = slice_skip(slice_from(entry), 1);
    struct slice none = slice_make("", 0);
    if (entry[0] != '*' || segment.len <= behind.len) {
        return none;
    }
    struct slice label = slice_make(segment.ptr, segment.len - behind.len);
    bool reserved = label.len >= 4 && label.ptr[2] == '-' && label.ptr[3] == '-';
    return slice_equal(slice_skip(segment, label.len), behind) && is_label(label) && !reserved
               ? label
               : none;
}

const struct route *hosts_find(const struct route *route, struct slice segment)
{
    const struct route *covering = NULL;
    for (unsigned i = 0; i < route->host_count; i++) {
        const struct route *host = &route->hosts[i];
        if (slice_equal(slice_from(host->entry), segment)) {
            return host->entry[0] == '*' ? NULL : host;
        }
        if (covering == NULL && label_for(host->entry, segment).len > 0) {
            covering = host;
        }
    }
    return covering;
}

/* Copies `text` with `label` in place of the '*' at `star`, and NUL behind it. */
static struct slice put(char **to, struct slice text, size_t star, struct slice label)
{
    char *start = *to;
    struct slice behind = slice_skip(text, star + 1);
    memcpy(start, text.ptr, star);
    memcpy(start + star, label.ptr, label.len);
    memcpy(start + star + label.len, behind.ptr, behind.len);
    size_t len = star + label.len + behind.len;
    start[len] = '\0';
    *to = start + len + 1;
    return slice_make(start, len);
}

struct route *hosts_make(const struct route *entry, struct slice segment)
{
    struct slice label = label_for(entry->entry, segment);
    struct slice authority = slice_from(entry->origin.authority);
    struct slice host = slice_from(entry->origin.host);
    struct slice key = slice_from(entry->origin.key);
    struct slice constant = entry->headers.constant;
    size_t texts = authority.len + host.len + key.len + constant.len + entry->path.len +
                   entry->public_base.len + 6 * (label.len + 1);
    struct route *route = memory_alloc(sizeof(*route) + texts);
    char *to = (char *)(route + 1);
    *route = *entry;
    route->origin.authority = put(&to, authority, 0, label).ptr;
    route->origin.host = put(&to, host, 0, label).ptr;
    route->origin.key = put(&to, key, slice_find(key, '*'), label).ptr;
    route->headers.constant = put(&to, constant, slice_find(constant, '*'), label);
    route->path = put(&to, entry->path, entry->path.len - authority.len, label);
    if (entry->public_base.len > 0) { /* it ends as the path does */
        route->public_base =
            put(&to, entry->public_base, entry->public_base.len - authority.len, label);
    }
    return route;
}
