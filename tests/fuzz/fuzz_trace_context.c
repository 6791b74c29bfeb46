/*
 * fuzz_trace_context: whatever a head has, ids are ids, a trace goes on only from a single valid
 * traceparent, what would be written is read the same, and a tracestate is a part of what came.
 */
#include "base/http1.h"
#include "base/trace_context.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 32 };

static const struct http1_limits limits = {1U << 16, 1024, FIELDS_MAX};
static const char own[] = "00112233445566778899aabbccddeeff";

static void expect_id(struct slice id, size_t len)
{
    bool zero = true;
    assert(id.len == len);
    for (size_t i = 0; i < len; i++) {
        char byte = id.ptr[i];
        assert((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'));
        zero = zero && byte == '0';
    }
    assert(!zero);
}

static unsigned count_named(const struct http1_request *request, struct slice name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        count += slice_equal_nocase(request->fields[i].name, name);
    }
    return count;
}

static void check(const struct http1_request *request)
{
    struct trace_context context;
    struct trace_parent again;
    char text[TRACE_PARENT_LEN];
    char *state = malloc(TRACE_STATE_MAX); /* of its own size, so that a byte too many is seen */
    assert(state != NULL);
    trace_context_read(request->fields, request->field_count, own, &context);
    expect_id(context.trace_id, TRACE_ID_LEN);
    expect_id(context.span_id, SPAN_ID_LEN);
    expect_id(context.call_id, SPAN_ID_LEN);
    size_t len = trace_state_read(request->fields, request->field_count, state);
    assert(len <= TRACE_STATE_MAX && (len == 0 || context.parent_id.len > 0));
    assert(len == 0 || count_named(request, SLICE("tracestate")) > 0);
    if (context.parent_id.len > 0) {
        expect_id(context.parent_id, SPAN_ID_LEN);
        assert(count_named(request, SLICE("traceparent")) == 1);
    } else {
        assert(!context.sampled && context.trace_id.ptr == own);
    }
    trace_parent_write(context.trace_id, context.call_id, context.sampled, text);
    assert(trace_parent_read(slice_make(text, sizeof(text)), &again));
    assert(slice_equal(again.trace_id, context.trace_id) && again.sampled == context.sampled);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char line[] = "GET / HTTP/1.1\r\nHost: a\r\n";
    struct http1_field fields[FIELDS_MAX];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault;
    struct trace_parent parent;
    struct slice text = slice_make((const char *)data, size);
    if (trace_parent_read(text, &parent)) {
        expect_id(parent.trace_id, TRACE_ID_LEN);
        expect_id(parent.span_id, SPAN_ID_LEN);
    }
    size_t len = sizeof(line) - 1 + size;
    char *head = malloc(len);
    assert(head != NULL);
    memcpy(head, line, sizeof(line) - 1);
    memcpy(head + sizeof(line) - 1, text.ptr, text.len);
    if (http1_read_request(slice_make(head, len), &limits, &request, &fault) == HTTP1_DONE) {
        check(&request);
    }
    free(head);
    return 0;
}
