/*
 * kept_fields: which of a provider's header fields are kept with an event, and go to its targets:
 * its own. Not those of the connection, of the way that it came, of logins, and never the field in
 * which the secret itself was sent: the database is no place for it.
 */
#pragma once

#include "base/http1.h"
#include "base/status.h"

struct buffer;
struct webhook_scheme;

/* "Name: value\r\n"... STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status kept_fields_write(const struct webhook_scheme *scheme,
                                       const struct http1_field *fields, unsigned count,
                                       struct buffer *out);
