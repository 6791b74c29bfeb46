#include "routes/injection.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/memory.h"

#include <string.h>

static const char *const place_names[] = {
    [INJECT_HEADER] = "header", [INJECT_QUERY] = "query", [INJECT_PATH] = "path",
    [INJECT_BASIC] = "basic",   [INJECT_BODY] = "body",
};

enum { PLACE_COUNT = sizeof(place_names) / sizeof(place_names[0]) };

static const struct slice marks[] = {
    [INJECT_SECRET] = SLICE_INIT("{secret}"),
    [INJECT_USER] = SLICE_INIT("{user}"),
    [INJECT_PASSWORD] = SLICE_INIT("{password}"),
};

enum { MARK_COUNT = sizeof(marks) / sizeof(marks[0]) };

const char *injection_place_name(enum injection_place place)
{
    return place_names[place];
}

bool injection_place_read(struct slice text, enum injection_place *ret)
{
    for (unsigned i = 0; i < PLACE_COUNT; i++) {
        if (slice_equal(text, slice_from(place_names[i]))) {
            *ret = (enum injection_place)i;
            return true;
        }
    }
    return false;
}

/* ---- templates ---- */

/* The placeholder that `text` begins with. False: none. */
static bool mark_at(struct slice text, enum injection_part *ret)
{
    for (unsigned i = 0; i < MARK_COUNT; i++) {
        if (slice_starts_with(text, marks[i])) {
            *ret = (enum injection_part)i;
            return true;
        }
    }
    return false;
}

/* "{word}" that is none of ours would be sent as it is, which nobody means. */
static bool unknown_mark_at(struct slice text)
{
    size_t at = 1;
    while (at < text.len && (ascii_is_alphanumeric(text.ptr[at]) || text.ptr[at] == '_')) {
        at++;
    }
    return text.ptr[0] == '{' && at > 1 && at < text.len && text.ptr[at] == '}';
}

enum status injection_template_read(struct slice text, struct injection *ret, struct error *err)
{
    const char *example = ret->place == INJECT_HEADER ? "\"Bearer {secret}\"" : "\"{secret}\"";
    size_t from = 0;
    ret->piece_count = 0;
    for (size_t at = 0; at < text.len;) {
        struct slice rest = slice_skip(text, at);
        enum injection_part part;
        if (!mark_at(rest, &part)) {
            if (unknown_mark_at(rest)) {
                FAIL(err, STATUS_INVALID,
                     "only {secret}, {user} and {password} are filled in, as in %s", example);
            }
            at++;
            continue;
        }
        if (ret->piece_count == INJECTION_PIECES_MAX) {
            FAIL(err, STATUS_INVALID, "at most %d placeholders can be filled in",
                 INJECTION_PIECES_MAX);
        }
        ret->pieces[ret->piece_count].before = slice_make(text.ptr + from, at - from);
        ret->pieces[ret->piece_count].part = part;
        ret->piece_count++;
        at += marks[part].len;
        from = at;
    }
    ret->after = slice_skip(text, from);
    if (ret->piece_count == 0) {
        FAIL(err, STATUS_INVALID, "write {secret} where the secret goes, as in %s", example);
    }
    return STATUS_OK;
}

