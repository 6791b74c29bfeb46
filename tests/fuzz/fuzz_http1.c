/*
 * Fuzzes the HTTP/1.1 codec. The first byte of the input says what the rest is: a request's head,
 * an answer's head (to GET or to HEAD), or a chunked body, which the second byte cuts into pieces.
 *
 * Checked is what everyone relies on: slices lie in the input; a prefix never ends elsewhere; a
 * head means the same when it is read again; a body is the same however it is cut.
 */
#include "base/http1.h"
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 32 };

static const struct http1_limits limits = {
    .head_bytes = 4096, .uri_bytes = 1024, .field_count = FIELDS};

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void check_inside(struct slice part, struct slice whole)
{
    check(part.len <= whole.len);
    check(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_fields(const struct http1_field *fields, unsigned count, struct slice head)
{
    check(count <= FIELDS);
    for (unsigned i = 0; i < count; i++) {
        check_inside(fields[i].name, head);
        check_inside(fields[i].value, head);
        check(http1_valid_token(fields[i].name));
        check(http1_valid_field_value(fields[i].value));
        check(slice_trim(fields[i].value).len == fields[i].value.len);
        check(fields[i].hash == http1_name_hash(fields[i].name));
        check(fields[i].id == http1_name_find(fields[i].name));
    }
}

/* How many fields have this name? */
static unsigned count_fields(const struct http1_field *fields, unsigned count, struct slice name)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        found += slice_equal_nocase(fields[i].name, name);
    }
    return found;
}

static void check_framing(enum http1_framing framing, uint64_t content_length,
                          const struct http1_field *fields, unsigned count)
{
    unsigned lengths = count_fields(fields, count, SLICE("content-length"));
    unsigned codings = count_fields(fields, count, SLICE("transfer-encoding"));
    check(lengths + codings <= 1);
    check(framing != HTTP1_LENGTH || (lengths == 1 && content_length > 0));
    check(framing != HTTP1_CHUNKED || codings == 1);
    check(content_length <= INT64_MAX);
}

static void check_request(const struct http1_request *request, struct slice bytes)
{
    struct slice head = slice_make(bytes.ptr, request->head_len);
    check(request->head_len <= bytes.len && request->head_len <= limits.head_bytes);
    check_fields(request->fields, request->field_count, head);
    check_inside(request->method_text, head);
    check_inside(request->target, head);
    check_inside(request->host, head);
    bool made_up = request->path.len == 1 && request->target.ptr[0] != '/';
    if (!made_up) {
        check_inside(request->path, request->target);
    }
    check(request->path.ptr[0] == '/' ||
          (request->method == HTTP1_OPTIONS && slice_equal(request->path, SLICE("*"))));
    check(request->minor <= 1);
    check(request->host.len == 0 ? request->minor == 0 : http1_valid_host(request->host));
    check(request->framing != HTTP1_UNTIL_CLOSE);
    check_framing(request->framing, request->content_length, request->fields, request->field_count);
    check((request->framing == HTTP1_NO_BODY) ==
          (request->content_length == 0 && request->framing != HTTP1_CHUNKED));
}

static enum http1_result read_request(struct slice bytes, struct http1_request *ret_request)
{
    static struct http1_field fields[FIELDS];
    struct http1_fault fault = {0};
    *ret_request = (struct http1_request){.fields = fields};
    enum http1_result result = http1_read_request(bytes, &limits, ret_request, &fault);
    check((result == HTTP1_BAD) == (fault.reason != NULL));
    check(result != HTTP1_BAD || (fault.status >= 400 && fault.status <= 505));
    return result;
}

