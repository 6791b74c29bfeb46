#include "auth/inbound/webhook_message.h"

#include "base/buffer.h"
#include "base/digits.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"

enum { NAME_BYTES = 128, NUMBER_BYTES = 64 };

void webhook_message_fini(struct webhook_message *message)
{
    json_free(message->json);
    message->json = NULL;
}

static enum webhook_found find_field(const struct webhook_request *request, struct slice name,
                                     struct slice *ret)
{
    enum webhook_found found = WEBHOOK_ABSENT;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (!slice_equal_nocase(request->fields[i].name, name)) {
            continue;
        }
        if (found == WEBHOOK_FOUND) {
            return WEBHOOK_TWICE;
        }
        found = WEBHOOK_FOUND;
        *ret = request->fields[i].value;
    }
    return found;
}

enum webhook_found webhook_header(const struct webhook_message *message, struct slice name,
                                  struct slice *ret)
{
    enum webhook_found found = find_field(message->request, name, ret);
    const struct webhook_texts *aliases = &message->scheme->aliases;
    for (unsigned i = 0; i < aliases->count && found == WEBHOOK_ABSENT; i++) {
        size_t equals = slice_find(aliases->text[i], '=');
        if (slice_equal_nocase(slice_make(aliases->text[i].ptr, equals), name)) {
            found = find_field(message->request, slice_skip(aliases->text[i], equals + 1), ret);
        }
    }
    return found;
}

const struct cJSON *webhook_json(struct webhook_message *message)
{
    static const struct json_limits limits = {
        .bytes = WEBHOOK_JSON_BYTES, .depth = WEBHOOK_JSON_DEPTH, .names = JSON_NAMES_ANY};
    if (!message->json_tried) {
        message->json_tried = true;
        if (json_parse(message->request->body, &limits, &message->json, NULL) != STATUS_OK) {
            message->json = NULL;
        }
    }
    return message->json;
}

static const struct cJSON *member_of(const struct cJSON *object, struct slice name, bool *ret_twice)
{
    const struct cJSON *found = NULL;
    for (const struct cJSON *item = json_first(object); item != NULL; item = json_next(item)) {
        if (slice_equal(slice_from(json_name(item)), name)) {
            *ret_twice = *ret_twice || found != NULL;
            found = item;
        }
    }
    return found;
}

static const struct cJSON *item_of(const struct cJSON *array, struct slice name)
{
    uint64_t index = 0;
    if (!slice_number(name, 1000, &index)) {
        return NULL;
    }
    const struct cJSON *item = json_first(array);
    for (; item != NULL && index > 0; index--) {
        item = json_next(item);
    }
    return item;
}

const struct cJSON *webhook_json_at(const struct cJSON *root, struct slice pointer, bool *ret_twice)
{
    const struct cJSON *value = root;
    while (value != NULL && pointer.len > 0) {
        pointer = slice_skip(pointer, 1);
        struct slice name = slice_make(pointer.ptr, slice_find(pointer, '/'));
        pointer = slice_skip(pointer, name.len);
        if (json_is_object(value)) {
            value = member_of(value, name, ret_twice);
        } else {
            value = json_is_array(value) ? item_of(value, name) : NULL;
        }
    }
    return value;
}

bool webhook_json_text(const struct cJSON *value, struct arena *arena, struct slice *ret)
{
    uint64_t number = 0;
    bool flag = false;
    char digits[DIGITS_MAX];
    struct buffer text;
    if (json_string(value, ret)) {
        return true;
    }
    if (json_bool(value, &flag)) {
        *ret = flag ? SLICE("true") : SLICE("false");
        return true;
    }
    if (json_uint(value, &number)) {
        *ret = arena_copy(arena, slice_make(digits, digits_write(number, digits)));
        return true;
    }
    if (value == NULL || json_is_object(value) || json_is_array(value)) {
        return false;
    }
    buffer_init(&text, NUMBER_BYTES);
    bool done =
        json_write(value, &text) == STATUS_OK && !slice_equal(buffer_bytes(&text), SLICE("null"));
    if (done) {
        *ret = arena_copy(arena, buffer_bytes(&text));
    }
    buffer_fini(&text);
    return done;
}

