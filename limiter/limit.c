#include "limiter/limit.h"

#include "base/digest.h"
#include "base/encode.h"
#include "base/pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Text of at most `size` bytes; what does not fit marks it as full. */
struct text {
    char *out;
    size_t len, size;
    bool full;
};

static struct text text_in(char *out, size_t size)
{
    struct text text = {.size = size};
    text.out = out;
    return text;
}

static void put(struct text *text, struct slice bytes)
{
    if (bytes.len > text->size - text->len) {
        text->full = true;
        return;
    }
    if (bytes.len > 0) {
        memcpy(text->out + text->len, bytes.ptr, bytes.len);
        text->len += bytes.len;
    }
}

static size_t finish(const struct text *text)
{
    return text->full ? 0 : text->len;
}

static bool is_plain(char c)
{
    return ascii_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

static void put_encoded(struct text *text, struct slice bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (is_plain((char)c) || c == '*') {
            put(text, slice_make(&bytes.ptr[i], 1));
        } else {
            const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            put(text, slice_make(escape, sizeof(escape)));
        }
    }
}

const char *limit_unit_name(enum limit_unit unit)
{
    static const char *const names[LIMIT_UNITS] = {
        [LIMIT_REQUESTS] = "requests", [LIMIT_TOKENS] = "tokens",           [LIMIT_COST] = "cost",
        [LIMIT_BYTES] = "bytes",       [LIMIT_CONCURRENCY] = "concurrency",
    };
    return names[unit];
}

static void put_span(struct text *text, const struct limit *limit)
{
    char number[32];
    switch (limit->span) {
    case LIMIT_RATE:
        (void)snprintf(number, sizeof(number), "/%" PRId64 "s", limit->period / SEC);
        put(text, slice_from(number));
        break;
    case LIMIT_DAYS:
        (void)snprintf(number, sizeof(number), "/%ud", limit->days);
        put(text, limit->days == 1 ? SLICE("/day") : slice_from(number));
        break;
    case LIMIT_WEEK:
        put(text, SLICE("/week"));
        break;
    case LIMIT_MONTH:
        put(text, SLICE("/month"));
        break;
    case LIMIT_HELD:
        break;
    }
}

static void put_each(struct text *text, const struct limit *limit)
{
    switch (limit->each) {
    case EACH_NOTHING:
        break;
    case EACH_TENANT:
        put(text, SLICE("/each=tenant"));
        break;
    case EACH_ROUTE:
        put(text, SLICE("/each=route"));
        break;
    case EACH_IP:
        put(text, SLICE("/each=ip"));
        break;
    case EACH_HEADER:
        put(text, SLICE("/each=header."));
        put_encoded(text, limit->header);
        break;
    }
}

size_t limit_identity(const struct limit *limit, char *out, size_t size)
{
    struct text text = text_in(out, size);
    put(&text, slice_from(limit_unit_name(limit->unit)));
    put_span(&text, limit);
    if (limit->route != NULL) {
        put(&text, SLICE("/route="));
        put_encoded(&text, slice_from(limit->route));
    }
    if (limit->model.len > 0) {
        put(&text, SLICE("/model="));
        put_encoded(&text, limit->model);
    }
    put_each(&text, limit);
    return finish(&text);
}

bool limit_model_matches(struct slice pattern, struct slice model)
{
    return pattern_matches(pattern, model);
}

static void put_tag(struct text *text, const char *store, const char *tenant)
{
    put(text, SLICE("{"));
    put(text, slice_from(store));
    if (tenant != NULL) {
        put(text, SLICE(":"));
        put(text, slice_from(tenant));
    }
    put(text, SLICE("}:v2:"));
}

size_t limit_key_prefix(const struct limit *limit, const char *store, char *out, size_t size)
{
    struct text text = text_in(out, size);
    if (limit->each != EACH_TENANT) {
        put_tag(&text, store, limit->tenant);
        put(&text, SLICE("q:"));
    }
    put(&text, limit->identity);
    return finish(&text);
}

static void put_value(struct text *text, struct slice value)
{
    bool plain = value.len <= LIMIT_VALUE_MAX;
    for (size_t i = 0; plain && i < value.len; i++) {
        plain = is_plain(value.ptr[i]) || value.ptr[i] == ':';
    }
    if (plain) {
        put(text, value);
        return;
    }
    unsigned char hash[SHA256_BYTES];
    char hex[32];
    digest_sha256(value, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hex) / 2), hex);
    put(text, SLICE("#"));
    put(text, slice_make(hex, sizeof(hex)));
}

size_t limit_key_write(const struct limit *limit, const char *store, const char *tenant,
                       struct slice value, char out[LIMIT_KEY_MAX])
{
    struct text text = text_in(out, LIMIT_KEY_MAX);
    switch (limit->each) {
    case EACH_NOTHING:
        put(&text, limit->key);
        break;
    case EACH_TENANT:
        put_tag(&text, store, tenant);
        put(&text, SLICE("each:"));
        put(&text, limit->identity);
        break;
    case EACH_ROUTE:
    case EACH_IP:
    case EACH_HEADER:
        put(&text, limit->key);
        put(&text, SLICE(":"));
        put_value(&text, value);
        break;
    }
    return finish(&text);
}
