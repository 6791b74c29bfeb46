#include "gateway/upstream/h2_head.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/upstream/attempt_ops.h"

#include <string.h>

enum { MOST_REQUEST_FIELDS = 512, PSEUDO_FIELDS = 4 };

/* ---- requests ---- */

static bool belongs_to_connection(const struct http1_field *field)
{
    switch (field->id) {
    case HTTP1_HOST: /* it is :authority */
    case HTTP1_CONNECTION:
    case HTTP1_TRANSFER_ENCODING:
    case HTTP1_TE: /* written again where it says trailers */
    case HTTP1_UPGRADE:
    case HTTP1_EXPECT:
    case HTTP1_KEEP_ALIVE:
    case HTTP1_PROXY_CONNECTION:
    case HTTP1_PROXY_AUTHORIZATION:
        return true;
    case HTTP1_OTHER:
    case HTTP1_CONTENT_LENGTH:
    case HTTP1_TRAILER:
    case HTTP1_PROXY_AUTHENTICATE:
    case HTTP1_ACCEPT_ENCODING:
    case HTTP1_CONTENT_ENCODING:
    case HTTP1_CONTENT_TYPE:
    case HTTP1_AUTHORIZATION:
    case HTTP1_COOKIE:
    case HTTP1_LOCATION:
    case HTTP1_LINK:
    case HTTP1_DATE:
    case HTTP1_NAMES:
        break;
    }
    return field->connection_option || slice_equal_nocase(field->name, SLICE("HTTP2-Settings"));
}

/* Never put into the table that a connection's requests share: what tenants send must not meet
 * what the gateway injects (RFC 7541, section 7.1). */
static void add(struct h2_head *head, struct slice name, struct slice value, uint8_t flags)
{
    head->fields[head->count++] = (nghttp2_nv){
        .name = (uint8_t *)name.ptr,
        .value = (uint8_t *)value.ptr,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = flags,
    };
}

static void to_lower(char *head, struct slice name)
{
    char *at = head + (name.ptr - head);
    for (size_t i = 0; i < name.len; i++) {
        at[i] = ascii_lower(at[i]);
    }
}

enum status h2_head_make(char *head, size_t len, bool tls, struct h2_head *ret)
{
    struct http1_field fields[MOST_REQUEST_FIELDS];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault = {0};
    const struct http1_limits limits = {
        .head_bytes = len + 1, .uri_bytes = len, .field_count = MOST_REQUEST_FIELDS};
    *ret = (struct h2_head){0};
    if (http1_read_request(slice_make(head, len), &limits, &request, &fault) != HTTP1_DONE) {
        return STATUS_INVALID;
    }
    ret->fields = memory_alloc((request.field_count + PSEUDO_FIELDS + 1) * sizeof(nghttp2_nv));
    add(ret, SLICE(":method"), request.method_text, NGHTTP2_NV_FLAG_NONE);
    add(ret, SLICE(":scheme"), tls ? SLICE("https") : SLICE("http"), NGHTTP2_NV_FLAG_NONE);
    add(ret, SLICE(":authority"), request.host, NGHTTP2_NV_FLAG_NONE);
    add(ret, SLICE(":path"), request.target, NGHTTP2_NV_FLAG_NO_INDEX);
    for (unsigned i = 0; i < request.field_count; i++) {
        const struct http1_field *field = &fields[i];
        if (!belongs_to_connection(field)) {
            to_lower(head, field->name);
            add(ret, field->name, field->value, NGHTTP2_NV_FLAG_NO_INDEX);
        }
    }
    if (request.te_trailers) {
        add(ret, SLICE("te"), SLICE("trailers"), NGHTTP2_NV_FLAG_NONE);
    }
    return STATUS_OK;
}

void h2_head_fini(struct h2_head *head)
{
    memory_free(TAKE(head->fields));
}

/* ---- answers ---- */

enum status h2_head_add(struct buffer *head, struct slice name, struct slice value)
{
    if (slice_equal(name, SLICE(":status"))) {
        TRY(buffer_append(head, SLICE("HTTP/1.1 ")));
        TRY(buffer_append(head, value));
        return buffer_append(head, SLICE(" \r\n"));
    }
    TRY(buffer_append(head, name));
    TRY(buffer_append(head, SLICE(": ")));
    TRY(buffer_append(head, value));
    return buffer_append(head, SLICE("\r\n"));
}

const char *h2_head_read(struct buffer *head, enum http1_method asked,
                         struct http1_response *response)
{
    struct http1_fault fault = {0};
    if (buffer_append(head, SLICE("\r\n")) != STATUS_OK) {
        return "the head is too large";
    }
    switch (
        http1_read_response(buffer_bytes(head), &attempt_answer_limits, asked, response, &fault)) {
    case HTTP1_DONE:
        break;
    case HTTP1_PARTIAL:
        return "the head is none";
    case HTTP1_BAD:
        return fault.reason;
    }
    if (response->head_len != buffer_len(head)) {
        return "the head is none";
    }
    if (response->framing == HTTP1_UNTIL_CLOSE) { /* streams end of their own */
        response->framing = HTTP1_CHUNKED;
    }
    response->keep_alive = true;
    return NULL;
}

const char *h2_head_read_trailers(struct buffer *section, struct slice *ret)
{
    struct http1_body body;
    struct http1_fault fault = {0};
    struct slice data = {"", 0};
    CLEANUP(buffer_fini) struct buffer chunked;
    size_t used = 0;
    buffer_init(&chunked, buffer_len(section) + 16);
    enum status status = buffer_append(&chunked, SLICE("0\r\n"));
    status = status != STATUS_OK ? status : buffer_append(&chunked, buffer_bytes(section));
    status = status != STATUS_OK ? status : buffer_append(&chunked, SLICE("\r\n"));
    http1_body_init(&body, HTTP1_CHUNKED, 0);
    while (status == STATUS_OK) {
        struct slice rest = buffer_bytes(&chunked);
        switch (http1_body_next(&body, rest, &used, &data, &fault)) {
        case HTTP1_PIECE_END:
            *ret = slice_make(memory_copy(data), data.len);
            return NULL;
        case HTTP1_PIECE_BAD:
            return fault.reason;
        case HTTP1_PIECE_MORE:
            if (used == 0) {
                return "the trailers are none";
            }
            buffer_consume(&chunked, used);
            break;
        case HTTP1_PIECE_DATA:
            return "the trailers are none";
        }
    }
    return "the trailers are too large";
}
