/*
 * http1_internal: what the files of the HTTP/1.1 codec share. Not for anyone else.
 *
 * A head is read once, from front to back. Each step returns HTTP1_DONE when its part is whole and
 * valid, and leaves `at` behind it.
 */
#pragma once

#include "base/http1.h"

/* What a byte may be part of. */
enum {
    HTTP1_TOKEN_BYTE = 1,  /* RFC 9110, 5.6.2 */
    HTTP1_VALUE_BYTE = 2,  /* of a field: tab, blank, visible, 0x80..0xff */
    HTTP1_TARGET_BYTE = 4, /* of a request target: visible ASCII without '#' */
    HTTP1_HOST_BYTE = 8,   /* of a reg-name, without '%': RFC 3986, 3.2.2 */
    HTTP1_HEX_BYTE = 16,
};

extern const unsigned char http1_bytes[256];

static inline bool http1_is(char byte, unsigned kind)
{
    return (http1_bytes[(unsigned char)byte] & kind) != 0;
}

static inline bool http1_is_blank(char byte)
{
    return (unsigned char)byte <= ' ' && (byte == ' ' || byte == '\t');
}

/* Which known name has this hash, if the bytes agree? `name` consists of token bytes. */
enum http1_name http1_name_known(struct slice name, uint32_t hash);

/* A head being read, of either direction, and what its fields have said so far. */
struct http1_head {
    const char *at;  /* next byte to read */
    const char *end; /* of what may be read: the bytes there are, or the limit */
    struct http1_fault *fault;
    struct http1_field *fields;
    unsigned field_count;
    unsigned field_max;
    unsigned minor; /* of the version */
    uint64_t content_length;
    bool has_content_length;
    bool chunked;
    unsigned connection_begin; /* the Connection fields lie in fields[begin..end) */
    unsigned connection_end;
    bool close;      /* named by a Connection field */
    bool keep_alive; /* named by a Connection field */
};

/* Fills *fault and returns HTTP1_BAD. */
enum http1_result http1_refuse(struct http1_fault *fault, unsigned status, const char *reason);

/* Expects CR LF. `reason` says what is wrong if something else is there. */
enum http1_result http1_read_line_end(struct http1_head *head, const char *reason);

/* Is given each field when its line was read: fields[field_count - 1], and head->at behind it. */
typedef enum http1_result http1_take(struct http1_head *head, const struct http1_field *field);

/* Reads field lines up to and with the empty one; DONE unless `take` or the syntax refuses. */
enum http1_result http1_read_fields(struct http1_head *head, http1_take *take);

/* What the fields mean that frame a message, each given when it was read. */
enum http1_result http1_take_content_length(struct http1_head *head, struct slice value);
enum http1_result http1_take_transfer_encoding(struct http1_head *head, struct slice value);

/* Notes the field that was read last, for http1_apply_connection(). */
void http1_note_connection(struct http1_head *head);

/* When all fields were read: marks those that the Connection fields name, notes close and
 * keep-alive. `protected_names` may not be named. */
enum http1_result http1_apply_connection(struct http1_head *head, unsigned protected_names);

/* For `protected_names`: a set of enum http1_name. */
#define HTTP1_SET(name) (1U << (name))

/* Walks the members of a comma-separated list, without blanks around them and without the empty
 * ones (RFC 9110, 5.6.1). Returns whether there was another one. */
bool http1_next_member(struct slice *list, struct slice *ret_member);
