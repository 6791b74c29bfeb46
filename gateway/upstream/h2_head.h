/*
 * h2_head: heads between HTTP/1.1's form, in which the gateway writes and reads them strictly, and
 * the field list of HTTP/2 (RFC 9113, section 8). Pure.
 */
#pragma once

#include "base/http1.h"
#include "base/status.h"

#include <nghttp2/nghttp2.h>

struct buffer;

struct h2_head {
    nghttp2_nv *fields; /* owned; the bytes are the head's */
    size_t count;
};

/* Of a request's whole head, whose names are put into lower case where they stand. Leaves out what
 * belongs to a connection (section 8.2.2). STATUS_INVALID: it is no head. */
MUST_USE enum status h2_head_make(char *head, size_t len, bool tls, struct h2_head *ret);
void h2_head_fini(struct h2_head *head);

/* One field of an answer, behind those that came before it. STATUS_TOO_LARGE: there is no room. */
MUST_USE enum status h2_head_add(struct buffer *head, struct slice name, struct slice value);
/* The whole of it, ended by an empty line, read as strictly as HTTP/1.1's. NULL: it is valid; else
 * why it is not. */
const char *h2_head_read(struct buffer *head, enum http1_method asked,
                         struct http1_response *response);
/* A trailer section: NULL, and it is valid without its last empty line; else why it is not. */
const char *h2_head_read_trailers(struct buffer *section, struct slice *ret);