/* Letters, digits and `others`. */
static bool made_of(struct slice text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (!ascii_is_alphanumeric(byte) && (byte == '\0' || strchr(others, byte) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool literal_fits(enum injection_place place, struct slice text)
{
    switch (place) {
    case INJECT_HEADER:
    case INJECT_BASIC:
    case INJECT_BODY:
        return http1_valid_field_value(text);
    case INJECT_QUERY:
        return made_of(text, "-._~:@/,");
    case INJECT_PATH:
        return made_of(text, "-._~!$&'()*+,;=:@/");
    }
    return false;
}

enum status injection_literals_check(const struct injection *injection, struct error *err)
{
    bool fits = literal_fits(injection->place, injection->after);
    for (unsigned i = 0; i < injection->piece_count; i++) {
        fits = fits && literal_fits(injection->place, injection->pieces[i].before);
    }
    if (!fits) {
        FAIL(err, STATUS_INVALID,
             "around {secret} there are characters that a %s cannot have as they are",
             injection->place == INJECT_BASIC ? "header" : place_names[injection->place]);
    }
    return STATUS_OK;
}

/* ---- lists ---- */

static bool same_place(const struct injection *a, const struct injection *b)
{
    bool a_header = a->place == INJECT_HEADER || a->place == INJECT_BASIC;
    bool b_header = b->place == INJECT_HEADER || b->place == INJECT_BASIC;
    if (a_header && b_header) {
        return slice_equal_nocase(a->name, b->name);
    }
    return a->place == b->place && (a->place == INJECT_PATH || slice_equal(a->name, b->name));
}

enum status injection_beside_check(const struct injection *others, unsigned count,
                                   const struct injection *injection, struct error *err)
{
    for (unsigned i = 0; i < count; i++) {
        if (same_place(&others[i], injection)) {
            FAIL(err, STATUS_INVALID,
                 "another of the list goes to the same place; keep one of"
                 " them");
        }
    }
    return STATUS_OK;
}

static bool is_one_header(const struct injection *list, unsigned count)
{
    return count == 1 && list->place == INJECT_HEADER && list->piece_count == 1 &&
           list->pieces[0].part == INJECT_SECRET;
}

struct injections injections_of(struct arena *arena, const struct injection *list, unsigned count)
{
    struct injections all = {.list = list, .count = count};
    for (unsigned i = 0; i < count; i++) {
        all.places |= 1U << list[i].place;
        for (unsigned k = 0; k < list[i].piece_count; k++) {
            all.needs_pair = all.needs_pair || list[i].pieces[k].part != INJECT_SECRET;
        }
    }
    if (is_one_header(list, count)) {
        all.line_before = slice_from(arena_print(arena, "%.*s: %.*s", SLICE_ARG(list->name),
                                                 SLICE_ARG(list->pieces[0].before)));
        all.line_after = slice_from(arena_print(arena, "%.*s\r\n", SLICE_ARG(list->after)));
    }
    return all;
}

bool injections_has_header(const struct injections *injections, struct slice name)
{
    for (unsigned i = 0; i < injections->count; i++) {
        const struct injection *injection = &injections->list[i];
        if ((injection->place == INJECT_HEADER || injection->place == INJECT_BASIC) &&
            slice_equal_nocase(injection->name, name)) {
            return true;
        }
    }
    return false;
}

/* ---- filled in ---- */

bool injection_values_split(struct slice secret, struct injection_values *ret)
{
    size_t colon = slice_find(secret, ':');
    *ret = (struct injection_values){
        .secret = secret,
        .user = slice_make(secret.ptr, colon),
        .password = slice_skip(secret, colon + 1),
    };
    return colon < secret.len;
}

struct slice injection_value(const struct injection_values *values, enum injection_part part)
{
    switch (part) {
    case INJECT_SECRET:
        return values->secret;
    case INJECT_USER:
        return values->user;
    case INJECT_PASSWORD:
        return values->password;
    }
    return values->secret;
}

size_t injection_len(const struct injection *injection, const struct injection_values *values)
{
    size_t len = injection->after.len;
    for (unsigned i = 0; i < injection->piece_count; i++) {
        len += injection->pieces[i].before.len +
               injection_value(values, injection->pieces[i].part).len;
    }
    return len;
}

enum status injection_write(const struct injection *injection,
                            const struct injection_values *values, struct buffer *out)
{
    for (unsigned i = 0; i < injection->piece_count; i++) {
        TRY(buffer_append(out, injection->pieces[i].before));
        TRY(buffer_append(out, injection_value(values, injection->pieces[i].part)));
    }
    return buffer_append(out, injection->after);
}

enum status injection_write_encoded(const struct injection *injection,
                                    const struct injection_values *values, struct buffer *out)
{
    for (unsigned i = 0; i < injection->piece_count; i++) {
        TRY(buffer_append(out, injection->pieces[i].before));
        TRY(encode_percent(injection_value(values, injection->pieces[i].part), out));
    }
    return buffer_append(out, injection->after);
}

enum status injection_template_write(const struct injection *injection, struct buffer *out)
{
    const struct injection_values values = {
        .secret = marks[INJECT_SECRET],
        .user = marks[INJECT_USER],
        .password = marks[INJECT_PASSWORD],
    };
    return injection_write(injection, &values, out);
}
