#include "auth/inbound/webhook_canonical.h"

#include "base/buffer.h"
#include "base/digits.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>

enum { PARAMETERS_MAX = 1000 };

struct parameter {
    struct slice name;
    struct slice value;
};

static int compare_bytes(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_parameters(const void *left, const void *right)
{
    const struct parameter *a = left;
    const struct parameter *b = right;
    int order = compare_bytes(a->name, b->name);
    return order != 0 ? order : compare_bytes(a->value, b->value);
}

/* Twilio: sorted by name, then value; equal ones once; names and values joined by nothing. */
static enum webhook_reason write_form(struct webhook_message *message, struct buffer *out)
{
    struct slice form = message->request->body;
    unsigned count = 1;
    for (size_t i = 0; i < form.len && count <= PARAMETERS_MAX; i++) {
        count += form.ptr[i] == '&';
    }
    if (count > PARAMETERS_MAX || form.len > WEBHOOK_JSON_BYTES) {
        return WEBHOOK_BODY_MALFORMED;
    }
    struct parameter *all = ARENA_ARRAY(message->arena, struct parameter, count);
    count = 0;
    while (form.len > 0) {
        struct parameter *next = &all[count];
        if (!webhook_next_parameter(&form, message->arena, &next->name, &next->value)) {
            return WEBHOOK_BODY_MALFORMED;
        }
        count += next->name.len > 0 || next->value.len > 0;
    }
    qsort(all, count, sizeof(*all), compare_parameters);
    for (unsigned i = 0; i < count; i++) {
        bool again = i > 0 && compare_parameters(&all[i - 1], &all[i]) == 0;
        if (!again && (buffer_append(out, all[i].name) != STATUS_OK ||
                       buffer_append(out, all[i].value) != STATUS_OK)) {
            return WEBHOOK_BODY_MALFORMED;
        }
    }
    return WEBHOOK_OK;
}

/* HubSpot: these escapes are decoded, the others stay. */
static enum status write_url_decoded(struct slice url, struct buffer *out)
{
    static const char decoded[] = ":/?@!$'()*,;";
    for (size_t i = 0; i < url.len; i++) {
        char byte = url.ptr[i];
        unsigned high = url.len - i > 2 ? ascii_hex_value(url.ptr[i + 1]) : ASCII_NOT_HEX;
        unsigned low = url.len - i > 2 ? ascii_hex_value(url.ptr[i + 2]) : ASCII_NOT_HEX;
        if (byte == '%' && high != ASCII_NOT_HEX && low != ASCII_NOT_HEX) {
            char value = (char)(high << 4 | low);
            if (value != '\0' && strchr(decoded, value) != NULL) {
                byte = value;
                i += 2;
            }
        }
        TRY(buffer_append(out, slice_make(&byte, 1)));
    }
    return STATUS_OK;
}

static enum status write_line(struct buffer *out, struct slice name, struct slice value)
{
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, SLICE("\n")));
    TRY(buffer_append(out, value));
    return buffer_append(out, SLICE("\n"));
}

/* Amazon SNS: name and value of these members, a line each, in this order. */
static enum webhook_reason write_sns(struct webhook_message *message, struct buffer *out)
{
    static const char *const notification[] = {"/Message",   "/MessageId", "/Subject",
                                               "/Timestamp", "/TopicArn",  "/Type"};
    static const char *const confirmation[] = {
        "/Message", "/MessageId", "/SubscribeURL", "/Timestamp", "/Token", "/TopicArn", "/Type"};
    const struct cJSON *root = webhook_json(message);
    bool twice = false;
    struct slice type;
    if (!json_string(webhook_json_at(root, SLICE("/Type"), &twice), &type)) {
        return WEBHOOK_BODY_MALFORMED;
    }
    bool notifies = slice_equal(type, SLICE("Notification"));
    if (!notifies && !slice_equal(type, SLICE("SubscriptionConfirmation")) &&
        !slice_equal(type, SLICE("UnsubscribeConfirmation"))) {
        return WEBHOOK_BODY_MALFORMED;
    }
    const char *const *names = notifies ? notification : confirmation;
    size_t count = notifies ? sizeof(notification) / sizeof(*notification)
                            : sizeof(confirmation) / sizeof(*confirmation);
    for (size_t i = 0; i < count; i++) {
        struct slice pointer = slice_from(names[i]);
        struct slice name = slice_skip(pointer, 1);
        struct slice value;
        bool there = json_string(webhook_json_at(root, pointer, &twice), &value);
        if (!there && slice_equal(name, SLICE("Subject"))) {
            continue;
        }
        if (!there || write_line(out, name, value) != STATUS_OK) {
            return WEBHOOK_BODY_MALFORMED;
        }
    }
    return twice ? WEBHOOK_BODY_MALFORMED : WEBHOOK_OK;
}

