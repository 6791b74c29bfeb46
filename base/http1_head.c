/*
 * Heads: field lines and the fields that frame a message, alike for requests and answers.
 *
 * Nothing is repaired. A line ends with CR LF, a name is followed by its colon, and what another
 * reader might take for something else is refused (RFC 9112, 5 and 11.2).
 */
#include "base/http1_scan.h"

/* More options than anyone sends; each is looked for among all fields. */
enum { MOST_CONNECTION_OPTIONS = 64 };

enum http1_result http1_refuse(struct http1_fault *fault, unsigned status, const char *reason)
{
    *fault = (struct http1_fault){status, reason};
    return HTTP1_BAD;
}

static enum http1_result refuse(const struct http1_head *head, const char *reason)
{
    return http1_refuse(head->fault, 400, reason);
}

enum http1_result http1_read_line_end(struct http1_head *head, const char *reason)
{
    if (head->at == head->end) {
        return HTTP1_PARTIAL;
    }
    if (head->at[0] != '\r') {
        return refuse(head, reason);
    }
    if (head->at + 1 == head->end) {
        return HTTP1_PARTIAL;
    }
    if (head->at[1] != '\n') {
        return refuse(head, "a CR is not followed by LF");
    }
    head->at += 2;
    return HTTP1_DONE;
}

/* The byte at head->at is not one that a name may have there: the empty line, or a fault. */
static enum http1_result read_other_line(struct http1_head *head, const char *start)
{
    const char *reason = "a field name has a byte that no name may have, or no ':' follows it";
    if (head->at == start && *start == '\r') {
        return http1_read_line_end(head, reason);
    }
    if (head->at == start && http1_is_blank(*start)) {
        reason = "a field line begins with a blank: line folding is not allowed";
    } else if (head->at == start && *start == ':') {
        reason = "a field has no name";
    } else if (http1_is_blank(*head->at)) {
        reason = "a blank stands between a field name and its ':'";
    }
    return refuse(head, reason);
}

/* The value, from behind the colon to the end of the line; head->at stands behind that. */
static inline enum http1_result read_value(struct http1_head *head, const char *at,
                                           struct slice *ret_value)
{
    const char *end = head->end;
    while (at < end && http1_is_blank(*at)) {
        at++;
    }
    const char *stop = http1_skip_value(at, end);
    const char *last = stop;
    while (last > at && http1_is_blank(last[-1])) {
        last--;
    }
    *ret_value = slice_make(at, (size_t)(last - at));
    head->at = stop;
    if (end - stop >= 2 && stop[0] == '\r' && stop[1] == '\n') {
        head->at = stop + 2;
        return HTTP1_DONE;
    }
    return http1_read_line_end(head,
                               "a field value has a control character, or a line ends without CR");
}

enum http1_result http1_read_fields(struct http1_head *head, http1_take *take)
{
    for (;;) {
        const char *start = head->at;
        uint32_t hash;
        const char *at = http1_hash_token(start, head->end, &hash);
        head->at = at;
        if (at == head->end) {
            return HTTP1_PARTIAL;
        }
        if (*at != ':' || at == start) {
            return read_other_line(head, start);
        }
        if (head->field_count == head->field_max) {
            return http1_refuse(head->fault, 431, "the head has too many fields");
        }
        struct slice name = slice_make(start, (size_t)(at - start));
        struct slice value;
        enum http1_result result = read_value(head, at + 1, &value);
        if (result != HTTP1_DONE) {
            return result;
        }
        struct http1_field *field = &head->fields[head->field_count++];
        *field = (struct http1_field){name, value, hash, http1_name_known(name, hash), false};
        result = take(head, field);
        if (result != HTTP1_DONE) {
            return result;
        }
    }
}

bool http1_next_member(struct slice *list, struct slice *ret_member)
{
    while (list->len > 0) {
        size_t len = slice_find(*list, ',');
        *ret_member = slice_trim(slice_make(list->ptr, len));
        *list = slice_skip(*list, len + 1);
        if (ret_member->len > 0) {
            return true;
        }
    }
    return false;
}

