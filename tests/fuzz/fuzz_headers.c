/*
 * fuzz_headers: whatever a request carries, and whatever the route passes, no name that is dropped
 * goes upstream, and the lines that do are as many fields to a strict reader as were written.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "routes/headers.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 64 };

static const struct slice slots[] = {SLICE_INIT("authorization"), SLICE_INIT("x-api-key")};
static const struct slice dropped_by_route[] = {SLICE_INIT("x-debug")};
static const struct slice passed[] = {
    SLICE_INIT("cookie"),          SLICE_INIT("x-forwarded-for"), SLICE_INIT("authorization"),
    SLICE_INIT("content-length"),  SLICE_INIT("x-sallyport-key"), SLICE_INIT("proxy-x"),
    SLICE_INIT("accept-encoding"), SLICE_INIT("x-debug"),
};
static const struct header_setting set[] = {{SLICE_INIT("X-Set"), SLICE_INIT("1")}};
static const struct header_setting defaults[] = {{SLICE_INIT("Accept"), SLICE_INIT("*/*")}};

static const struct slice never[] = {
    SLICE_INIT("connection"),      SLICE_INIT("te"),
    SLICE_INIT("trailer"),         SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"),         SLICE_INIT("keep-alive"),
    SLICE_INIT("content-length"),  SLICE_INIT("expect"),
    SLICE_INIT("accept-encoding"), SLICE_INIT("authorization"),
    SLICE_INIT("x-api-key"),       SLICE_INIT("x-debug"),
    SLICE_INIT("x-http-method"),   SLICE_INIT("x-http-method-override"),
    SLICE_INIT("x-original-url"),  SLICE_INIT("x-method-override"),
    SLICE_INIT("x-rewrite-url"),   SLICE_INIT("via"),
    SLICE_INIT("traceparent"),     SLICE_INIT("forwarded"),
};
static const struct slice never_begins[] = {SLICE_INIT("x-sallyport-"), SLICE_INIT("proxy-")};

#define COUNT_OF(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

/* As a server reads it that makes no difference between '-' and '_'. */
static void expect_harmless(struct slice name)
{
    char text[64];
    if (name.len > sizeof(text)) {
        name.len = sizeof(text); /* longer than any name to compare with */
    }
    for (size_t i = 0; i < name.len; i++) {
        text[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    }
    struct slice twin = slice_make(text, name.len);
    for (unsigned i = 0; i < COUNT_OF(never); i++) {
        assert(!slice_equal_nocase(twin, never[i]));
    }
    for (unsigned i = 0; i < COUNT_OF(never_begins); i++) {
        assert(!slice_starts_with_nocase(twin, never_begins[i]));
    }
}

static unsigned count_lines(struct slice text)
{
    unsigned lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n' ? 1 : 0;
    }
    return lines;
}

static void check_output(struct slice lines, unsigned fields_in)
{
    static const struct http1_limits limits = {1U << 20, 1024, FIELDS_MAX + 8};
    struct buffer head CLEANUP(buffer_fini);
    struct http1_field fields[FIELDS_MAX + 8];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault;
    unsigned hosts = 0;

    buffer_init(&head, 1U << 20);
    assert(buffer_print(&head, "POST / HTTP/1.1\r\n") == STATUS_OK);
    assert(buffer_append(&head, lines) == STATUS_OK);
    assert(buffer_append(&head, SLICE("\r\n")) == STATUS_OK);
    assert(http1_read_request(buffer_bytes(&head), &limits, &request, &fault) == HTTP1_DONE);
    assert(request.head_len == buffer_len(&head));
    assert(request.field_count == count_lines(lines));
    assert(request.field_count <= fields_in + 3); /* Host, X-Set, Accept */
    assert(request.framing == HTTP1_NO_BODY && !request.upgrade && !request.expect_continue);
    for (unsigned i = 0; i < request.field_count; i++) {
        if (fields[i].id == HTTP1_HOST) {
            assert(slice_equal(fields[i].value, SLICE("api.example.com")));
            hosts++;
        } else {
            expect_harmless(fields[i].name);
        }
    }
    assert(hosts == 1);
    assert(http1_find_field(fields, request.field_count, SLICE("accept")) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http1_limits limits = {1U << 16, 1U << 14, FIELDS_MAX};
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer out CLEANUP(buffer_fini);
    struct http1_field fields[FIELDS_MAX];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault;
    struct header_rules rules;
    struct slice head = slice_make((const char *)data, size);

    buffer_init(&out, 1U << 20);
    if (size == 0 ||
        http1_read_request(slice_skip(head, 1), &limits, &request, &fault) != HTTP1_DONE) {
        return 0;
    }
    const struct header_rules_input input = {
        .authority = SLICE("api.example.com"),
        .slots = slots,
        .slot_count = COUNT_OF(slots),
        .drop = dropped_by_route,
        .drop_count = COUNT_OF(dropped_by_route),
        .pass = passed,
        .pass_count = (data[0] & 1) != 0 ? COUNT_OF(passed) : 0,
        .set = set,
        .set_count = COUNT_OF(set),
        .defaults = defaults,
        .default_count = COUNT_OF(defaults),
    };
    header_rules_compile(&arena, &input, &rules);
    assert(header_rules_write(&rules, request.fields, request.field_count, &out) == STATUS_OK);
    check_output(buffer_bytes(&out), request.field_count);
    return 0;
}
