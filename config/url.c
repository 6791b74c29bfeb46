#include "config/url.h"

#include "base/address.h"
#include "base/memory.h"

#include <netinet/in.h>
#include <string.h>

enum { HOST_MAX = 253, LABEL_MAX = 63, PATH_MAX_LEN = 512, QUERY_MAX_LEN = 512 };

static bool label_valid(struct slice label)
{
    for (size_t i = 0; i < label.len; i++) {
        bool inner = i > 0 && i + 1 < label.len;
        bool mark = label.ptr[i] == '_' || (inner && label.ptr[i] == '-');
        if (!ascii_is_alphanumeric(label.ptr[i]) && !mark) {
            return false;
        }
    }
    return label.len > 0 && label.len <= LABEL_MAX;
}

static enum status check_host(struct slice host, struct error *err)
{
    struct slice last;
    struct in_addr address;
    if (host.len == 0 || host.len > HOST_MAX) {
        FAIL(err, STATUS_INVALID, "there is no host in it");
    }
    for (struct slice rest = host;;) {
        size_t dot = slice_find(rest, '.');
        last = slice_make(rest.ptr, dot);
        if (!label_valid(last)) {
            FAIL(err, STATUS_INVALID,
                 "the host is no valid name; write one such as api.example.com");
        }
        if (dot == rest.len) {
            break;
        }
        rest = slice_skip(rest, dot + 1);
    }
    /* Some resolvers take 127.1 or 0x7f.1 for an address; others do not. */
    if (ascii_is_digit(last.ptr[0]) && !address_parse(AF_INET, host, &address)) {
        FAIL(err, STATUS_INVALID,
             "the host is neither a name nor an IPv4 address of four numbers; write one such as "
             "api.example.com");
    }
    return STATUS_OK;
}

enum status url_host_check(struct slice host, struct error *err)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.') {
        FAIL(err, STATUS_INVALID, "write the host without the dot at its end");
    }
    if (slice_find(host, ':') < host.len) {
        FAIL(err, STATUS_INVALID, "write the host alone, without scheme and port");
    }
    for (size_t i = 0; i < host.len; i++) {
        if (ascii_lower(host.ptr[i]) != host.ptr[i]) {
            FAIL(err, STATUS_INVALID, "write the host in lower case");
        }
    }
    return check_host(host, err);
}

static bool path_byte(char byte)
{
    return ascii_is_alphanumeric(byte) ||
           (byte != '\0' && strchr("-._~!$&'()*+,;=:@", byte) != NULL);
}

enum status url_path_check(struct slice path, struct error *err)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "a path begins with '/'");
    }
    if (path.len > PATH_MAX_LEN) {
        FAIL(err, STATUS_INVALID, "the path is longer than %d bytes", PATH_MAX_LEN);
    }
    if (path.len == 1) {
        return STATUS_OK;
    }
    for (struct slice rest = slice_skip(path, 1);;) {
        size_t len = slice_find(rest, '/');
        struct slice segment = slice_make(rest.ptr, len);
        if (segment.len == 0) {
            FAIL(err, STATUS_INVALID,
                 len == rest.len ? "take the '/' at the path's end out"
                                 : "the path has an empty segment (\"//\")");
        }
        if (slice_equal(segment, SLICE(".")) || slice_equal(segment, SLICE(".."))) {
            FAIL(err, STATUS_INVALID, "the path has a segment \".\" or \"..\"");
        }
        for (size_t i = 0; i < segment.len; i++) {
            if (!path_byte(segment.ptr[i])) {
                FAIL(err, STATUS_INVALID,
                     "a path may have letters, digits and -._~!$&'()*+,;=:@ in its segments; no "
                     "query, no percent-encoding");
            }
        }
        if (len == rest.len) {
            return STATUS_OK;
        }
        rest = slice_skip(rest, len + 1);
    }
}

static enum status read_port(struct slice digits, unsigned *ret, struct error *err)
{
    uint64_t port = 0;
    if (digits.len > 5 || !slice_number(digits, UINT16_MAX, &port) || port == 0) {
        FAIL(err, STATUS_INVALID, "the port is no number from 1 to 65535");
    }
    *ret = (unsigned)port;
    return STATUS_OK;
}

static const char *lower(struct arena *arena, struct slice text)
{
    char *copy = arena_reserve(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = ascii_lower(text.ptr[i]);
    }
    copy[text.len] = '\0';
    return copy;
}

