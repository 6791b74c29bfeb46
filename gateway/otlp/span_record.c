#include "gateway/otlp/span_record.h"

#include "base/buffer.h"

#include <assert.h>

/* A record's bytes: this, then the texts behind each other. */
struct image {
    struct span_record record; /* its texts mean nothing */
    uint16_t lens[SPAN_TEXTS];
};

static size_t kept(struct slice text)
{
    return text.len < SPAN_TEXT_MAX ? text.len : SPAN_TEXT_MAX;
}

enum status span_record_write(const struct span_record *record, struct buffer *out)
{
    struct image image = {.record = *record};
    size_t len = sizeof(image);
    for (unsigned i = 0; i < SPAN_TEXTS; i++) {
        image.lens[i] = (uint16_t)kept(record->texts[i]);
        image.record.texts[i] = slice_make(NULL, 0);
        len += image.lens[i];
    }
    TRY(buffer_reserve(out, len));
    char *at = buffer_tail(out);
    memcpy(at, &image, sizeof(image));
    at += sizeof(image);
    for (unsigned i = 0; i < SPAN_TEXTS; i++) {
        if (image.lens[i] > 0) {
            memcpy(at, record->texts[i].ptr, image.lens[i]);
            at += image.lens[i];
        }
    }
    buffer_commit(out, len);
    return STATUS_OK;
}

size_t span_record_read(struct slice bytes, struct span_record *ret)
{
    struct image image;
    assert(bytes.len >= sizeof(image));
    memcpy(&image, bytes.ptr, sizeof(image)); /* it may lie anywhere */
    *ret = image.record;
    size_t at = sizeof(image);
    for (unsigned i = 0; i < SPAN_TEXTS; i++) {
        assert(image.lens[i] <= bytes.len - at);
        ret->texts[i] = slice_make(bytes.ptr + at, image.lens[i]);
        at += image.lens[i];
    }
    return at;
}
