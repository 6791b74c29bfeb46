#include "auth/secrets/store_plan.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/secret.h"

#include <string.h>

struct store_place store_place_of(const struct store_plan *plan, const char *name)
{
    for (unsigned i = 0; i < plan->name_count; i++) {
        const struct store_name *it = &plan->names[i];
        if (slice_equal(it->name, slice_from(name))) {
            return (struct store_place){.path = it->path,
                                        .field = it->field.len > 0 ? it->field : plan->field};
        }
    }
    return (struct store_place){.path = plan->prefix.len > 0 ? plan->prefix : plan->path,
                                .last = slice_from(name),
                                .field = plan->field};
}

static bool is_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == 0x7f || (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t')) {
            return false;
        }
    }
    return true;
}

enum status store_take_value(struct slice text, struct secret **ret, struct error *err)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
        if (text.len > 0 && text.ptr[text.len - 1] == '\r') {
            text.len--;
        }
    }
    if (text.len == 0) {
        FAIL(err, STATUS_INVALID, "is empty there");
    }
    if (text.len > STORE_VALUE_MAX) {
        FAIL(err, STATUS_INVALID, "is longer than %d KiB there", STORE_VALUE_MAX >> 10);
    }
    if (!is_text(text)) {
        FAIL(err, STATUS_INVALID, "has control characters there, which no secret may have");
    }
    *ret = secret_new(text);
    return STATUS_OK;
}

enum status store_head_begin(const struct store_input *input, const char *method,
                             struct buffer *head)
{
    TRY(buffer_append(head, slice_from(method)));
    TRY(buffer_append(head, SLICE(" ")));
    return buffer_append(head, input->plan->base);
}

enum status store_head_end_line(struct buffer *head, const struct store_plan *plan)
{
    TRY(buffer_append(head, SLICE(" HTTP/1.1\r\nHost: ")));
    TRY(buffer_append(head, slice_from(plan->authority)));
    return buffer_append(head, SLICE("\r\nUser-Agent: sallyport\r\nAccept: application/json\r\n"));
}

enum status store_head_field(struct buffer *head, struct slice name, struct slice value,
                             struct error *err)
{
    if (!http1_valid_field_value(value)) {
        FAIL(err, STATUS_INVALID,
             "cannot be asked: its credential has bytes that a header cannot "
             "carry");
    }
    TRY(buffer_append(head, name));
    TRY(buffer_append(head, SLICE(": ")));
    TRY(buffer_append(head, value));
    return buffer_append(head, SLICE("\r\n"));
}

enum status store_put_path(struct slice path, struct buffer *head)
{
    while (path.len > 0) {
        struct slice segment = slice_make(path.ptr, slice_find(path, '/'));
        path = slice_skip(path, segment.len + 1);
        if (segment.len > 0) {
            TRY(buffer_append(head, SLICE("/")));
            TRY(encode_percent(segment, head));
        }
    }
    return STATUS_OK;
}

enum status store_refusal(const struct store_answer *answer, struct error *err)
{
    if (answer->status == 401 || answer->status == 403) {
        FAIL(err, STATUS_DENIED, "answered %u: it may not be read with this source's credential",
             answer->status);
    }
    FAIL(err, STATUS_UNAVAILABLE, "answered %u%s", answer->status,
         answer->status == 503   ? ": it is sealed, or starting"
         : answer->status == 429 ? ": it is asked too often"
                                 : "");
}
