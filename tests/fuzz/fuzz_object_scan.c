/*
 * Fuzzes what watches answers for what they made. The first byte says how long the pieces are; the
 * rest is the answer.
 *
 * Checked is that pieces do not matter, that no more is kept than there is room for, and that a
 * JSON value that has the members at its top is found as a tree of it says.
 */
#include "base/json.h"
#include "base/memory.h"
#include "gateway/meter/object_scan.h"
#include "routes/profile.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;
static struct profile profile;

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void load(void)
{
    static const char json[] =
        "{\"title\":\"T\",\"objects\":[{\"id\":\"/id\",\"type\":[\"/a/1/0\",\"/object\"],"
        "\"status\":\"/a/b/c/d/e/f\",\"currency\":[\"/a/b\",\"/id\"],\"amount\":[\"/n\",\"/a/"
        "0\"]}]}";
    struct error err;
    if (profile.objects == NULL) {
        check(profile_read(&arena, SLICE("t"), slice_from(json), &profile, &err) == STATUS_OK);
    }
}

static void check_same(const struct object_scan *a, const struct object_scan *b)
{
    int64_t amount_a = 0;
    int64_t amount_b = 0;
    for (enum object_field field = OBJECT_ID; field < OBJECT_AMOUNT; field++) {
        struct slice told = object_scan_text(a, field);
        check(told.len <= OBJECT_TEXT_MAX && slice_equal(told, object_scan_text(b, field)));
    }
    check(object_scan_amount(a, &amount_a) == object_scan_amount(b, &amount_b));
    check(amount_a == amount_b);
}

/* Names may stand twice in a value, and text may have a zero in it: then the tree says nothing. */
static void check_tree(const struct object_scan *scan, struct slice text)
{
    static const struct json_limits limits = {
        .bytes = (size_t)1024 * 1024, .depth = 200, .names = JSON_NAMES_ONCE};
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct error err;
    struct slice id;
    if (scan->invalid || json_parse(text, &limits, &root, &err) != STATUS_OK ||
        !json_is_object(root)) {
        return; /* the tree's parser takes some numbers that are none */
    }
    if (json_string(json_get(root, "id"), &id) && id.len > 0) {
        struct slice told = object_scan_text(scan, OBJECT_ID);
        check(told.len == (id.len < OBJECT_TEXT_MAX ? id.len : OBJECT_TEXT_MAX));
        check(memcmp(told.ptr, id.ptr, told.len) == 0);
    } else if (json_get(root, "id") == NULL) {
        check(object_scan_text(scan, OBJECT_ID).len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct object_scan whole;
    struct object_scan pieces;
    if (size < 1) {
        return 0;
    }
    load();
    size_t piece = 1 + data[0] % 64;
    struct slice text = slice_make((const char *)data + 1, size - 1);
    struct slice rest = text;
    object_scan_init(&whole, profile.objects);
    object_scan_init(&pieces, profile.objects);
    object_scan_feed(&whole, text);
    while (rest.len > 0) {
        size_t len = rest.len < piece ? rest.len : piece;
        object_scan_feed(&pieces, slice_make(rest.ptr, len));
        rest = slice_skip(rest, len);
    }
    check_same(&whole, &pieces);
    check_tree(&whole, text);
    return 0;
}
