/*
 * Fuzzes the finding and writing of a member, against the obvious way: a tree.
 *
 * Known to differ, and not compared: "\u0000" is refused by json_parse(), which also reads only so
 * many digits of a number.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "base/json_edit.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TREE_DEPTH = 256, LONGEST_NUMBER = 60, WRITTEN_MORE = 16 };

static const struct slice name = SLICE_INIT("k");
static const struct slice written = SLICE_INIT("[7]");
static const struct json_limits limits = {
    .bytes = SIZE_MAX, .depth = TREE_DEPTH, .names = JSON_NAMES_ANY};

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static unsigned count_named(const struct cJSON *object)
{
    unsigned count = 0;
    for (const struct cJSON *item = json_first(object); item != NULL; item = json_next(item)) {
        count += slice_equal(slice_from(json_name(item)), name) ? 1 : 0;
    }
    return count;
}

static bool is_compared(struct slice text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        digits = text.ptr[i] == '.' || ascii_is_digit(text.ptr[i]) ? digits + 1 : 0;
        if (digits > LONGEST_NUMBER || slice_starts_with(slice_skip(text, i), SLICE("\\u0000"))) {
            return false;
        }
    }
    return true;
}

/* The same value, read alone and as the member. */
static void check_value(const struct cJSON *object, const struct json_member *member)
{
    struct cJSON *alone CLEANUP(json_free_at) = NULL;
    struct buffer ours CLEANUP(buffer_fini);
    struct buffer theirs CLEANUP(buffer_fini);
    buffer_init(&ours, SIZE_MAX / 2);
    buffer_init(&theirs, SIZE_MAX / 2);
    check(json_parse(member->value, &limits, &alone, NULL) == STATUS_OK);
    check(json_write(alone, &ours) == STATUS_OK);
    check(json_write(json_get(object, "k"), &theirs) == STATUS_OK);
    check(slice_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
    check(json_is_object(alone) == (member->kind == JSON_OBJECT_BEGIN));
    check(json_is_array(alone) == (member->kind == JSON_ARRAY_BEGIN));
    struct slice text;
    check(json_string(alone, &text) == (member->kind == JSON_STRING));
}

static void check_put(struct slice object, const struct json_member *before)
{
    struct json_member after;
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, object.len + WRITTEN_MORE);
    check(json_member_put(object, name, written, &out, NULL) == STATUS_OK);
    struct slice text = buffer_bytes(&out);
    check(json_member_find(text, name, &after, NULL) == STATUS_OK);
    check(slice_equal(after.value, written) && after.kind == JSON_ARRAY_BEGIN);
    if (before->value.ptr != NULL) {
        size_t front = (size_t)(before->value.ptr - object.ptr);
        check(slice_starts_with(text, slice_make(object.ptr, front)));
        check(slice_equal(slice_skip(text, front + written.len),
                          slice_skip(object, front + before->value.len)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice object = slice_make((const char *)data, size);
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct json_member member;
    struct error err = {0};
    enum status status = json_member_find(object, name, &member, &err);
    check(status == STATUS_OK || err.message[0] != '\0');
    if (status == STATUS_OK) {
        check_put(object, &member);
    }
    if (status != STATUS_OK || !is_compared(object)) {
        return 0;
    }
    check(json_parse(object, &limits, &root, NULL) == STATUS_OK && json_is_object(root));
    check(count_named(root) == (member.value.ptr != NULL ? 1U : 0U));
    if (member.value.ptr != NULL) {
        check_value(root, &member);
    }
    return 0;
}
