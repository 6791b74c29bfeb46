/*
 * Fuzzes the edits of webhooks' bodies, against the obvious way: a tree.
 *
 * Known to differ, and not compared: "\u0000" is refused by json_parse(), which also reads only so
 * many digits of a number, and takes some escapes for one that json_scan refuses.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "config/hook.h"
#include "gateway/webhook/transform.h"

#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TREE_DEPTH = 256, LONGEST_NUMBER = 60, WRITTEN_MORE = 64 };

static const struct json_limits limits = {
    .bytes = SIZE_MAX, .depth = TREE_DEPTH, .names = JSON_NAMES_ANY};

static const struct hook_edit drop = {.kind = HOOK_DROP, .from = SLICE_INIT("/k")};
static const struct hook_edit rename_it = {
    .kind = HOOK_RENAME, .from = SLICE_INIT("/a"), .to = SLICE_INIT("/b")};
/* Whatever they do, the text stays one. */
static const struct hook_edit wild[] = {
    {.kind = HOOK_RENAME, .from = SLICE_INIT("/a/b"), .to = SLICE_INIT("/a")},
    {.kind = HOOK_RENAME, .from = SLICE_INIT("/a"), .to = SLICE_INIT("/b/c")},
    {.kind = HOOK_DROP, .from = SLICE_INIT("/b/0")},
    {.kind = HOOK_RENAME, .from = SLICE_INIT("/b/1"), .to = SLICE_INIT("/~0\"")},
    {.kind = HOOK_RENAME, .from = SLICE_INIT("/"), .to = SLICE_INIT("/b/c/d")},
    {.kind = HOOK_DROP, .from = SLICE_INIT("/b/c")},
};

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static bool apply(const struct hook_edit *edits, unsigned count, struct slice body,
                  struct buffer *out)
{
    bool changed;
    buffer_init(out, body.len + WRITTEN_MORE);
    check(transform_body(edits, count, body, out, &changed) == STATUS_OK);
    check(changed || buffer_len(out) == 0);
    return changed;
}

static bool is_json(struct slice text)
{
    struct json_scan scan;
    enum json_event event;
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &text)) > JSON_MORE) {
    }
    while (event >= JSON_MORE) {
        event = json_scan_end(&scan);
    }
    return event == JSON_DONE;
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
    return is_json(text);
}

static bool is_named(const struct cJSON *item, const char *name)
{
    return slice_equal(slice_from(item->string), slice_from(name));
}

/* But `keep`. */
static void delete_named(struct cJSON *object, const char *name, const struct cJSON *keep)
{
    for (struct cJSON *item = object->child; item != NULL;) {
        struct cJSON *next = item->next;
        if (item != keep && is_named(item, name)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
        }
        item = next;
    }
}

static void rename_in_tree(struct cJSON *object)
{
    struct cJSON *last = NULL;
    for (struct cJSON *item = object->child; item != NULL; item = item->next) {
        last = is_named(item, "a") ? item : last;
    }
    if (last != NULL) {
        delete_named(object, "a", last);
        delete_named(object, "b", NULL);
        last->string[0] = 'b';
    }
}

static void write(const struct cJSON *tree, struct buffer *out)
{
    buffer_init(out, SIZE_MAX / 2);
    check(json_write(tree, out) == STATUS_OK);
}

/* `text`, read and written, is what the tree is. */
static void check_same(struct slice text, const struct cJSON *tree)
{
    struct cJSON *own CLEANUP(json_free_at) = NULL;
    struct buffer ours CLEANUP(buffer_fini);
    struct buffer theirs CLEANUP(buffer_fini);
    check(json_parse(text, &limits, &own, NULL) == STATUS_OK);
    write(own, &ours);
    write(tree, &theirs);
    check(slice_equal(buffer_bytes(&ours), buffer_bytes(&theirs)));
}

static void check_edit(struct slice body, const struct hook_edit *edit)
{
    struct buffer out CLEANUP(buffer_fini);
    struct cJSON *tree CLEANUP(json_free_at) = NULL;
    bool changed = apply(edit, 1, body, &out);
    if (changed) {
        struct buffer again CLEANUP(buffer_fini);
        check(!apply(edit, 1, buffer_bytes(&out), &again)); /* nothing of it is left */
    }
    if (!is_compared(body) || json_parse(body, &limits, &tree, NULL) != STATUS_OK) {
        return;
    }
    if (json_is_object(tree) && edit->kind == HOOK_DROP) {
        delete_named(tree, "k", NULL);
    } else if (json_is_object(tree)) {
        rename_in_tree(tree);
    }
    check_same(changed ? buffer_bytes(&out) : body, tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_make((const char *)data, size);
    struct buffer out CLEANUP(buffer_fini);
    check_edit(body, &drop);
    check_edit(body, &rename_it);
    if (apply(wild, sizeof(wild) / sizeof(wild[0]), body, &out) && is_compared(body)) {
        struct cJSON *tree CLEANUP(json_free_at) = NULL;
        check(json_parse(buffer_bytes(&out), &limits, &tree, NULL) == STATUS_OK);
    }
    return 0;
}