static bool same_place(struct slice a, struct slice b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

static void check_same_request(const struct http1_request *a, const struct http1_request *b)
{
    check(a->method == b->method && same_place(a->method_text, b->method_text));
    check(same_place(a->target, b->target) && same_place(a->path, b->path));
    check(same_place(a->host, b->host) && a->minor == b->minor);
    check(a->framing == b->framing && a->content_length == b->content_length);
    check(a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue);
    check(a->upgrade == b->upgrade && a->te_trailers == b->te_trailers);
    check(a->head_len == b->head_len && a->field_count == b->field_count);
}

static void fuzz_request(struct slice bytes)
{
    struct http1_request whole;
    enum http1_result result = read_request(bytes, &whole);
    struct http1_request again;
    if (result == HTTP1_DONE) {
        check_request(&whole, bytes);
        check(read_request(slice_make(bytes.ptr, whole.head_len), &again) == HTTP1_DONE);
        check_same_request(&again, &whole);
    }
    size_t end = result == HTTP1_DONE ? whole.head_len : bytes.len;
    size_t step = end / 64 + 1;
    for (size_t len = 0; len < end; len += step) {
        enum http1_result part = read_request(slice_make(bytes.ptr, len), &again);
        check(part == HTTP1_PARTIAL || (part == HTTP1_BAD && result == HTTP1_BAD));
    }
}

static enum http1_result read_response(struct slice bytes, enum http1_method asked,
                                       struct http1_response *ret_response)
{
    static struct http1_field fields[FIELDS];
    struct http1_fault fault = {0};
    *ret_response = (struct http1_response){.fields = fields};
    enum http1_result result = http1_read_response(bytes, &limits, asked, ret_response, &fault);
    check(result != HTTP1_BAD || (fault.status == 502 && fault.reason != NULL));
    return result;
}

static void check_same_response(const struct http1_response *a, const struct http1_response *b)
{
    check(a->status == b->status && a->minor == b->minor && same_place(a->reason, b->reason));
    check(a->framing == b->framing && a->content_length == b->content_length);
    check(a->has_content_length == b->has_content_length && a->keep_alive == b->keep_alive);
    check(a->head_len == b->head_len && a->field_count == b->field_count);
}

static void fuzz_response(struct slice bytes, enum http1_method asked)
{
    struct http1_response whole;
    enum http1_result result = read_response(bytes, asked, &whole);
    struct http1_response again;
    if (result == HTTP1_DONE) {
        struct slice head = slice_make(bytes.ptr, whole.head_len);
        check(whole.head_len <= bytes.len && whole.head_len <= limits.head_bytes);
        check_fields(whole.fields, whole.field_count, head);
        check_inside(whole.reason, head);
        check(whole.status >= 100 && whole.status <= 599 && whole.status != 101);
        check_framing(whole.framing, whole.content_length, whole.fields, whole.field_count);
        check(asked != HTTP1_HEAD || whole.framing == HTTP1_NO_BODY);
        check(whole.framing != HTTP1_UNTIL_CLOSE || !whole.keep_alive);
        check(read_response(head, asked, &again) == HTTP1_DONE);
        check_same_response(&again, &whole);
    }
    size_t end = result == HTTP1_DONE ? whole.head_len : bytes.len;
    size_t step = end / 64 + 1;
    for (size_t len = 0; len < end; len += step) {
        enum http1_result part = read_response(slice_make(bytes.ptr, len), asked, &again);
        check(part == HTTP1_PARTIAL || (part == HTTP1_BAD && result == HTTP1_BAD));
    }
}

/* What a body came to. */
struct outcome {
    enum http1_piece last;
    char *data; /* owned */
    size_t data_len;
    struct slice trailers;
    size_t used;
};

/* `piece_len` bytes more each time; 0: all at once. */
static struct outcome read_body(struct slice bytes, size_t piece_len)
{
    struct http1_body body;
    struct http1_fault fault = {0};
    struct outcome outcome = {.last = HTTP1_PIECE_MORE,
                              .data = memory_resize(NULL, bytes.len == 0 ? 1 : bytes.len)};
    http1_body_init(&body, HTTP1_CHUNKED, 0);
    size_t end = 0;
    while (outcome.last == HTTP1_PIECE_DATA ||
           (outcome.last == HTTP1_PIECE_MORE && end < bytes.len)) {
        if (outcome.last == HTTP1_PIECE_MORE) {
            end = piece_len == 0 || bytes.len - end < piece_len ? bytes.len : end + piece_len;
        }
        struct slice rest = slice_make(bytes.ptr + outcome.used, end - outcome.used);
        struct slice data;
        size_t used;
        outcome.last = http1_body_next(&body, rest, &used, &data, &fault);
        check(used <= rest.len);
        check_inside(data, slice_make(rest.ptr, used));
        outcome.used += used;
        if (outcome.last == HTTP1_PIECE_DATA) {
            check(data.len > 0);
            memcpy(outcome.data + outcome.data_len, data.ptr, data.len);
            outcome.data_len += data.len;
        } else if (outcome.last == HTTP1_PIECE_END) {
            outcome.trailers = data;
        }
    }
    check(body.total == outcome.data_len);
    check(http1_body_ended(&body) == (outcome.last == HTTP1_PIECE_END));
    check((outcome.last == HTTP1_PIECE_BAD) == (fault.reason != NULL));
    return outcome;
}

static void fuzz_body(struct slice bytes, size_t piece_len)
{
    struct outcome whole = read_body(bytes, 0);
    struct outcome cut = read_body(bytes, piece_len);
    check(whole.last == cut.last);
    check(whole.data_len == cut.data_len && memcmp(whole.data, cut.data, cut.data_len) == 0);
    if (whole.last == HTTP1_PIECE_END) {
        check(whole.used == cut.used);
        check(slice_equal(whole.trailers, cut.trailers));
    }
    memory_free(whole.data);
    memory_free(cut.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct slice bytes = slice_make((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        fuzz_request(bytes);
        break;
    case 1:
        fuzz_response(bytes, HTTP1_GET);
        break;
    case 2:
        fuzz_response(bytes, HTTP1_HEAD);
        break;
    default:
        fuzz_body(slice_skip(bytes, 1), (size_t)(data[1] % 64) + 1);
        break;
    }
    return 0;
}