static bool decode_form(struct slice text, struct arena *arena, struct slice *ret)
{
    char *out = arena_reserve(arena, text.len + 1);
    size_t len = 0;
    if (decode_percent(text, out, &len) != STATUS_OK) {
        return false;
    }
    *ret = slice_make(out, len);
    return true;
}

/* '+' is a space where it stands by itself, not where it comes from an escape. */
static struct slice plus_to_space(struct slice text, struct arena *arena)
{
    if (slice_find(text, '+') == text.len) {
        return text;
    }
    char *out = arena_reserve(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.ptr[i];
        if (out[i] == '+') {
            out[i] = ' ';
        }
    }
    return slice_make(out, text.len);
}

bool webhook_next_parameter(struct slice *form, struct arena *arena, struct slice *ret_name,
                            struct slice *ret_value)
{
    struct slice pair = slice_make(form->ptr, slice_find(*form, '&'));
    *form = slice_skip(*form, pair.len + 1);
    struct slice name = slice_make(pair.ptr, slice_find(pair, '='));
    struct slice value = slice_skip(pair, name.len + 1);
    return decode_form(plus_to_space(name, arena), arena, ret_name) &&
           decode_form(plus_to_space(value, arena), arena, ret_value);
}

enum webhook_found webhook_parameter(struct slice form, struct slice name, struct arena *arena,
                                     struct slice *ret)
{
    enum webhook_found found = WEBHOOK_ABSENT;
    while (form.len > 0) {
        struct slice raw = slice_make(form.ptr, slice_find(form, '&'));
        struct slice key;
        struct slice value;
        /* Only what may be it is decoded: a name is never longer encoded than thrice. */
        if (slice_find(raw, '=') > 3 * NAME_BYTES) {
            form = slice_skip(form, raw.len + 1);
            continue;
        }
        if (!webhook_next_parameter(&form, arena, &key, &value)) {
            return WEBHOOK_TWICE;
        }
        if (slice_equal(key, name)) {
            if (found == WEBHOOK_FOUND) {
                return WEBHOOK_TWICE;
            }
            found = WEBHOOK_FOUND;
            *ret = value;
        }
    }
    return found;
}

struct slice webhook_query(struct slice url)
{
    struct slice whole = slice_make(url.ptr, slice_find(url, '#'));
    return slice_skip(whole, slice_find(whole, '?') + 1);
}

static enum webhook_found json_text_at(struct webhook_message *message, struct slice pointer,
                                       struct slice *ret)
{
    bool twice = false;
    const struct cJSON *value = webhook_json_at(webhook_json(message), pointer, &twice);
    if (twice) {
        return WEBHOOK_TWICE;
    }
    return webhook_json_text(value, message->arena, ret) ? WEBHOOK_FOUND : WEBHOOK_ABSENT;
}

enum webhook_found webhook_text_at(struct webhook_message *message,
                                   const struct webhook_place *place, struct slice *ret)
{
    const struct webhook_request *request = message->request;
    switch (place->kind) {
    case WEBHOOK_IN_HEADER:
        return webhook_header(message, place->name, ret);
    case WEBHOOK_IN_JSON:
        return json_text_at(message, place->name, ret);
    case WEBHOOK_IN_FORM:
        return webhook_parameter(request->body, place->name, message->arena, ret);
    case WEBHOOK_IN_QUERY:
        return webhook_parameter(webhook_query(request->url), place->name, message->arena, ret);
    case WEBHOOK_IN_ITEM:
    case WEBHOOK_IN_CLAIM:
    case WEBHOOK_IN_PAIRS:
    case WEBHOOK_NOWHERE:
        break;
    }
    return WEBHOOK_ABSENT;
}
