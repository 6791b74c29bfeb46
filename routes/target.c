#include "routes/target.h"

#include "base/buffer.h"
#include "routes/route.h"

#include <assert.h>

/* The byte that "%XX" at the front of `text` stands for, or -1 if that is not what is there. */
static int decode_triplet(struct slice text)
{
    if (text.len < 3 || text.ptr[0] != '%') {
        return -1;
    }
    unsigned high = ascii_hex_value(text.ptr[1]);
    unsigned low = ascii_hex_value(text.ptr[2]);
    return high == ASCII_NOT_HEX || low == ASCII_NOT_HEX ? -1 : (int)(high << 4 | low);
}

/* What was seen of a path segment: only as much as tells "." and ".." from the rest. */
enum segment {
    SEGMENT_EMPTY,
    SEGMENT_DOT,
    SEGMENT_DOTS,
    SEGMENT_DOT_PARAMETERS, /* ".;x" or "..;x": some servers cut the parameters off, then resolve */
    SEGMENT_NAME,
};

static enum segment segment_after(enum segment segment, int byte, bool encoded)
{
    if (byte == '.') {
        switch (segment) {
        case SEGMENT_EMPTY:
            return SEGMENT_DOT;
        case SEGMENT_DOT:
            return SEGMENT_DOTS;
        case SEGMENT_DOT_PARAMETERS:
            return segment;
        case SEGMENT_DOTS:
        case SEGMENT_NAME:
            return SEGMENT_NAME;
        }
    }
    if (segment == SEGMENT_DOT_PARAMETERS) {
        return segment;
    }
    if (byte == ';' && !encoded && (segment == SEGMENT_DOT || segment == SEGMENT_DOTS)) {
        return SEGMENT_DOT_PARAMETERS;
    }
    return SEGMENT_NAME;
}

static bool segment_is_dots(enum segment segment)
{
    return segment != SEGMENT_EMPTY && segment != SEGMENT_NAME;
}

static enum status check_path(struct slice path, struct error *err)
{
    enum segment segment = SEGMENT_EMPTY;
    for (size_t i = 0; i < path.len; i++) {
        int byte = (unsigned char)path.ptr[i];
        bool encoded = byte == '%';
        if (encoded) {
            byte = decode_triplet(slice_skip(path, i));
            i += 2;
        }
        if (byte < 0) {
            FAIL(err, STATUS_INVALID,
                 "the path has a %% without two hex digits; write %%25 for a percent sign");
        }
        if (byte == 0) {
            FAIL(err, STATUS_INVALID, "the path contains %%00");
        }
        if (byte != '/' && byte != '\\') {
            segment = segment_after(segment, byte, encoded);
            continue;
        }
        if (segment_is_dots(segment)) {
            break;
        }
        segment = SEGMENT_EMPTY;
    }
    if (segment_is_dots(segment)) {
        FAIL(err, STATUS_INVALID,
             "the path has a segment . or ..; resolve it before the request is sent");
    }
    return STATUS_OK;
}

enum status target_check(struct slice target, struct slice *ret_path, struct slice *ret_query,
                         struct error *err)
{
    if (target.len == 0 || target.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "the request target must begin with /");
    }
    size_t mark = target.len;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char byte = (unsigned char)target.ptr[i];
        if (byte <= ' ' || byte > 0x7e || byte == '#') {
            FAIL(err, STATUS_INVALID,
                 "the request target has the byte 0x%02x, which must be percent-encoded", byte);
        }
        if (byte == '?' && mark == target.len) {
            mark = i;
        }
    }
    struct slice path = slice_make(target.ptr, mark);
    TRY(check_path(path, err));
    *ret_path = path;
    *ret_query = mark == target.len ? slice_make(NULL, 0) : slice_skip(target, mark + 1);
    return STATUS_OK;
}

