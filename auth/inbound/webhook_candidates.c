#include "auth/inbound/webhook_candidates.h"

#include "base/http1.h"
#include "base/json.h"

enum { INDEX_MAX = 100 };

static enum webhook_reason add(struct webhook_candidates *to, struct slice text)
{
    if (to->count == WEBHOOK_CANDIDATES_MAX) {
        return WEBHOOK_HEADER_MALFORMED;
    }
    to->text[to->count++] = text;
    return WEBHOOK_OK;
}

/* Takes the text before the next separator off. */
static struct slice take_entry(struct slice *text, char separator)
{
    struct slice entry = slice_make(text->ptr, slice_find(*text, separator));
    *text = slice_skip(*text, entry.len + 1);
    return entry;
}

static bool has_blank(struct slice text)
{
    return slice_find(text, ' ') < text.len || slice_find(text, '\t') < text.len;
}

static enum webhook_reason read_pairs(struct webhook_message *message, struct slice text,
                                      struct webhook_candidates *to)
{
    const struct webhook_scheme *scheme = message->scheme;
    bool by_pair = scheme->timestamp.kind == WEBHOOK_IN_PAIRS;
    bool has_timestamp = false;
    if (has_blank(text)) {
        return WEBHOOK_HEADER_MALFORMED;
    }
    while (text.len > 0) {
        struct slice entry = take_entry(&text, scheme->separator.ptr[0]);
        struct slice key = slice_make(entry.ptr, slice_find(entry, '='));
        struct slice value = slice_skip(entry, key.len + 1);
        if (by_pair && slice_equal(key, scheme->timestamp.name)) {
            if (has_timestamp) {
                return WEBHOOK_HEADER_MALFORMED;
            }
            has_timestamp = true;
            message->timestamp = value;
        } else if (slice_equal(key, scheme->signature_key) && add(to, value) != WEBHOOK_OK) {
            return WEBHOOK_HEADER_MALFORMED;
        }
    }
    return by_pair && !has_timestamp ? WEBHOOK_HEADER_MALFORMED : WEBHOOK_OK;
}

static enum webhook_reason read_list(const struct webhook_scheme *scheme, struct slice text,
                                     struct webhook_candidates *to)
{
    enum webhook_reason reason = WEBHOOK_OK;
    while (text.len > 0 && reason == WEBHOOK_OK) {
        struct slice entry = take_entry(&text, scheme->separator.ptr[0]);
        if (slice_starts_with(entry, scheme->prefix)) {
            reason = add(to, slice_skip(entry, scheme->prefix.len));
        }
    }
    return reason;
}

/* Is it the scheme's name with a number from 1 to INDEX_MAX for "{n}"? */
static bool is_indexed(struct slice pattern, struct slice name)
{
    static const struct slice mark = SLICE_INIT("{n}");
    uint64_t index = 0;
    struct slice front = slice_make(pattern.ptr, slice_find(pattern, '{'));
    struct slice back = slice_skip(pattern, front.len + mark.len);
    if (name.len <= front.len + back.len || !slice_starts_with_nocase(name, front)) {
        return false;
    }
    struct slice number = slice_make(name.ptr + front.len, name.len - front.len - back.len);
    return slice_equal_nocase(slice_skip(name, front.len + number.len), back) &&
           number.ptr[0] != '0' && slice_number(number, INDEX_MAX, &index);
}

static enum webhook_reason read_indexed(const struct webhook_message *message,
                                        struct webhook_candidates *to)
{
    const struct webhook_request *request = message->request;
    enum webhook_reason reason = WEBHOOK_HEADER_MISSING;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (!is_indexed(message->scheme->signature.name, field->name)) {
            continue;
        }
        reason = add(to, field->value);
        if (reason != WEBHOOK_OK) {
            return reason;
        }
    }
    return reason;
}

static enum webhook_reason read_value(struct webhook_message *message, const struct cJSON *item,
                                      struct slice *ret)
{
    const struct webhook_place *place = &message->scheme->signature;
    bool twice = false;
    if (place->kind == WEBHOOK_IN_HEADER) {
        enum webhook_found found = webhook_header(message, place->name, ret);
        return found == WEBHOOK_FOUND    ? WEBHOOK_OK
               : found == WEBHOOK_ABSENT ? WEBHOOK_HEADER_MISSING
                                         : WEBHOOK_HEADER_MALFORMED;
    }
    const struct cJSON *root = place->kind == WEBHOOK_IN_ITEM ? item : webhook_json(message);
    const struct cJSON *value = webhook_json_at(root, place->name, &twice);
    if (twice) {
        return WEBHOOK_HEADER_MALFORMED;
    }
    if (value == NULL) {
        return WEBHOOK_HEADER_MISSING;
    }
    return json_string(value, ret) ? WEBHOOK_OK : WEBHOOK_HEADER_MALFORMED;
}

enum webhook_reason webhook_candidates_read(struct webhook_message *message,
                                            const struct cJSON *item,
                                            struct webhook_candidates *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    struct slice text = SLICE("");
    ret->count = 0;
    if (scheme->grammar == WEBHOOK_INDEXED) {
        return read_indexed(message, ret);
    }
    enum webhook_reason reason = read_value(message, item, &text);
    if (reason != WEBHOOK_OK) {
        return reason;
    }
    if (scheme->grammar == WEBHOOK_PAIRS) {
        reason = read_pairs(message, text, ret);
    } else if (scheme->grammar == WEBHOOK_LIST) {
        reason = read_list(scheme, text, ret);
    } else if (text.len > scheme->prefix.len && slice_starts_with(text, scheme->prefix)) {
        reason = add(ret, slice_skip(text, scheme->prefix.len));
    }
    return reason == WEBHOOK_OK && ret->count == 0 ? WEBHOOK_HEADER_MALFORMED : reason;
}
