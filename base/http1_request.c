/*
 * Requests: the request line, and what the fields of a request mean for its framing.
 */
#include "base/http1_internal.h"

/* A request head being read. */
struct reading {
    struct http1_head head; /* first: see take_field() */
    struct http1_request *request;
    const struct http1_limits *limits;
    struct slice host_field;
    bool has_host;
};

static enum http1_result refuse(const struct reading *reading, unsigned status, const char *reason)
{
    return http1_refuse(reading->head.fault, status, reason);
}

static enum http1_method find_method(struct slice text)
{
    static const struct {
        struct slice text;
        enum http1_method method;
    } known[] = {
        {SLICE_INIT("POST"), HTTP1_POST},       {SLICE_INIT("GET"), HTTP1_GET},
        {SLICE_INIT("PUT"), HTTP1_PUT},         {SLICE_INIT("DELETE"), HTTP1_DELETE},
        {SLICE_INIT("PATCH"), HTTP1_PATCH},     {SLICE_INIT("HEAD"), HTTP1_HEAD},
        {SLICE_INIT("OPTIONS"), HTTP1_OPTIONS}, {SLICE_INIT("CONNECT"), HTTP1_CONNECT},
        {SLICE_INIT("TRACE"), HTTP1_TRACE},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_equal(known[i].text, text)) {
            return known[i].method;
        }
    }
    return HTTP1_METHOD_OTHER;
}

/* Skips bytes of one kind; what follows them must be a single blank, which is skipped too. */
static enum http1_result read_word(struct http1_head *head, const char *end, unsigned kind,
                                   struct slice *ret_word)
{
    const char *start = head->at;
    const char *at = start;
    while (at < end && http1_is(*at, kind)) {
        at++;
    }
    *ret_word = slice_make(start, (size_t)(at - start));
    if (at == end) {
        return HTTP1_PARTIAL;
    }
    if (*at != ' ' || at == start) {
        return HTTP1_BAD;
    }
    head->at = at + 1;
    return HTTP1_DONE;
}

static enum http1_result read_method(struct reading *reading)
{
    struct slice text;
    enum http1_result result =
        read_word(&reading->head, reading->head.end, HTTP1_TOKEN_BYTE, &text);
    if (result == HTTP1_BAD) {
        return refuse(reading, 400, "the request does not begin with a method and a blank");
    }
    if (result == HTTP1_DONE) {
        reading->request->method_text = text;
        reading->request->method = find_method(text);
    }
    return result;
}

static enum http1_result read_target(struct reading *reading)
{
    struct http1_head *head = &reading->head;
    size_t limit = reading->limits->uri_bytes;
    bool limited = (size_t)(head->end - head->at) > limit;
    struct slice target;
    enum http1_result result =
        read_word(head, limited ? head->at + limit + 1 : head->end, HTTP1_TARGET_BYTE, &target);
    if (result == HTTP1_BAD) {
        return refuse(reading, 400, "the request target has a byte that no target may have");
    }
    if (target.len > limit) {
        return refuse(reading, 414, "the request target is too long");
    }
    if (result == HTTP1_DONE) {
        reading->request->target = target;
    }
    return result;
}

