#include "gateway/webhook/kept_fields.h"

#include "auth/inbound/webhook_scheme.h"
#include "base/buffer.h"

/* Of the way that it came, and of who asked: said by proxies, or made anew for each delivery. */
static bool is_of_the_way(struct slice name)
{
    static const struct slice names[] = {
        SLICE_INIT("forwarded"),
        SLICE_INIT("via"),
        SLICE_INIT("x-real-ip"),
        SLICE_INIT("x-client-ip"),
        SLICE_INIT("true-client-ip"),
        SLICE_INIT("cf-connecting-ip"),
        SLICE_INIT("x-envoy-external-address"),
        SLICE_INIT("x-original-url"),
        SLICE_INIT("x-rewrite-url"),
        SLICE_INIT("set-cookie"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal_nocase(name, names[i])) {
            return true;
        }
    }
    return slice_starts_with_nocase(name, SLICE("x-forwarded-")) ||
           slice_starts_with_nocase(name, SLICE("x-sallyport-")) ||
           slice_starts_with_nocase(name, SLICE("proxy-"));
}

static bool is_of_the_connection(const struct http1_field *field)
{
    switch (field->id) {
    case HTTP1_HOST:
    case HTTP1_CONNECTION:
    case HTTP1_CONTENT_LENGTH:
    case HTTP1_TRANSFER_ENCODING:
    case HTTP1_TE:
    case HTTP1_TRAILER:
    case HTTP1_UPGRADE:
    case HTTP1_EXPECT:
    case HTTP1_KEEP_ALIVE:
    case HTTP1_PROXY_CONNECTION:
    case HTTP1_PROXY_AUTHORIZATION:
    case HTTP1_PROXY_AUTHENTICATE:
    case HTTP1_ACCEPT_ENCODING:
    case HTTP1_CONTENT_ENCODING: /* identity, if anything */
    case HTTP1_AUTHORIZATION:
    case HTTP1_COOKIE:
        return true;
    case HTTP1_OTHER:
    case HTTP1_CONTENT_TYPE:
    case HTTP1_LOCATION:
    case HTTP1_LINK:
    case HTTP1_DATE:
    case HTTP1_NAMES:
        return field->connection_option;
    }
    return true;
}

/* Does the secret itself stand in it? */
static bool is_the_secret(const struct webhook_scheme *scheme, struct slice name)
{
    if (scheme->algorithm != WEBHOOK_TOKEN || scheme->signature.kind != WEBHOOK_IN_HEADER) {
        return false;
    }
    for (unsigned i = 0; i < scheme->aliases.count; i++) {
        struct slice alias = scheme->aliases.text[i];
        size_t equals = slice_find(alias, '=');
        if (slice_equal_nocase(slice_make(alias.ptr, equals), scheme->signature.name) &&
            slice_equal_nocase(slice_skip(alias, equals + 1), name)) {
            return true;
        }
    }
    return slice_equal_nocase(name, scheme->signature.name);
}

enum status kept_fields_write(const struct webhook_scheme *scheme, const struct http1_field *fields,
                              unsigned count, struct buffer *out)
{
    for (unsigned i = 0; i < count; i++) {
        const struct http1_field *field = &fields[i];
        if (is_of_the_connection(field) || is_of_the_way(field->name) ||
            is_the_secret(scheme, field->name)) {
            continue;
        }
        TRY(buffer_append(out, field->name));
        TRY(buffer_append(out, SLICE(": ")));
        TRY(buffer_append(out, field->value));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    return STATUS_OK;
}
