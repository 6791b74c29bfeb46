#include "gateway/observe/json_line.h"

#include "base/encode.h"
#include "base/json_plain.h"
#include "gateway/observe/timestamp.h"

#include <assert.h>

void json_line_put(struct buffer *out, struct slice text)
{
    memcpy(buffer_tail(out), text.ptr, text.len);
    buffer_commit(out, text.len);
}

void json_line_text(struct buffer *out, struct slice name, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    json_line_put(out, name);
    if (json_plain(value) == value.len) {
        json_line_put(out, value);
    } else {
        enum status status = encode_json(value, out);
        assert(status == STATUS_OK); /* JSON_LINE_WORST_ESCAPE was reserved */
    }
    json_line_put(out, SLICE("\""));
}

static void put_digits(struct buffer *out, uint64_t value)
{
    char digits[20];
    size_t start = sizeof(digits);
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    json_line_put(out, slice_make(digits + start, sizeof(digits) - start));
}

void json_line_number(struct buffer *out, struct slice name, uint64_t value)
{
    json_line_put(out, name);
    put_digits(out, value);
}

void json_line_duration(struct buffer *out, struct slice name, usec_t duration)
{
    if (duration < 0) {
        return;
    }
    json_line_number(out, name, (uint64_t)(duration / MSEC));
    unsigned rest = (unsigned)(duration % MSEC);
    const char decimals[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                             (char)('0' + rest % 10)};
    json_line_put(out, slice_make(decimals, sizeof(decimals)));
}

void json_line_begin(struct buffer *out, usec_t wall)
{
    json_line_put(out, SLICE("{\"time\":\""));
    buffer_commit(out, timestamp_write(wall, buffer_tail(out)));
    json_line_put(out, SLICE("\""));
}

struct slice json_line_cut(struct slice text, size_t most)
{
    return text.len > most ? slice_make(text.ptr, most) : text;
}
