#include "config/store_url.h"

#include "base/address.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/url.h"

#include <netinet/in.h>
#include <sys/un.h>

enum { REDIS_PORT = 6379, DATABASE_MAX = 65535 };

static const char forms[] =
    "write memory:, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or redis+unix:///PATH";

static enum status decode(struct arena *arena, struct slice text, const char **ret,
                          struct error *err)
{
    char *out = arena_reserve(arena, text.len + 1);
    size_t len = 0;
    if (decode_percent(text, out, &len) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "a '%%' without two hex digits behind it; write %%25 for a '%%'");
    }
    if (memchr(out, '\0', len) != NULL) {
        FAIL(err, STATUS_INVALID, "a NUL (%%00) cannot be sent; take it out");
    }
    out[len] = '\0';
    *ret = out;
    return STATUS_OK;
}

/* "user:password" */
static enum status read_user_info(struct arena *arena, struct slice text, struct redis_address *out,
                                  struct error *err)
{
    size_t colon = slice_find(text, ':');
    struct slice password = slice_skip(text, colon + 1);
    if (password.len == 0) {
        FAIL(err, STATUS_INVALID,
             "there is no password before the '@'; write redis://:PASSWORD@HOST or "
             "redis://USER:PASSWORD@HOST");
    }
    if (slice_find(password, '@') < password.len || slice_find(password, ':') < password.len) {
        FAIL(err, STATUS_INVALID,
             "a '@' or ':' in a password is percent-encoded; write %%40 or %%3A");
    }
    TRY(decode(arena, password, &out->password, err));
    return colon == 0 ? STATUS_OK : decode(arena, slice_make(text.ptr, colon), &out->user, err);
}

/* Splits "user:password@rest" at the last '@'. */
static enum status take_user_info(struct arena *arena, struct slice *text,
                                  struct redis_address *out, struct error *err)
{
    size_t at = text->len;
    while (at > 0 && text->ptr[at - 1] != '@') {
        at--;
    }
    if (at > 0) {
        TRY(read_user_info(arena, slice_make(text->ptr, at - 1), out, err));
        *text = slice_skip(*text, at);
    }
    return STATUS_OK;
}

static enum status read_database(struct slice text, struct redis_address *out, struct error *err)
{
    uint64_t database = 0;
    if (!slice_number(text, DATABASE_MAX, &database)) {
        FAIL(err, STATUS_INVALID, "the database is no number from 0 to %d", DATABASE_MAX);
    }
    out->database = (unsigned)database;
    return STATUS_OK;
}

static enum status read_port(struct slice text, struct redis_address *out, struct error *err)
{
    uint64_t port = 0;
    if (text.len > 5 || !slice_number(text, UINT16_MAX, &port) || port == 0) {
        FAIL(err, STATUS_INVALID, "the port is no number from 1 to 65535");
    }
    out->port = (unsigned)port;
    return STATUS_OK;
}

/* "host", "host:port", "[v6]:port" */
static enum status read_host(struct arena *arena, struct slice text, struct redis_address *out,
                             struct error *err)
{
    struct in6_addr address;
    bool bracketed = slice_starts_with(text, SLICE("["));
    size_t end = slice_find(text, bracketed ? ']' : ':');
    struct slice host = bracketed ? slice_make(text.ptr + 1, end - 1) : slice_make(text.ptr, end);
    struct slice rest = slice_skip(text, bracketed ? end + 1 : end);
    out->port = REDIS_PORT;
    if (!bracketed) {
        TRY(url_host_check(host, err));
    } else if (end == text.len || !address_parse(AF_INET6, host, &address)) {
        FAIL(err, STATUS_INVALID, "no valid IPv6 address between '[' and ']'");
    }
    if (rest.len > 0 && rest.ptr[0] != ':') {
        FAIL(err, STATUS_INVALID, "after ']' only a port or a database may follow");
    }
    if (rest.len > 0) {
        TRY(read_port(slice_skip(rest, 1), out, err));
    }
    out->host = arena_copy(arena, host).ptr;
    return STATUS_OK;
}