static enum status read_authority(struct arena *arena, struct slice text, struct url *url,
                                  struct error *err)
{
    const unsigned usual = url->tls ? 443 : 80;
    struct in6_addr address;
    bool bracketed = slice_starts_with(text, SLICE("["));
    size_t host_end = bracketed ? slice_find(text, ']') : slice_find(text, ':');
    struct slice host = slice_make(text.ptr, host_end);
    struct slice rest = slice_skip(text, host_end);
    if (bracketed) {
        host = slice_skip(host, 1);
        rest = slice_skip(rest, 1);
        if (host_end == text.len || !address_parse(AF_INET6, host, &address)) {
            FAIL(err, STATUS_INVALID, "no valid IPv6 address between '[' and ']'");
        }
    } else {
        TRY(check_host(host, err));
    }
    url->port = usual;
    if (rest.len > 0 && rest.ptr[0] != ':') {
        FAIL(err, STATUS_INVALID, "after ']' only a port or a path may follow");
    }
    if (rest.len > 0) {
        TRY(read_port(slice_skip(rest, 1), &url->port, err));
    }
    url->host = lower(arena, host);
    const char *open = bracketed ? "[" : "";
    const char *close = bracketed ? "]" : "";
    url->authority = url->port == usual
                         ? arena_print(arena, "%s%s%s", open, url->host, close)
                         : arena_print(arena, "%s%s%s:%u", open, url->host, close, url->port);
    return STATUS_OK;
}

static size_t find_any(struct slice text, const char *bytes)
{
    size_t least = text.len;
    for (; *bytes != '\0'; bytes++) {
        size_t at = slice_find(text, *bytes);
        least = at < least ? at : least;
    }
    return least;
}

enum status url_parse(struct arena *arena, struct slice text, struct url *ret, struct error *err)
{
    struct url url = {.tls = slice_starts_with_nocase(text, SLICE("https://"))};
    if (!url.tls && !slice_starts_with_nocase(text, SLICE("http://"))) {
        FAIL(err, STATUS_INVALID, "write a URL that begins with https:// or http://");
    }
    struct slice rest = slice_skip(text, url.tls ? 8 : 7);
    struct slice authority = slice_make(rest.ptr, find_any(rest, "/?#\\"));
    struct slice path = slice_skip(rest, authority.len);
    if (slice_find(authority, '@') < authority.len) {
        FAIL(err, STATUS_INVALID,
             "a URL may not have a user or password in it; a credential is a secret that is "
             "injected: see credential and inject");
    }
    if (find_any(path, "?#") < path.len) {
        FAIL(err, STATUS_INVALID, "a URL here ends with its path: no '?' and no '#'");
    }
    TRY(read_authority(arena, authority, &url, err));
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    if (path.len > 0) {
        TRY(url_path_check(path, err));
    }
    url.path = arena_copy(arena, path);
    *ret = url;
    return STATUS_OK;
}

static enum status check_query(struct slice query, struct error *err)
{
    if (query.len > QUERY_MAX_LEN) {
        FAIL(err, STATUS_INVALID, "the query is longer than %d bytes", QUERY_MAX_LEN);
    }
    for (size_t i = 0; i < query.len; i++) {
        char byte = query.ptr[i];
        if (!path_byte(byte) && byte != '/' && byte != '?' && byte != '%') {
            FAIL(err, STATUS_INVALID,
                 "a query may have letters, digits and -._~!$&'()*+,;=:@/? and what is "
                 "percent-encoded, and no '#'");
        }
    }
    return STATUS_OK;
}

enum status url_target_parse(struct arena *arena, struct slice text, struct url *ret,
                             struct slice *ret_target, struct error *err)
{
    size_t mark = slice_find(text, '?');
    struct slice front = slice_make(text.ptr, mark);
    struct slice query = slice_skip(text, mark + 1);
    TRY(url_parse(arena, front, ret, err));
    TRY(check_query(query, err));
    bool slash = ret->path.len > 0 && front.ptr[front.len - 1] == '/'; /* it was taken off */
    *ret_target = slice_from(arena_print(arena, "%.*s%s%s%.*s", SLICE_ARG(ret->path),
                                         slash || ret->path.len == 0 ? "/" : "",
                                         mark < text.len ? "?" : "", SLICE_ARG(query)));
    return STATUS_OK;
}
