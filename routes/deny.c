#include "routes/deny.h"

#include "base/ascii.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/pattern.h"

#include <stdlib.h>
#include <string.h>

struct slice deny_lower(struct slice path, char *out)
{
    for (size_t i = 0; i < path.len; i++) {
        out[i] = ascii_lower(path.ptr[i]);
    }
    return slice_make(out, path.len);
}

/* Some servers take what is behind a ';' for parameters of the segment, and do not look at it. */
static size_t skip_parameters(struct slice path, size_t at)
{
    while (at < path.len && path.ptr[at] != '/') {
        at++;
    }
    return at;
}

/* The byte at *at, decoded once. */
static char take_byte(struct slice path, size_t *at)
{
    unsigned char byte;
    if (path.ptr[*at] == '%' && path.len - *at > 2 &&
        decode_hex(slice_make(path.ptr + *at + 1, 2), &byte) == STATUS_OK) {
        *at += 3;
        return (char)byte;
    }
    return path.ptr[(*at)++];
}

struct slice deny_fold_open(struct slice path, char *out)
{
    size_t len = 0;
    out[len++] = '/';
    for (size_t at = 0; at < path.len;) {
        if (path.ptr[at] == ';') {
            at = skip_parameters(path, at);
            continue;
        }
        char byte = take_byte(path, &at);
        byte = byte == '\\' ? '/' : ascii_lower(byte);
        if (byte != '/' || out[len - 1] != '/') {
            out[len++] = byte;
        }
    }
    return slice_make(out, len);
}

static struct slice without_slash(struct slice path)
{
    bool ends = path.len > 1 && path.ptr[path.len - 1] == '/';
    return slice_make(path.ptr, path.len - ends);
}

struct slice deny_fold(struct slice path, char *out)
{
    return without_slash(deny_fold_open(path, out));
}

void deny_set_call(struct arena *arena, const struct allow_rule *call, struct deny_rule *ret)
{
    ret->call = *call;
    ret->call.next = NULL;
    if (call->path.len > 0) {
        ret->call.path = deny_lower(call->path, arena_reserve(arena, call->path.len));
        ret->folded = deny_fold(call->path, arena_reserve(arena, call->path.len + 1));
    }
}

/* Some servers take "delete" for DELETE. */
static bool fits_method(const struct deny_rule *rule, struct slice method)
{
    return rule->call.method.len == 0 || slice_equal_nocase(rule->call.method, method);
}

/* With the slash at its end, too: "/files//" is in "/files/" and whatever follows. */
static bool fits_path(const struct deny_rule *rule, const struct deny_call *call)
{
    static const struct slice any = SLICE_INIT("");
    struct allow_rule path = {.path = rule->call.path};
    struct allow_rule folded = {.path = rule->folded};
    return allow_matches(&path, any, call->lower) || allow_matches(&folded, any, call->folded) ||
           allow_matches(&folded, any, without_slash(call->folded));
}

/* "X_Env" is X-Env to servers that hand fields on as CGI variables (RFC 3875, 4.1.18). */
static bool same_name(struct slice one, struct slice other)
{
    bool same = one.len == other.len;
    for (size_t i = 0; i < one.len && same; i++) {
        char a = one.ptr[i] == '_' ? '-' : ascii_lower(one.ptr[i]);
        char b = other.ptr[i] == '_' ? '-' : ascii_lower(other.ptr[i]);
        same = a == b;
    }
    return same;
}

/* As it is, or as one of a list (RFC 9110, section 5.6.1). */
static bool fits_value(struct slice pattern, struct slice value)
{
    bool fits = pattern_matches(pattern, value);
    for (struct slice rest = value; rest.len > 0 && !fits;) {
        struct slice member = slice_make(rest.ptr, slice_find(rest, ','));
        rest = slice_skip(rest, member.len + 1);
        fits = pattern_matches(pattern, slice_trim(member));
    }
    return fits;
}

static bool has_header(const struct deny_header *header, const struct deny_call *call)
{
    for (unsigned i = 0; i < call->field_count; i++) {
        if (same_name(call->fields[i].name, header->name) &&
            fits_value(header->pattern, call->fields[i].value)) {
            return true;
        }
    }
    return false;
}

bool deny_fits_head(const struct deny_rule *rule, const struct deny_call *call)
{
    if (rule->route_index != call->route_index || !fits_method(rule, call->method) ||
        !fits_path(rule, call)) {
        return false;
    }
    for (unsigned i = 0; i < rule->header_count; i++) {
        if (!has_header(&rule->headers[i], call)) {
            return false;
        }
    }
    return true;
}

bool deny_reads_body(const struct deny_rule *rule)
{
    return rule->model.len > 0 || rule->field_count > 0;
}

/* ---- values in bodies ---- */

static bool is_anything(struct slice pattern)
{
    return pattern.len > 0 && pattern_matches(pattern, SLICE(""));
}

/* All of it as a number; false: it is none, or a pattern. */
static bool read_number(struct slice text, double *ret)
{
    char copy[JSON_SCAN_TEXT + 1];
    char *end = NULL;
    bool plain = text.len > 0 && text.len <= JSON_SCAN_TEXT;
    for (size_t i = 0; i < text.len && plain; i++) {
        plain = memchr("0123456789+-.eE", text.ptr[i], 15) != NULL;
    }
    if (!plain) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret = strtod(copy, &end);
    return end == copy + text.len;
}

/* 5, 5.0 and 50e-1 are one number, however they are written. */
static bool same_number(struct slice pattern, struct slice text)
{
    double wanted = 0;
    double number = 0;
    return read_number(pattern, &wanted) && read_number(text, &number) && wanted == number;
}

enum deny_value deny_value(struct slice pattern, const struct json_found *found)
{
    struct slice text = found->text;
    bool fits = is_anything(pattern);
    switch ((int)found->kind) {
    case JSON_TRUE:
        text = SLICE("true");
        break;
    case JSON_FALSE:
        text = SLICE("false");
        break;
    case JSON_NULL:
        text = SLICE("null");
        break;
    case JSON_STRING:
        break;
    case JSON_NUMBER:
        fits = fits || (found->whole && same_number(pattern, text));
        break;
    default: /* an object or an array is no text; scalars in an array come by themselves */
        return fits ? DENY_VALUE_FITS : DENY_VALUE_DIFFERS;
    }
    if (!fits && !found->whole) {
        return DENY_VALUE_TOO_LONG;
    }
    return fits || pattern_matches(pattern, text) ? DENY_VALUE_FITS : DENY_VALUE_DIFFERS;
}