/* What the credentials look like to others. */
static const char *shown_user(struct arena *arena, const struct redis_address *address)
{
    if (address->password == NULL) {
        return "";
    }
    return arena_print(arena, "%s:***@", address->user != NULL ? address->user : "");
}

static enum status parse_tcp(struct arena *arena, struct slice text, struct redis_address *out,
                             struct error *err)
{
    size_t slash = slice_find(text, '/');
    struct slice authority = slice_make(text.ptr, slash);
    struct slice database = slice_skip(text, slash + 1);
    if (slice_find(text, '?') < text.len || slice_find(text, '#') < text.len) {
        FAIL(err, STATUS_INVALID,
             "no '?' and no '#' may be in it; the database is a path such as /2, and in a password "
             "write %%3F and %%23");
    }
    TRY(take_user_info(arena, &authority, out, err));
    TRY(read_host(arena, authority, out, err));
    if (database.len > 0) {
        TRY(read_database(database, out, err));
    }
    bool v6 = slice_find(slice_from(out->host), ':') < strlen(out->host);
    out->url_shown =
        arena_print(arena, "redis%s://%s%s%s%s:%u/%u", out->tls ? "s" : "", shown_user(arena, out),
                    v6 ? "[" : "", out->host, v6 ? "]" : "", out->port, out->database);
    return STATUS_OK;
}

static enum status parse_unix(struct arena *arena, struct slice text, struct redis_address *out,
                              struct error *err)
{
    size_t slash = slice_find(text, '/');
    struct slice user_info = slice_make(text.ptr, slash);
    struct slice path = slice_skip(text, slash);
    struct slice query = slice_skip(path, slice_find(path, '?'));
    path.len -= query.len;
    TRY(take_user_info(arena, &user_info, out, err));
    if (user_info.len > 0 || path.len < 2) {
        FAIL(err, STATUS_INVALID,
             "a unix socket has no host, and a path that begins with '/'; write "
             "redis+unix:///run/redis.sock");
    }
    TRY(decode(arena, path, &out->unix_path, err));
    if (strlen(out->unix_path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        FAIL(err, STATUS_INVALID, "the path of a unix socket has 107 bytes at most");
    }
    if (query.len > 0 && !slice_starts_with(query, SLICE("?db="))) {
        FAIL(err, STATUS_INVALID, "behind the path only ?db=N may follow");
    }
    if (query.len > 0) {
        TRY(read_database(slice_skip(query, strlen("?db=")), out, err));
    }
    out->url_shown = arena_print(arena, "redis+unix://%s%s?db=%u", shown_user(arena, out),
                                 out->unix_path, out->database);
    return STATUS_OK;
}

enum status store_url_parse(struct arena *arena, struct slice text, bool *ret_redis,
                            struct redis_address *ret, struct error *err)
{
    struct redis_address address = {.url_shown = "memory:"};
    *ret_redis = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            FAIL(err, STATUS_INVALID,
                 "a blank, control character or one beyond ASCII; percent-encode it");
        }
    }
    if (slice_equal(text, SLICE("memory:"))) {
        *ret = address;
        return STATUS_OK;
    }
    if (slice_starts_with(text, SLICE("redis+unix://"))) {
        TRY(parse_unix(arena, slice_skip(text, strlen("redis+unix://")), &address, err));
    } else if (slice_starts_with(text, SLICE("redis://"))) {
        TRY(parse_tcp(arena, slice_skip(text, strlen("redis://")), &address, err));
    } else if (slice_starts_with(text, SLICE("rediss://"))) {
        address.tls = true;
        TRY(parse_tcp(arena, slice_skip(text, strlen("rediss://")), &address, err));
    } else {
        FAIL(err, STATUS_INVALID, "%s", forms);
    }
    *ret_redis = true;
    *ret = address;
    return STATUS_OK;
}
