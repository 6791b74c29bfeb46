#include "base/json_edit.h"

#include "base/buffer.h"
#include "base/encode.h"

#include <assert.h>

/* One pass over the object. */
struct finder {
    struct slice object;
    struct slice name;
    struct json_member found;
    size_t begin; /* of the value, where it is `open` */
    bool open;
    struct error *err;
};

static size_t blanks(struct slice text)
{
    size_t count = 0;
    while (count < text.len && memchr(" \t\r\n", text.ptr[count], 4) != NULL) {
        count++;
    }
    return count;
}

/* `rest` is what stands behind the name. Whether a colon and a value do is seen next. */
static size_t value_begin(const struct finder *finder, struct slice rest)
{
    rest = slice_skip(rest, blanks(rest) + 1);
    return finder->object.len - slice_skip(rest, blanks(rest)).len;
}

static enum status on_name(struct finder *finder, const struct json_scan *scan, struct slice rest)
{
    if (scan->depth != 1 || !json_scan_is(scan, finder->name)) {
        return STATUS_OK;
    }
    if (finder->found.value.ptr != NULL) {
        FAIL(finder->err, STATUS_INVALID,
             "\"%.*s\" is there twice, and that can be read in two ways: send it once",
             SLICE_ARG(finder->name));
    }
    finder->open = true;
    finder->begin = value_begin(finder, rest);
    finder->found.kind = JSON_MORE;
    return STATUS_OK;
}

static void on_value(struct finder *finder, enum json_event event, const struct json_scan *scan,
                     struct slice rest)
{
    if (!finder->open || scan->depth != 1) {
        return;
    }
    if (finder->found.kind == JSON_MORE) {
        finder->found.kind = event;
    }
    if (event != JSON_OBJECT_BEGIN && event != JSON_ARRAY_BEGIN) {
        size_t end = finder->object.len - rest.len;
        finder->found.value = slice_make(finder->object.ptr + finder->begin, end - finder->begin);
        finder->open = false;
    }
}

static enum status find(struct finder *finder)
{
    struct json_scan scan;
    enum json_event event;
    struct slice rest = finder->object;
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &rest)) > JSON_MORE) {
        if (scan.depth == 0 && event != JSON_OBJECT_BEGIN && event != JSON_OBJECT_END) {
            FAIL(finder->err, STATUS_INVALID, "no JSON object");
        }
        if (event == JSON_NAME) {
            TRY(on_name(finder, &scan, rest));
        } else {
            on_value(finder, event, &scan, rest);
        }
    }
    event = event == JSON_MORE ? json_scan_end(&scan) : event;
    if (event == JSON_INVALID) {
        FAIL(finder->err, STATUS_INVALID, "no JSON: %s", json_scan_fault(&scan));
    }
    if (event != JSON_DONE) { /* a number, which only its end shows */
        FAIL(finder->err, STATUS_INVALID, "no JSON object");
    }
    return STATUS_OK;
}

enum status json_member_find(struct slice object, struct slice name, struct json_member *ret,
                             struct error *err)
{
    struct finder finder = {.object = object, .name = name, .err = err};
    TRY(find(&finder));
    *ret = finder.found;
    return STATUS_OK;
}

/* The scan has seen that it is an object, so its first brace is the object's. */
static enum status put_first(struct slice object, struct slice name, struct slice value,
                             struct buffer *out)
{
    size_t behind = slice_find(object, '{') + 1;
    struct slice rest = slice_skip(object, behind);
    size_t before = blanks(rest);
    bool empty = rest.ptr[before] == '}';
    TRY(buffer_append(out, slice_make(object.ptr, behind)));
    TRY(encode_json_string(name, out));
    TRY(buffer_append(out, SLICE(":")));
    TRY(buffer_append(out, value));
    TRY(buffer_append(out, empty ? SLICE("") : SLICE(",")));
    return buffer_append(out, rest);
}

enum status json_member_write(struct slice object, const struct json_member *found,
                              struct slice name, struct slice value, struct buffer *out)
{
    assert(object.ptr != NULL); /* json_member_find() has seen that it is an object */
    if (found->value.ptr == NULL) {
        return put_first(object, name, value, out);
    }
    size_t before = (size_t)(found->value.ptr - object.ptr);
    TRY(buffer_append(out, slice_make(object.ptr, before)));
    TRY(buffer_append(out, value));
    return buffer_append(out, slice_skip(object, before + found->value.len));
}

enum status json_member_put(struct slice object, struct slice name, struct slice value,
                            struct buffer *out, struct error *err)
{
    struct json_member member;
    TRY(json_member_find(object, name, &member, err));
    return json_member_write(object, &member, name, value, out);
}