static enum http1_result read_version(struct reading *reading)
{
    static const char form[] = {'H', 'T', 'T', 'P', '/', '0', '.', '0', '\r', '\n'};
    struct http1_head *head = &reading->head;
    size_t available = (size_t)(head->end - head->at);
    if (available >= sizeof(form) && memcmp(head->at, "HTTP/1.1\r\n", sizeof(form)) == 0) {
        head->minor = 1;
        reading->request->minor = 1;
        head->at += sizeof(form);
        return HTTP1_DONE;
    }
    for (size_t i = 0; i < available && i < sizeof(form); i++) {
        bool same = form[i] == '0' ? ascii_is_digit(head->at[i]) : head->at[i] == form[i];
        if (!same) {
            return refuse(reading, 400, "the request line does not end with HTTP/1.1 and CR LF");
        }
    }
    if (available < sizeof(form)) {
        return HTTP1_PARTIAL;
    }
    if (head->at[5] != '1' || head->at[7] > '1') {
        return refuse(reading, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    head->minor = (unsigned)(head->at[7] - '0');
    reading->request->minor = head->minor;
    head->at += sizeof(form);
    return HTTP1_DONE;
}

/* http://authority/path; the authority stands for the Host field then (RFC 9112, 3.2.2). */
static enum http1_result split_absolute_form(const struct reading *reading)
{
    struct http1_request *request = reading->request;
    struct slice rest = request->target;
    if (slice_starts_with_nocase(rest, SLICE("http://"))) {
        rest = slice_skip(rest, sizeof("http://") - 1);
    } else if (slice_starts_with_nocase(rest, SLICE("https://"))) {
        rest = slice_skip(rest, sizeof("https://") - 1);
    } else {
        return refuse(reading, 400, "the request target is neither a path nor an http URL");
    }
    size_t len = slice_find(rest, '/');
    request->host = slice_make(rest.ptr, len);
    request->path = slice_skip(rest, len);
    if (request->path.len == 0) {
        request->path = request->method == HTTP1_OPTIONS ? SLICE("*") : SLICE("/");
    }
    if (!http1_valid_host(request->host)) {
        return refuse(reading, 400, "the request target has a malformed host");
    }
    return HTTP1_DONE;
}

static enum http1_result split_target(const struct reading *reading)
{
    struct http1_request *request = reading->request;
    if (request->method == HTTP1_CONNECT) {
        return refuse(reading, 501, "CONNECT is not supported");
    }
    if (request->target.ptr[0] == '/' ||
        (request->method == HTTP1_OPTIONS && slice_equal(request->target, SLICE("*")))) {
        request->path = request->target;
        return HTTP1_DONE;
    }
    return split_absolute_form(reading);
}

static enum http1_result read_request_line(struct reading *reading)
{
    struct http1_head *head = &reading->head;
    enum http1_result result = HTTP1_DONE;
    if (head->at < head->end && *head->at == '\r') { /* RFC 9112, 2.2 */
        result = http1_read_line_end(head, "");
    }
    if (result == HTTP1_DONE) {
        result = read_method(reading);
    }
    if (result == HTTP1_DONE) {
        result = read_target(reading);
    }
    if (result == HTTP1_DONE) {
        result = read_version(reading);
    }
    return result == HTTP1_DONE ? split_target(reading) : result;
}

static enum http1_result take_host(struct reading *reading, struct slice value)
{
    if (reading->has_host) {
        return refuse(reading, 400, "there are several Host fields");
    }
    if (!http1_valid_host(value)) {
        return refuse(reading, 400, "Host is malformed");
    }
    reading->has_host = true;
    reading->host_field = value;
    return HTTP1_DONE;
}

static enum http1_result take_connection(struct reading *reading, struct slice value)
{
    (void)value; /* read when all fields are known */
    http1_note_connection(&reading->head);
    return HTTP1_DONE;
}

static enum http1_result take_content_length(struct reading *reading, struct slice value)
{
    return http1_take_content_length(&reading->head, value);
}

static enum http1_result take_transfer_encoding(struct reading *reading, struct slice value)
{
    return http1_take_transfer_encoding(&reading->head, value);
}

static enum http1_result take_te(struct reading *reading, struct slice value)
{
    struct slice member;
    while (http1_next_member(&value, &member)) {
        reading->request->te_trailers |= slice_equal_nocase(member, SLICE("trailers"));
    }
    return HTTP1_DONE;
}

/* HTTP/1.0 knows neither Upgrade nor Expect: ignored there (RFC 9110, 7.8 and 10.1.1). So is the
 * offer of h2c, which RFC 9113 has withdrawn: Java's client makes it with each plain request, and
 * reads an HTTP/1.1 answer as well. */
static enum http1_result take_upgrade(struct reading *reading, struct slice value)
{
    struct slice member;
    while (reading->head.minor > 0 && http1_next_member(&value, &member)) {
        reading->request->upgrade |= !slice_equal_nocase(member, SLICE("h2c"));
    }
    return HTTP1_DONE;
}

static enum http1_result take_expect(struct reading *reading, struct slice value)
{
    if (reading->head.minor == 0) {
        return HTTP1_DONE;
    }
    if (!slice_equal_nocase(value, SLICE("100-continue"))) {
        return refuse(reading, 417, "the only expectation that is known is 100-continue");
    }
    reading->request->expect_continue = true;
    return HTTP1_DONE;
}

static enum http1_result take_field(struct http1_head *head, const struct http1_field *field)
{
    static enum http1_result (*const take[HTTP1_NAMES])(struct reading *, struct slice) = {
        [HTTP1_HOST] = take_host,
        [HTTP1_CONNECTION] = take_connection,
        [HTTP1_CONTENT_LENGTH] = take_content_length,
        [HTTP1_TRANSFER_ENCODING] = take_transfer_encoding,
        [HTTP1_TE] = take_te,
        [HTTP1_UPGRADE] = take_upgrade,
        [HTTP1_EXPECT] = take_expect,
    };
    struct reading *reading = (struct reading *)head; /* of which it is the first member */
    return take[field->id] == NULL ? HTTP1_DONE : take[field->id](reading, field->value);
}

static enum http1_result conclude(struct reading *reading)
{
    struct http1_head *head = &reading->head;
    struct http1_request *request = reading->request;
    if (head->minor > 0 && !reading->has_host) {
        return refuse(reading, 400, "Host is missing");
    }
    if (request->host.len == 0) {
        request->host = reading->host_field;
    }
    enum http1_result result =
        http1_apply_connection(head, HTTP1_SET(HTTP1_HOST) | HTTP1_SET(HTTP1_CONTENT_LENGTH) |
                                         HTTP1_SET(HTTP1_TRANSFER_ENCODING));
    if (result != HTTP1_DONE) {
        return result;
    }
    request->content_length = head->content_length;
    if (head->chunked) {
        request->framing = HTTP1_CHUNKED;
    } else if (head->content_length > 0) {
        request->framing = HTTP1_LENGTH;
    } else {
        request->framing = HTTP1_NO_BODY;
        request->expect_continue = false; /* there is nothing to continue with */
    }
    request->keep_alive = !head->close && (head->minor > 0 || head->keep_alive);
    return HTTP1_DONE;
}

enum http1_result http1_read_request(struct slice bytes, const struct http1_limits *limits,
                                     struct http1_request *request, struct http1_fault *fault)
{
    bool limited = bytes.len >= limits->head_bytes;
    struct reading reading = {
        .head = {.at = bytes.ptr,
                 .end = bytes.ptr + (limited ? limits->head_bytes : bytes.len),
                 .fault = fault,
                 .fields = request->fields,
                 .field_max = limits->field_count},
        .request = request,
        .limits = limits,
    };
    *request = (struct http1_request){.fields = request->fields};
    enum http1_result result = read_request_line(&reading);
    if (result == HTTP1_DONE) {
        result = http1_read_fields(&reading.head, take_field);
    }
    request->field_count = reading.head.field_count;
    if (result == HTTP1_DONE) {
        result = conclude(&reading);
    }
    if (result == HTTP1_PARTIAL && limited) {
        return http1_refuse(fault, 431, "the head is too long");
    }
    request->head_len = (size_t)(reading.head.at - bytes.ptr);
    return result;
}