enum http1_result http1_take_content_length(struct http1_head *head, struct slice value)
{
    if (head->has_content_length) {
        return refuse(head, "there are several Content-Length fields");
    }
    if (head->chunked) {
        return refuse(head, "Content-Length and Transfer-Encoding exclude each other");
    }
    if (value.len == 0) {
        return refuse(head, "Content-Length is empty");
    }
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!ascii_is_digit(value.ptr[i])) {
            return refuse(head, "Content-Length is not a number in digits");
        }
        uint64_t digit = (uint64_t)(value.ptr[i] - '0');
        if (length > (INT64_MAX - digit) / 10) {
            return refuse(head, "Content-Length is out of range");
        }
        length = length * 10 + digit;
    }
    head->content_length = length;
    head->has_content_length = true;
    return HTTP1_DONE;
}

/* Is it a list of transfer codings in which chunked, if it is there at all, is the last one and
 * has no parameters (RFC 9112, 7)? */
static bool sound_codings(struct slice list)
{
    bool chunked = false;
    for (bool more = true; more;) {
        size_t len = slice_find(list, ',');
        struct slice coding = slice_trim(slice_make(list.ptr, len));
        more = len < list.len;
        list = slice_skip(list, len + 1);
        struct slice name = slice_trim(slice_make(coding.ptr, slice_find(coding, ';')));
        if (chunked || !http1_valid_token(name)) {
            return false;
        }
        chunked = slice_equal_nocase(name, SLICE("chunked"));
        if (chunked && coding.len != name.len) {
            return false;
        }
    }
    return true;
}

enum http1_result http1_take_transfer_encoding(struct http1_head *head, struct slice value)
{
    if (head->minor == 0) {
        return refuse(head, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (head->has_content_length) {
        return refuse(head, "Content-Length and Transfer-Encoding exclude each other");
    }
    if (head->chunked) {
        return refuse(head, "there are several Transfer-Encoding fields");
    }
    if (slice_equal_nocase(value, SLICE("chunked"))) {
        head->chunked = true;
        return HTTP1_DONE;
    }
    if (sound_codings(value)) {
        return http1_refuse(head->fault, 501, "the only transfer coding that is known is chunked");
    }
    return refuse(head, "Transfer-Encoding is malformed");
}

static enum http1_result apply_option(struct http1_head *head, struct slice option,
                                      unsigned protected_names)
{
    const char *end = option.ptr + option.len;
    uint32_t hash;
    if (http1_hash_token(option.ptr, end, &hash) != end) {
        return refuse(head, "Connection is not a list of names");
    }
    enum http1_name id = http1_name_known(option, hash);
    if ((HTTP1_SET(id) & protected_names) != 0) {
        return refuse(head, "Connection names a field that the message cannot do without");
    }
    head->keep_alive |= id == HTTP1_KEEP_ALIVE;
    head->close |= http1_same_token(option, SLICE("close"));
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http1_field *field = &head->fields[i];
        if (field->hash == hash && slice_equal_nocase(field->name, option)) {
            field->connection_option = true;
        }
    }
    return HTTP1_DONE;
}

void http1_note_connection(struct http1_head *head)
{
    if (head->connection_end == 0) {
        head->connection_begin = head->field_count - 1;
    }
    head->connection_end = head->field_count;
}

enum http1_result http1_apply_connection(struct http1_head *head, unsigned protected_names)
{
    unsigned count = 0;
    for (unsigned i = head->connection_begin; i < head->connection_end; i++) {
        if (head->fields[i].id != HTTP1_CONNECTION) {
            continue;
        }
        struct slice list = head->fields[i].value;
        struct slice option;
        while (http1_next_member(&list, &option)) {
            if (++count > MOST_CONNECTION_OPTIONS) {
                return refuse(head, "Connection names too many options");
            }
            enum http1_result result = apply_option(head, option, protected_names);
            if (result != HTTP1_DONE) {
                return result;
            }
        }
    }
    return HTTP1_DONE;
}
