/*
 * problem: the errors that the gateway itself answers with: code, status, and text, in the shape
 * that the provider's SDK turns into its own exception.
 *
 * The text is for the caller. It never shows internals: what went wrong behind the gateway is in
 * the access log, under the same request id.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct buffer;
struct profile;

enum problem_code {
    PROBLEM_BAD_REQUEST,
    PROBLEM_TENANT_KEY_MISSING,
    PROBLEM_TENANT_UNKNOWN,
    PROBLEM_ROUTE_NOT_ALLOWED,
    PROBLEM_NO_SUCH_ROUTE,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_IDEMPOTENCY_CONFLICT,
    PROBLEM_CLIENT_TIMEOUT,
    PROBLEM_BODY_TOO_LARGE,
    PROBLEM_URI_TOO_LONG,
    PROBLEM_EXPECTATION_FAILED,
    PROBLEM_HEADERS_TOO_LARGE,
    PROBLEM_NOT_IMPLEMENTED,
    PROBLEM_HTTP_VERSION, /* its code is "not_implemented", too; its status is 505 */
    PROBLEM_QUOTA_EXCEEDED,
    PROBLEM_BUDGET_EXCEEDED,
    PROBLEM_CONCURRENCY_EXCEEDED,
    PROBLEM_UPSTREAM_UNREACHABLE,
    PROBLEM_UPSTREAM_INVALID_RESPONSE,
    PROBLEM_CREDENTIAL_UNAVAILABLE,
    PROBLEM_TOKEN_UNAVAILABLE, /* its code is "credential_unavailable", too; its detail is shown */
    PROBLEM_EGRESS_REFUSED,
    PROBLEM_CIRCUIT_OPEN,
    PROBLEM_OVERLOADED,
    PROBLEM_STORE_UNAVAILABLE,
    PROBLEM_UPSTREAM_TIMEOUT,
    PROBLEM_CODES /* not a code; keep last */
};

/* "no_such_route": the value of X-Sallyport-Error. */
const char *problem_code_text(enum problem_code code);

/* The HTTP status that it is answered with, and any such status's reason phrase. */
unsigned problem_status(enum problem_code code);
const char *problem_status_text(unsigned status);

/* The code for a fault of base/http1.h; bad_request for what is none of its statuses. */
enum problem_code problem_from_status(unsigned status);

/* Appends the answer's body: the profile's error template, or RFC 9457 problem+json for NULL and
 * for a profile without one. `detail` may be NULL or empty; it is shown only for codes about the
 * caller's own request. *ret_content_type lives as long as the profile.
 * STATUS_TOO_LARGE if it does not fit. */
MUST_USE enum status problem_render(const struct profile *profile, enum problem_code code,
                                    const char *detail, const char *request_id, struct buffer *body,
                                    struct slice *ret_content_type);
