#include "gateway/webhook/json_at.h"

#include "base/json_scan.h"

enum { LEVELS_MAX = 64 };

/* Where the reader stands, compared with where it wants to be. */
struct walk {
    struct json_scan scan;
    struct slice rest; /* of the pointer, from the '/' before the part that is looked for */
    unsigned matched;  /* parts of the pointer that lead to where it is */
    uint64_t index;    /* of the next item, if an array is looked through */
    bool in_array;
    bool next_fits; /* the value that comes is the one that the part names */
};

/* "/a~1b/c": the part "a~1b". */
static struct slice first_part(struct slice pointer)
{
    struct slice part = slice_skip(pointer, 1);
    part.len = slice_find(part, '/');
    return part;
}

/* The part with ~1 as '/' and ~0 as '~' is that text. */
static bool part_is(struct slice part, struct slice text)
{
    size_t at = 0;
    for (size_t i = 0; i < part.len; i++) {
        char byte = part.ptr[i];
        if (byte == '~' && i + 1 < part.len) {
            byte = part.ptr[++i] == '1' ? '/' : '~';
        }
        if (at == text.len || text.ptr[at++] != byte) {
            return false;
        }
    }
    return at == text.len;
}

static bool part_is_index(struct slice part, uint64_t index)
{
    uint64_t number = 0;
    bool plain = part.len == 1 || (part.len > 0 && part.ptr[0] != '0');
    return plain && slice_number(part, UINT64_MAX, &number) && number == index;
}

/* A value begins, of the object or array that is looked through: is it the one? */
static bool fits(struct walk *walk)
{
    if (walk->matched > 0 || walk->scan.depth > 0) {
        if (walk->scan.depth != walk->matched + 1) {
            return false;
        }
        if (walk->in_array) {
            return part_is_index(first_part(walk->rest), walk->index++);
        }
        return walk->next_fits;
    }
    return true;
}

static bool is_last_part(const struct walk *walk)
{
    return walk->rest.len == 0 ||
           (walk->scan.depth > 0 && first_part(walk->rest).len + 1 == walk->rest.len);
}

static void note_name(struct walk *walk)
{
    walk->next_fits = !walk->in_array && walk->scan.depth == walk->matched + 1 &&
                      json_scan_whole(&walk->scan) &&
                      part_is(first_part(walk->rest), json_scan_text(&walk->scan));
}

/* It is an object or array on the way: what it holds is looked through. */
static void enter(struct walk *walk, bool is_array)
{
    if (walk->scan.depth > 0) {
        walk->rest = slice_skip(walk->rest, 1 + first_part(walk->rest).len);
        walk->matched++;
    }
    walk->in_array = is_array;
    walk->index = 0;
    walk->next_fits = false;
}

static bool take_text(struct walk *walk, enum json_event event, char out[JSON_AT_BYTES],
                      struct slice *ret)
{
    bool last = walk->scan.depth > 0 ? first_part(walk->rest).len + 1 == walk->rest.len
                                     : walk->rest.len == 0;
    struct slice text = event == JSON_TRUE    ? SLICE("true")
                        : event == JSON_FALSE ? SLICE("false")
                                              : json_scan_text(&walk->scan);
    bool is_text = event == JSON_STRING || event == JSON_NUMBER;
    if (!last || event == JSON_NULL || (is_text && !json_scan_whole(&walk->scan)) ||
        text.len > JSON_AT_BYTES) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    *ret = slice_make(out, text.len);
    return true;
}

bool json_at(struct slice json, struct slice pointer, char out[JSON_AT_BYTES],
             struct slice *ret_text)
{
    struct walk walk = {.rest = pointer};
    json_scan_init(&walk.scan);
    for (;;) {
        enum json_event event = json_scan_next(&walk.scan, &json);
        switch (event) {
        case JSON_INVALID:
        case JSON_DONE:
        case JSON_MORE:
            return false;
        case JSON_OBJECT_BEGIN:
        case JSON_ARRAY_BEGIN:
            if (fits(&walk)) {
                if (is_last_part(&walk)) {
                    return false; /* it is what the pointer names */
                }
                enter(&walk, event == JSON_ARRAY_BEGIN);
            }
            break;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
            if (walk.scan.depth == walk.matched) {
                return false; /* nothing in it was the one */
            }
            break;
        case JSON_NAME:
            note_name(&walk);
            break;
        case JSON_STRING:
        case JSON_NUMBER:
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_NULL:
            if (fits(&walk)) {
                return take_text(&walk, event, out, ret_text);
            }
            break;
        }
    }
}

/* ---- an array's elements ---- */

/* Reads up to the array's begin, which is in `scan` then. */
static bool find_array(struct walk *walk, struct slice *json)
{
    for (;;) {
        enum json_event event = json_scan_next(&walk->scan, json);
        switch (event) {
        case JSON_INVALID:
        case JSON_DONE:
        case JSON_MORE:
            return false;
        case JSON_OBJECT_BEGIN:
        case JSON_ARRAY_BEGIN:
            if (fits(walk)) {
                if (is_last_part(walk)) {
                    return event == JSON_ARRAY_BEGIN;
                }
                enter(walk, event == JSON_ARRAY_BEGIN);
            }
            break;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
            if (walk->scan.depth == walk->matched) {
                return false;
            }
            break;
        case JSON_NAME:
            note_name(walk);
            break;
        case JSON_STRING:
        case JSON_NUMBER:
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_NULL:
            if (fits(walk)) {
                return false;
            }
            break;
        }
    }
}

/* What stands before an element. */
static struct slice skip_comma(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n,", text.ptr[0]) != NULL) {
        text = slice_skip(text, 1);
    }
    return text;
}

/* The elements behind its begin. `each` NULL: they are counted. */
static bool read_elements(struct json_scan *scan, struct slice json, uint64_t most, void *ctx,
                          void (*each)(void *ctx, uint64_t index, struct slice element),
                          uint64_t *ret_count)
{
    unsigned inside = scan->depth + 1;
    struct slice element = json;
    *ret_count = 0;
    while (*ret_count < most) {
        struct slice before = json;
        enum json_event event = json_scan_next(scan, &json);
        if (event == JSON_INVALID || event == JSON_DONE || event == JSON_MORE ||
            scan->depth < inside) {
            return event == JSON_ARRAY_END;
        }
        if (scan->depth > inside) {
            continue;
        }
        if (event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN) {
            element = skip_comma(before);
            continue;
        }
        uint64_t index = (*ret_count)++;
        if ((event == JSON_OBJECT_END || event == JSON_ARRAY_END) && each != NULL) {
            each(ctx, index, slice_make(element.ptr, (size_t)(json.ptr - element.ptr)));
        }
    }
    return true;
}

uint64_t json_each_at(struct slice json, struct slice pointer, uint64_t most, void *ctx,
                      void (*each)(void *ctx, uint64_t index, struct slice element))
{
    struct walk walk = {.rest = pointer};
    uint64_t count = 0;
    uint64_t told = 0;
    json_scan_init(&walk.scan);
    if (!find_array(&walk, &json)) {
        return 0;
    }
    struct json_scan again = walk.scan;
    if (!read_elements(&walk.scan, json, UINT64_MAX, NULL, NULL, &count)) {
        return 0;
    }
    (void)read_elements(&again, json, most, ctx, each, &told);
    return count;
}
