/*
 * Schemas, bodies and places: before the first zero byte a schema, behind it a body. What a schema
 * takes is JSON; what has no schema takes all JSON; and places are found without a fault.
 */
#include "base/json_pick.h"
#include "base/memory.h"
#include "routes/body_schema.h"

#include <stdlib.h>

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void on_found(void *ctx, const struct json_found *found)
{
    unsigned *count = ctx;
    require(found->place < 3 && found->text.len <= JSON_SCAN_TEXT);
    (*count)++;
}

static bool is_json(struct slice text)
{
    struct json_scan scan;
    enum json_event event;
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &text)) > JSON_MORE) {
    }
    while (event == JSON_MORE || event > JSON_MORE) {
        event = json_scan_end(&scan);
    }
    return event == JSON_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const a[] = {"a"};
    static const char *const b[] = {"m", "*", "r"};
    static const char *const c[] = {"a", "0"};
    static const struct json_place places[] = {{a, 1}, {b, 3}, {c, 2}};
    struct arena arena = {0};
    struct slice bytes = slice_make((const char *)data, size);
    struct slice text = slice_make(bytes.ptr, slice_find(bytes, '\0'));
    struct slice body = slice_skip(bytes, text.len + 1);
    const struct schema_node *schema = NULL;
    struct error err = {.message = ""};
    unsigned found = 0;
    bool json = is_json(body);
    if (body_schema_read(&arena, text, &schema, &err) == STATUS_OK) {
        enum status status = body_schema_check(schema, body, &err);
        require(status != STATUS_OK || json);
        require(status == STATUS_OK || err.message[0] != '\0');
    } else {
        require(err.message[0] != '\0');
    }
    if (json_pick(body, places, 3, on_found, &found, &err) == STATUS_OK) {
        require(json);
    }
    arena_fini(&arena);
    return 0;
}
