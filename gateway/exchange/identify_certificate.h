/*
 * identify_certificate: whose client certificate came with the request's connection. A part of the
 * step `identify`.
 */
#pragma once

struct authentication;
struct exchange;

enum certificate_answer {
    CERTIFICATE_NONE,     /* there is none, or no tenant lists any */
    CERTIFICATE_TAKEN,    /* `auth` knows whose it is */
    CERTIFICATE_STRANGER, /* it is good, and nobody's */
    CERTIFICATE_REFUSED,  /* *ret_why */
};

enum certificate_answer identify_certificate(const struct exchange *exchange,
                                             struct authentication *auth, const char **ret_why);
