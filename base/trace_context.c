#include "base/trace_context.h"

#include "base/http1.h"

#include <assert.h>

/* "00-", then the trace's id, "-", the parent's, "-", two digits of flags. */
enum {
    TRACE_AT = 3,
    SPAN_AT = TRACE_AT + TRACE_ID_LEN + 1,
    FLAGS_AT = SPAN_AT + SPAN_ID_LEN + 1,
};
_Static_assert(FLAGS_AT + 2 == TRACE_PARENT_LEN, "the parts are the whole");

static const struct slice parent_name = SLICE_INIT("traceparent");
static const struct slice state_name = SLICE_INIT("tracestate");

/* -1: it is none, in lower case. */
static int hex_digit(char byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                                        : -1;
}

static bool is_hex(struct slice text)
{
    bool all = true;
    for (size_t i = 0; i < text.len; i++) {
        all = all && hex_digit(text.ptr[i]) >= 0;
    }
    return all;
}

static bool is_id(struct slice text)
{
    bool zero = true;
    for (size_t i = 0; i < text.len; i++) {
        zero = zero && text.ptr[i] == '0';
    }
    return !zero && is_hex(text);
}

/* A later version may have more behind the flags, and nothing else may. */
static bool has_form(struct slice value)
{
    if (value.len < TRACE_PARENT_LEN || value.ptr[TRACE_AT - 1] != '-' ||
        value.ptr[SPAN_AT - 1] != '-' || value.ptr[FLAGS_AT - 1] != '-') {
        return false;
    }
    struct slice version = slice_make(value.ptr, 2);
    if (!is_hex(version) || slice_equal(version, SLICE("ff"))) {
        return false;
    }
    bool whole = value.len == TRACE_PARENT_LEN;
    return whole || (!slice_equal(version, SLICE("00")) && value.ptr[TRACE_PARENT_LEN] == '-');
}

bool trace_parent_read(struct slice value, struct trace_parent *ret)
{
    if (!has_form(value)) {
        return false;
    }
    struct slice trace_id = slice_make(value.ptr + TRACE_AT, TRACE_ID_LEN);
    struct slice span_id = slice_make(value.ptr + SPAN_AT, SPAN_ID_LEN);
    struct slice flags = slice_make(value.ptr + FLAGS_AT, 2);
    if (!is_id(trace_id) || !is_id(span_id) || !is_hex(flags)) {
        return false;
    }
    *ret = (struct trace_parent){
        .trace_id = trace_id,
        .span_id = span_id,
        .sampled = (hex_digit(flags.ptr[1]) & 1) != 0,
    };
    return true;
}

void trace_parent_write(struct slice trace_id, struct slice span_id, bool sampled,
                        char out[TRACE_PARENT_LEN])
{
    assert(trace_id.len == TRACE_ID_LEN && span_id.len == SPAN_ID_LEN);
    memcpy(out, "00-", TRACE_AT);
    memcpy(out + TRACE_AT, trace_id.ptr, TRACE_ID_LEN);
    out[SPAN_AT - 1] = '-';
    memcpy(out + SPAN_AT, span_id.ptr, SPAN_ID_LEN);
    memcpy(out + FLAGS_AT - 1, sampled ? "-01" : "-00", 3);
}

/* The one traceparent among the fields. False: there is none, or more, or a broken one. */
static bool find_parent(const struct http1_field *fields, unsigned count, struct trace_parent *ret)
{
    const struct http1_field *found = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (http1_field_is(&fields[i], parent_name, TRACE_PARENT_HASH)) {
            if (found != NULL) {
                return false;
            }
            found = &fields[i];
        }
    }
    return found != NULL && trace_parent_read(found->value, ret);
}

void trace_context_read(const struct http1_field *fields, unsigned count, const char *own,
                        struct trace_context *ret)
{
    struct trace_parent parent;
    *ret = (struct trace_context){
        .trace_id = slice_make(own, TRACE_ID_LEN),
        .span_id = slice_make(own, SPAN_ID_LEN),
        .call_id = slice_make(own + SPAN_ID_LEN, SPAN_ID_LEN),
        .parent_id = slice_make("", 0),
    };
    if (find_parent(fields, count, &parent)) {
        ret->trace_id = parent.trace_id;
        ret->parent_id = parent.span_id;
        ret->sampled = parent.sampled;
    }
}

/* Section 3.3.1.3.2: printable ASCII; the list itself has blanks and tabs between its members. */
static bool is_state(struct slice value)
{
    bool all = true;
    for (size_t i = 0; i < value.len; i++) {
        all = all && ((value.ptr[i] >= ' ' && value.ptr[i] <= '~') || value.ptr[i] == '\t');
    }
    return all;
}

/* Appends whole members to the `len` bytes in `out`, as long as they fit. False: one did not. */
static bool add_members(struct slice value, char out[TRACE_STATE_MAX], size_t *len)
{
    while (value.len > 0) {
        struct slice member = slice_make(value.ptr, slice_find(value, ','));
        value = slice_skip(value, member.len + 1);
        member = slice_trim(member);
        size_t comma = *len > 0 ? 1 : 0;
        if (member.len == 0) {
            continue;
        }
        if (member.len + comma > TRACE_STATE_MAX - *len) {
            return false;
        }
        if (comma > 0) {
            out[*len] = ',';
        }
        memcpy(out + *len + comma, member.ptr, member.len);
        *len += comma + member.len;
    }
    return true;
}

size_t trace_state_read(const struct http1_field *fields, unsigned count, char out[TRACE_STATE_MAX])
{
    struct trace_parent parent;
    size_t len = 0;
    bool fits = find_parent(fields, count, &parent);
    for (unsigned i = 0; i < count && fits; i++) {
        if (!slice_equal_nocase(fields[i].name, state_name)) {
            continue;
        }
        if (!is_state(fields[i].value)) {
            return 0;
        }
        fits = add_members(fields[i].value, out, &len);
    }
    return len;
}
