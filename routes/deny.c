#include "routes/deny.h"

#include "base/ascii.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/pattern.h"

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

struct slice deny_fold(struct slice path, char *out)
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
    return slice_make(out, len > 1 && out[len - 1] == '/' ? len - 1 : len);
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

static bool fits_path(const struct deny_rule *rule, const struct deny_call *call)
{
    struct allow_rule folded = rule->call;
    folded.path = rule->folded;
    return allow_matches(&rule->call, call->method, call->lower) ||
           allow_matches(&folded, call->method, call->folded);
}

static bool has_header(const struct deny_header *header, const struct deny_call *call)
{
    for (unsigned i = 0; i < call->field_count; i++) {
        if (http1_field_is(&call->fields[i], header->name, header->hash) &&
            pattern_matches(header->pattern, call->fields[i].value)) {
            return true;
        }
    }
    return false;
}

bool deny_fits_head(const struct deny_rule *rule, const struct deny_call *call)
{
    if (rule->route_index != call->route_index || !fits_path(rule, call)) {
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
