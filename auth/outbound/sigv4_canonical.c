/* sigv4_canonical: the canonical request of AWS Signature Version 4. */
#include "auth/outbound/signer_internal.h"
#include "base/memory.h"

#include <stdlib.h>

/* ---- percent-encoding ---- */

static const char upper_hex[] = "0123456789ABCDEF";

/* What is not unreserved is encoded, '/' as `slash_stays` says. There is room for three times the
 * text at `to`. */
static char *encode_byte(char *to, unsigned char byte, bool slash_stays)
{
    if (ascii_is_unreserved((char)byte) || (byte == '/' && slash_stays)) {
        *to++ = (char)byte;
        return to;
    }
    *to++ = '%';
    *to++ = upper_hex[byte >> 4];
    *to++ = upper_hex[byte & 0xf];
    return to;
}

/* ---- the path ---- */

/* As S3 has it: as it was before it was encoded, encoded anew. A '+' is a '+'. */
static enum status write_path_once(struct slice path, struct buffer *out)
{
    TRY(buffer_reserve(out, 3 * path.len));
    char *to = buffer_tail(out);
    for (size_t at = 0; at < path.len;) {
        to = encode_byte(to, signing_take_decoded(path, &at), true);
    }
    buffer_commit(out, (size_t)(to - buffer_tail(out)));
    return STATUS_OK;
}

static struct slice take_segment(struct slice *path)
{
    size_t end = slice_find(*path, '/');
    struct slice segment = slice_make(path->ptr, end);
    *path = slice_skip(*path, end + 1);
    return segment;
}

/* As all others have it: empty segments and dots resolved (RFC 3986, section 5.2.4), and what was
 * sent encoded once more. */
static enum status write_path_twice(struct slice path, struct buffer *out)
{
    TRY(buffer_reserve(out, 3 * path.len + 2));
    char *start = buffer_tail(out);
    char *to = start;
    bool ends_with_slash = true;
    while (path.len > 0) {
        ends_with_slash = path.ptr[path.len - 1] == '/';
        struct slice segment = take_segment(&path);
        bool last = path.len == 0 && !ends_with_slash;
        if (segment.len == 0 || slice_equal(segment, SLICE("."))) {
            ends_with_slash = ends_with_slash || last;
            continue;
        }
        if (slice_equal(segment, SLICE(".."))) {
            while (to > start && *--to != '/') {
            }
            ends_with_slash = ends_with_slash || last;
            continue;
        }
        *to++ = '/';
        for (size_t i = 0; i < segment.len; i++) {
            to = encode_byte(to, (unsigned char)segment.ptr[i], false);
        }
    }
    if (ends_with_slash || to == start) {
        *to++ = '/';
    }
    buffer_commit(out, (size_t)(to - start));
    return STATUS_OK;
}

/* ---- the query ---- */

/* One parameter, encoded; both lie in the memory behind `bytes`. */
struct pair {
    struct slice name, value;
};

struct pairs {
    struct pair on_stack[16];
    struct pair *all; /* on_stack, or owned */
    unsigned count;
    char *bytes; /* owned */
};

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    int order = signing_compare(a->name, b->name);
    return order != 0 ? order : signing_compare(a->value, b->value);
}

/* Decoded, a '+' being a space, and encoded anew. */
static struct slice encode_part(struct slice part, char **to)
{
    char *start = *to;
    for (size_t at = 0; at < part.len;) {
        bool plus = part.ptr[at] == '+';
        unsigned char byte = signing_take_decoded(part, &at);
        *to = encode_byte(*to, plus ? ' ' : byte, false);
    }
    return slice_make(start, (size_t)(*to - start));
}

static unsigned count_pairs(struct slice query)
{
    unsigned count = 1;
    for (size_t i = 0; i < query.len; i++) {
        count += query.ptr[i] == '&';
    }
    return count;
}

static void read_pairs(struct slice query, struct pairs *pairs)
{
    char *to = pairs->bytes;
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice parameter = slice_make(query.ptr, end);
        query = slice_skip(query, end + 1);
        if (parameter.len == 0) {
            continue;
        }
        size_t equals = slice_find(parameter, '=');
        struct pair *pair = &pairs->all[pairs->count++];
        pair->name = encode_part(slice_make(parameter.ptr, equals), &to);
        pair->value = encode_part(slice_skip(parameter, equals + 1), &to);
    }
}

static enum status write_pairs(const struct pairs *pairs, struct buffer *out)
{
    for (unsigned i = 0; i < pairs->count; i++) {
        if (i > 0) {
            TRY(buffer_append(out, SLICE("&")));
        }
        TRY(buffer_append(out, pairs->all[i].name));
        TRY(buffer_append(out, SLICE("=")));
        TRY(buffer_append(out, pairs->all[i].value));
    }
    return STATUS_OK;
}