enum pattern_start target_compare(struct slice *pattern, struct slice *path)
{
    size_t same = 0;
    size_t slash = 0;
    bool marked = false;
    while (same < pattern->len) {
        char byte = pattern->ptr[same];
        marked = byte == '*' || byte == '{';
        if (marked || same == path->len || path->ptr[same] != byte) {
            break;
        }
        slash = byte == '/' ? same : slash;
        same++;
    }
    if (!marked) {
        return same == pattern->len && same == path->len ? PATTERN_EQUALS : PATTERN_DIFFERS;
    }
    *pattern = slice_skip(*pattern, slash);
    *path = slice_skip(*path, slash);
    return PATTERN_OPEN;
}

struct slice target_normalize(struct slice path, char *out)
{
    size_t len = 0;
    if (slice_find(path, '%') == path.len) {
        return path;
    }
    for (size_t i = 0; i < path.len; i++) {
        int byte = path.ptr[i] == '%' ? decode_triplet(slice_skip(path, i)) : -1;
        if (byte >= 0 && ascii_is_unreserved((char)byte)) {
            out[len++] = (char)byte;
            i += 2;
        } else {
            out[len++] = path.ptr[i];
        }
    }
    return slice_make(out, len);
}

/* Takes the next parameter off the front of *query, with the '&' behind it. Not to be called when
 * the one before had no '&' behind it. */
static struct slice take_parameter(struct slice *query, bool *ret_more)
{
    size_t end = slice_find(*query, '&');
    struct slice parameter = slice_make(query->ptr, end);
    *ret_more = end < query->len;
    *query = slice_skip(*query, end + 1);
    return parameter;
}

/* As servers decode it: what is no valid triplet stands for itself. */
static bool parameter_is(struct slice parameter, struct slice name)
{
    struct slice written = slice_make(parameter.ptr, slice_find(parameter, '='));
    size_t matched = 0;
    for (size_t i = 0; i < written.len; i++) {
        int byte = decode_triplet(slice_skip(written, i));
        if (byte >= 0) {
            i += 2;
        } else {
            byte = written.ptr[i] == '+' ? ' ' : (unsigned char)written.ptr[i];
        }
        if (matched == name.len || byte != (unsigned char)name.ptr[matched]) {
            return false;
        }
        matched++;
    }
    return matched == name.len;
}

bool target_query_get(struct slice query, struct slice name, struct slice *ret_value)
{
    bool more = query.ptr != NULL;
    while (more) {
        struct slice parameter = take_parameter(&query, &more);
        if (parameter_is(parameter, name)) {
            *ret_value = slice_skip(parameter, slice_find(parameter, '=') + 1);
            return true;
        }
    }
    return false;
}

static bool is_dropped(struct slice parameter, const struct slice *drop, unsigned drop_count)
{
    for (unsigned i = 0; i < drop_count; i++) {
        if (parameter_is(parameter, drop[i])) {
            return true;
        }
    }
    return false;
}

enum status target_write_query(struct slice query, const struct slice *drop, unsigned drop_count,
                               struct buffer *out)
{
    bool more = query.ptr != NULL;
    char mark = '?';
    if (more && drop_count == 0) {
        TRY(buffer_append(out, SLICE("?")));
        return buffer_append(out, query);
    }
    while (more) {
        struct slice parameter = take_parameter(&query, &more);
        if (is_dropped(parameter, drop, drop_count)) {
            continue;
        }
        TRY(buffer_append(out, slice_make(&mark, 1)));
        TRY(buffer_append(out, parameter));
        mark = '&';
    }
    return STATUS_OK;
}

enum status target_write(const struct route *route, struct slice path, struct slice query,
                         const struct slice *drop, unsigned drop_count, struct buffer *out)
{
    assert(slice_starts_with(path, route->path));
    struct slice rest = slice_skip(path, route->path.len);
    if (rest.len == 0 && route->base_path.len == 0) {
        rest = SLICE("/");
    }
    TRY(buffer_append(out, route->base_path));
    TRY(buffer_append(out, rest));
    return target_write_query(query, drop, drop_count, out);
}
