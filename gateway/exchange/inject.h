/*
 * inject: writes the credential of the attempt that runs to where the route wants it. Only for
 * gateway/exchange; what it writes to is wiped by its owner.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct exchange;

/* Whether the credential can go where the route wants it; the error is for the caller, and says
 * nothing of the secret. True where none is injected. */
MUST_USE enum status inject_check(const struct exchange *exchange, struct error *err);
/* Would the provider see a tenant's key in what the caller wrote of path and query, behind those
 * that are taken out? */
bool inject_target_tells(const struct exchange *exchange);
/* "{base_path}{rest}?{query}", with the credential in path and query. */
MUST_USE enum status inject_write_target(const struct exchange *exchange, struct buffer *out);
/* The header lines that carry it. */
MUST_USE enum status inject_write_headers(const struct exchange *exchange, struct buffer *out);
/* How much longer the body may become by it. */
size_t inject_body_growth(const struct exchange *exchange);
/* The body with the credential in it, for a route that has such a place: in a JSON object, or in a
 * form. STATUS_INVALID: it cannot be put in; the error is for the caller. */
MUST_USE enum status inject_write_body(const struct exchange *exchange, struct slice body,
                                       struct buffer *out, struct error *err);
