/*
 * Answers: the status line, and where an answer's body ends.
 *
 * As strict as requests: an answer that can be read in two ways is as dangerous on a kept
 * connection as such a request. Whatever is wrong is the provider's fault: 502.
 */
#include "base/http1_scan.h"

static enum http1_result refuse(const struct http1_head *head, const char *reason)
{
    return http1_refuse(head->fault, 502, reason);
}

static enum http1_result read_version(struct http1_head *head)
{
    static const char form[] = {'H', 'T', 'T', 'P', '/', '1', '.', '0', ' '};
    size_t available = (size_t)(head->end - head->at);
    for (size_t i = 0; i < available && i < sizeof(form); i++) {
        bool same =
            form[i] == '0' ? head->at[i] == '0' || head->at[i] == '1' : head->at[i] == form[i];
        if (!same) {
            return refuse(head, "the answer does not begin with HTTP/1.1 or HTTP/1.0");
        }
    }
    if (available < sizeof(form)) {
        return HTTP1_PARTIAL;
    }
    head->minor = (unsigned)(head->at[7] - '0');
    head->at += sizeof(form);
    return HTTP1_DONE;
}

/* 100..599. */
static enum http1_result read_status(struct http1_head *head, unsigned *ret_status)
{
    enum { DIGITS = 3 };
    unsigned status = 0;
    size_t available = (size_t)(head->end - head->at);
    for (size_t i = 0; i < available && i < DIGITS; i++) {
        bool fits = i == 0 ? head->at[i] >= '1' && head->at[i] <= '5' : ascii_is_digit(head->at[i]);
        if (!fits) {
            return refuse(head, "the answer's status is not a number from 100 to 599");
        }
        status = status * 10 + (unsigned)(head->at[i] - '0');
    }
    if (available < DIGITS) {
        return HTTP1_PARTIAL;
    }
    head->at += DIGITS;
    *ret_status = status;
    return HTTP1_DONE;
}

/* Some servers leave out the blank before an empty reason. */
static enum http1_result read_reason(struct http1_head *head, struct slice *ret_reason)
{
    if (head->at < head->end && *head->at == ' ') {
        const char *start = head->at + 1;
        head->at = http1_skip_value(start, head->end);
        *ret_reason = slice_make(start, (size_t)(head->at - start));
    }
    return http1_read_line_end(head, "the answer's status line is malformed");
}

static enum http1_result read_status_line(struct http1_head *head, struct http1_response *response)
{
    enum http1_result result = read_version(head);
    if (result == HTTP1_DONE) {
        response->minor = head->minor;
        result = read_status(head, &response->status);
    }
    if (result == HTTP1_DONE) {
        result = read_reason(head, &response->reason);
    }
    if (result == HTTP1_DONE && response->status == 101) {
        return refuse(head, "the provider switched protocols, which nothing asked for");
    }
    if (result == HTTP1_DONE && response->status < 200 && head->minor == 0) {
        return refuse(head, "HTTP/1.0 has no interim answers");
    }
    return result;
}

static enum http1_result take_field(struct http1_head *head, const struct http1_field *field)
{
    if (field->id == HTTP1_CONTENT_LENGTH) {
        return http1_take_content_length(head, field->value);
    }
    if (field->id == HTTP1_TRANSFER_ENCODING) {
        return http1_take_transfer_encoding(head, field->value);
    }
    if (field->id == HTTP1_CONNECTION) {
        http1_note_connection(head);
    }
    return HTTP1_DONE;
}

static bool has_no_body(unsigned status, enum http1_method asked)
{
    return asked == HTTP1_HEAD || status < 200 || status == 204 || status == 304;
}

/* RFC 9112, 6.3. */
static enum http1_result decide_framing(struct http1_head *head, enum http1_method asked,
                                        struct http1_response *response)
{
    bool announces = head->chunked || head->content_length > 0;
    response->content_length = head->content_length;
    response->has_content_length = head->has_content_length;
    response->keep_alive = !head->close && (head->minor > 0 || head->keep_alive);
    if (response->status < 200 && announces) {
        return refuse(head, "an interim answer announces a body");
    }
    if (has_no_body(response->status, asked)) {
        response->framing = HTTP1_NO_BODY;
        /* It may send the body that it wrongly announces. */
        response->keep_alive &= !(response->status == 204 && announces);
    } else if (head->chunked) {
        response->framing = HTTP1_CHUNKED;
    } else if (head->has_content_length) {
        response->framing = head->content_length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
    } else {
        response->framing = HTTP1_UNTIL_CLOSE;
        response->keep_alive = false;
    }
    return HTTP1_DONE;
}

/* "Connection: Transfer-Encoding" comes from large networks and says nothing new. */
static enum http1_result read_head(struct http1_head *head, enum http1_method asked,
                                   struct http1_response *response)
{
    enum http1_result result = read_status_line(head, response);
    if (result == HTTP1_DONE) {
        result = http1_read_fields(head, take_field);
    }
    if (result == HTTP1_DONE) {
        result = http1_apply_connection(head, HTTP1_SET(HTTP1_CONTENT_LENGTH));
    }
    return result == HTTP1_DONE ? decide_framing(head, asked, response) : result;
}

enum http1_result http1_read_response(struct slice bytes, const struct http1_limits *limits,
                                      enum http1_method asked, struct http1_response *response,
                                      struct http1_fault *fault)
{
    bool limited = bytes.len >= limits->head_bytes;
    struct http1_head head = {
        .at = bytes.ptr,
        .end = bytes.ptr + (limited ? limits->head_bytes : bytes.len),
        .fault = fault,
        .fields = response->fields,
        .field_max = limits->field_count,
    };
    *response = (struct http1_response){.fields = response->fields};
    enum http1_result result = read_head(&head, asked, response);
    if (result == HTTP1_PARTIAL && limited) {
        return refuse(&head, "the answer's head is too long");
    }
    if (result == HTTP1_BAD) {
        fault->status = 502; /* what the shared readers say is meant for requests */
    }
    response->field_count = head.field_count;
    response->head_len = (size_t)(head.at - bytes.ptr);
    return result;
}
