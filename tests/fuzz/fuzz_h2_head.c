/*
 * Fuzzes the head and the trailers of an answer over HTTP/2. The first byte says which of them, and
 * what was asked; then come fields: a byte with the name's length, the name, one with the value's,
 * the value. nghttp2 lets fewer bytes through: nothing here may lean on that.
 *
 * Checked is that what is valid has as many fields as came, if none of them could break a line,
 * that names are tokens and values are one line, and that a status is one.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/upstream/attempt_ops.h"
#include "gateway/upstream/h2_head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static bool one_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

struct input {
    struct slice rest;
    unsigned fields; /* without pseudo-fields */
    bool lines;      /* each of them is one */
};

static struct slice take(struct input *input)
{
    size_t len = input->rest.len == 0 ? 0 : (unsigned char)input->rest.ptr[0];
    input->rest = slice_skip(input->rest, 1);
    len = len < input->rest.len ? len : input->rest.len;
    struct slice text = slice_make(input->rest.ptr, len);
    input->rest = slice_skip(input->rest, len);
    return text;
}

static bool add_all(struct input *input, struct buffer *head)
{
    while (input->rest.len > 0) {
        struct slice name = take(input);
        struct slice value = take(input);
        input->fields += !slice_equal(name, SLICE(":status"));
        input->lines = input->lines && one_line(name) && one_line(value);
        if (h2_head_add(head, name, value) != STATUS_OK) {
            return false;
        }
    }
    return true;
}

static void read_head(const struct input *input, struct buffer *head, enum http1_method asked)
{
    struct http1_field fields[ATTEMPT_MOST_FIELDS];
    struct http1_response response = {.fields = fields};
    const char *wrong = h2_head_read(head, asked, &response);
    if (wrong != NULL) {
        check(wrong[0] != '\0');
        return;
    }
    check(response.status >= 100 && response.status <= 999);
    check(response.head_len == buffer_len(head) && response.keep_alive);
    check(response.framing != HTTP1_UNTIL_CLOSE);
    check(!input->lines || response.field_count == input->fields);
    check(response.field_count <= ATTEMPT_MOST_FIELDS);
    for (unsigned i = 0; i < response.field_count; i++) {
        check(http1_valid_token(fields[i].name) && one_line(fields[i].value));
    }
}

static void read_trailers(struct buffer *section)
{
    struct slice trailers = slice_make("", 0);
    const char *wrong = h2_head_read_trailers(section, &trailers);
    if (wrong != NULL) {
        check(wrong[0] != '\0' && trailers.len == 0);
        return;
    }
    check(trailers.len <= buffer_len(section));
    check(trailers.len == 0 || trailers.ptr[trailers.len - 1] == '\n');
    memory_free((char *)trailers.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http1_method asked[] = {HTTP1_GET, HTTP1_HEAD, HTTP1_POST};
    struct buffer head;
    if (size == 0) {
        return 0;
    }
    struct input input = {.rest = slice_make((const char *)data + 1, size - 1), .lines = true};
    buffer_init(&head, ATTEMPT_HEAD_BYTES);
    if (add_all(&input, &head)) {
        if (data[0] % 4 == 3) {
            read_trailers(&head);
        } else {
            read_head(&input, &head, asked[data[0] % 4]);
        }
    }
    buffer_fini(&head);
    return 0;
}