static enum webhook_reason write_found(enum webhook_found found, struct slice value,
                                       struct buffer *out)
{
    if (found != WEBHOOK_FOUND) {
        return found == WEBHOOK_ABSENT ? WEBHOOK_HEADER_MISSING : WEBHOOK_HEADER_MALFORMED;
    }
    return buffer_append(out, value) == STATUS_OK ? WEBHOOK_OK : WEBHOOK_HEADER_MALFORMED;
}

static enum webhook_reason write_item(struct webhook_message *message, struct slice pointer,
                                      const struct cJSON *item, struct buffer *out)
{
    bool twice = false;
    struct slice value = SLICE("");
    const struct cJSON *found = webhook_json_at(item, pointer, &twice);
    if (twice || json_is_object(found) || json_is_array(found)) {
        return WEBHOOK_BODY_MALFORMED;
    }
    (void)webhook_json_text(found, message->arena, &value); /* absent or null: empty */
    return write_found(WEBHOOK_FOUND, value, out);
}

static enum webhook_reason write_crc(struct slice body, struct buffer *out)
{
    char digits[DIGITS_MAX];
    return write_found(WEBHOOK_FOUND, slice_make(digits, digits_write(crc32_of(body), digits)),
                       out);
}

static enum webhook_reason write_part(struct webhook_message *message,
                                      const struct webhook_part *part,
                                      const struct webhook_signed *from, struct buffer *out)
{
    struct slice value = part->text;
    enum webhook_found found = WEBHOOK_FOUND;
    switch (part->kind) {
    case WEBHOOK_PART_TEXT:
        break;
    case WEBHOOK_PART_TIMESTAMP:
        value = message->timestamp;
        break;
    case WEBHOOK_PART_ID:
        value = message->id;
        break;
    case WEBHOOK_PART_BODY:
        value = message->request->body;
        break;
    case WEBHOOK_PART_METHOD:
        value = message->request->method;
        break;
    case WEBHOOK_PART_URL:
        value = from->url;
        break;
    case WEBHOOK_PART_SECRET:
        value = from->secret;
        break;
    case WEBHOOK_PART_URL_DECODED:
        return write_url_decoded(from->url, out) == STATUS_OK ? WEBHOOK_OK
                                                              : WEBHOOK_HEADER_MALFORMED;
    case WEBHOOK_PART_FORM:
        return write_form(message, out);
    case WEBHOOK_PART_CRC:
        return write_crc(message->request->body, out);
    case WEBHOOK_PART_SNS:
        return write_sns(message, out);
    case WEBHOOK_PART_ITEM:
        return write_item(message, part->text, from->item, out);
    case WEBHOOK_PART_HEADER:
        found = webhook_header(message, part->text, &value);
        break;
    case WEBHOOK_PART_JSON:
        found = webhook_text_at(message, &(struct webhook_place){WEBHOOK_IN_JSON, true, part->text},
                                &value);
        break;
    }
    return write_found(found, value, out);
}

enum webhook_reason webhook_write_signed(struct webhook_message *message,
                                         const struct webhook_signed *from, struct buffer *out)
{
    enum webhook_reason reason = WEBHOOK_OK;
    for (unsigned i = 0; i < message->scheme->part_count && reason == WEBHOOK_OK; i++) {
        reason = write_part(message, &message->scheme->parts[i], from, out);
    }
    return reason;
}

struct slice webhook_other_url(struct slice url, struct arena *arena)
{
    bool secure = slice_starts_with(url, SLICE("https://"));
    struct slice port = secure ? SLICE(":443") : SLICE(":80");
    struct slice scheme = secure ? SLICE("https://") : SLICE("http://");
    if (!slice_starts_with(url, scheme)) {
        return url;
    }
    struct slice rest = slice_skip(url, scheme.len);
    size_t len = 0;
    size_t colon = 0; /* behind an IPv6 address only */
    while (len < rest.len && strchr("/?#", rest.ptr[len]) == NULL) {
        if (rest.ptr[len] == ':') {
            colon = len;
        } else if (rest.ptr[len] == ']') {
            colon = 0;
        }
        len++;
    }
    struct slice tail = slice_skip(rest, len);
    if (colon == 0) {
        return slice_from(arena_print(arena, "%.*s%.*s%.*s%.*s", SLICE_ARG(scheme), (int)len,
                                      rest.ptr, SLICE_ARG(port), SLICE_ARG(tail)));
    }
    if (!slice_equal(slice_make(rest.ptr + colon, len - colon), port)) {
        return url;
    }
    return slice_from(arena_print(arena, "%.*s%.*s%.*s", SLICE_ARG(scheme), (int)colon, rest.ptr,
                                  SLICE_ARG(tail)));
}