static enum status write_query(struct slice query, struct buffer *out)
{
    struct pairs pairs = {.count = 0};
    unsigned most = count_pairs(query);
    if (query.len == 0) {
        return STATUS_OK;
    }
    bool few = most <= sizeof(pairs.on_stack) / sizeof(pairs.on_stack[0]);
    pairs.all = few ? pairs.on_stack : memory_alloc(most * sizeof(*pairs.all));
    pairs.bytes = memory_alloc(3 * query.len);
    read_pairs(query, &pairs);
    if (pairs.count > 1) {
        qsort(pairs.all, pairs.count, sizeof(*pairs.all), compare_pairs);
    }
    enum status status = write_pairs(&pairs, out);
    memory_free(pairs.bytes);
    if (!few) {
        memory_free(pairs.all);
    }
    return status;
}

/* ---- the fields ---- */

/* What those on the way may change, and what frames the body; as AWS's own SDKs leave it out. */
static const struct slice unsigned_names[] = {
    SLICE_INIT("accept-encoding"),
    SLICE_INIT("authorization"),
    SLICE_INIT("cache-control"),
    SLICE_INIT("connection"),
    SLICE_INIT("content-length"),
    SLICE_INIT("expect"),
    SLICE_INIT("forwarded"),
    SLICE_INIT("from"),
    SLICE_INIT("keep-alive"),
    SLICE_INIT("max-forwards"),
    SLICE_INIT("pragma"),
    SLICE_INIT("referer"),
    SLICE_INIT("te"),
    SLICE_INIT("traceparent"),
    SLICE_INIT("tracestate"),
    SLICE_INIT("trailer"),
    SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"),
    SLICE_INIT("user-agent"),
    SLICE_INIT("via"),
    SLICE_INIT("x-amzn-trace-id"),
};

static const struct slice unsigned_prefixes[] = {
    SLICE_INIT("proxy-"),
    SLICE_INIT("sec-"),
    SLICE_INIT("x-forwarded-"),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_signed(struct slice name)
{
    if (slice_starts_with_nocase(name, SLICE("x-amz-"))) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(unsigned_names); i++) {
        if (slice_equal_nocase(name, unsigned_names[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(unsigned_prefixes); i++) {
        if (slice_starts_with_nocase(name, unsigned_prefixes[i])) {
            return false;
        }
    }
    return true;
}

/* Leaves those that are signed, sorted; those of one name in the order of sending. */
static unsigned sort_fields(struct signing_field *fields, unsigned count)
{
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        struct signing_field field = fields[i];
        if (!is_signed(field.name)) {
            continue;
        }
        unsigned at = used++;
        while (at > 0 && signing_compare_nocase(fields[at - 1].name, field.name) > 0) {
            fields[at] = fields[at - 1];
            at--;
        }
        fields[at] = field;
    }
    return used;
}

/* Blanks at the ends are gone; those within are one space. */
static enum status write_value(struct slice value, struct buffer *out)
{
    value = slice_trim(value);
    TRY(buffer_reserve(out, value.len));
    char *to = buffer_tail(out);
    bool blank = false;
    for (size_t i = 0; i < value.len; i++) {
        char byte = value.ptr[i] == '\t' ? ' ' : value.ptr[i];
        if (byte != ' ' || !blank) {
            *to++ = byte;
        }
        blank = byte == ' ';
    }
    buffer_commit(out, (size_t)(to - buffer_tail(out)));
    return STATUS_OK;
}

static bool same_as_before(const struct signing_field *fields, unsigned index)
{
    return index > 0 && slice_equal_nocase(fields[index - 1].name, fields[index].name);
}

static enum status write_fields(const struct signing_field *fields, unsigned count,
                                struct buffer *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (same_as_before(fields, i)) {
            TRY(buffer_append(out, SLICE(",")));
        } else {
            TRY(buffer_append(out, i > 0 ? SLICE("\n") : SLICE("")));
            TRY(signing_append_lower(out, fields[i].name));
            TRY(buffer_append(out, SLICE(":")));
        }
        TRY(write_value(fields[i].value, out));
    }
    return buffer_append(out, SLICE("\n\n"));
}

static enum status write_names(const struct signing_field *fields, unsigned count,
                               struct buffer *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (!same_as_before(fields, i)) {
            TRY(buffer_append(out, i > 0 ? SLICE(";") : SLICE("")));
            TRY(signing_append_lower(out, fields[i].name));
        }
    }
    return STATUS_OK;
}

/* ---- all of it ---- */

enum status sigv4_canonical(const struct signing_rule *rule, const struct signing_request *request,
                            struct signing_field *fields, unsigned count, struct buffer *out,
                            struct slice *ret_signed)
{
    size_t mark = slice_find(request->target, '?');
    struct slice path = slice_make(request->target.ptr, mark);
    count = sort_fields(fields, count);
    TRY(buffer_append(out, request->method));
    TRY(buffer_append(out, SLICE("\n")));
    TRY(rule->as_s3 ? write_path_once(path, out) : write_path_twice(path, out));
    TRY(buffer_append(out, SLICE("\n")));
    TRY(write_query(slice_skip(request->target, mark + 1), out));
    TRY(buffer_append(out, SLICE("\n")));
    TRY(write_fields(fields, count, out));
    size_t names = buffer_len(out);
    TRY(write_names(fields, count, out));
    size_t names_end = buffer_len(out);
    TRY(buffer_append(out, SLICE("\n")));
    TRY(buffer_append(out, request->payload));
    *ret_signed = slice_make(buffer_bytes(out).ptr + names, names_end - names);
    return STATUS_OK;
}
