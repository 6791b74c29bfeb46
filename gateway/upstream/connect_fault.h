/*
 * connect_fault: what a failed connect means to an operator: which fault, and a sentence that says
 * what to do.
 */
#pragma once

#include "gateway/upstream/attempt.h"

#include <curl/curl.h>

/* What was seen of a connect. */
struct connect_report {
    CURLcode code;
    long os_errno;               /* of the last connect, or 0 */
    const char *detail;          /* libcurl's words; may be empty */
    unsigned allowed_addresses;  /* that the egress guard let pass */
    unsigned refused_addresses;  /* and that it did not */
    const char *refused_address; /* the last of these */
    int alert;                   /* that the peer sent: link.h */
    bool lacks_http2;            /* it was wanted, and not agreed upon */
    bool refused_host;           /* the egress guard knows the host by its name alone */
    bool login_missing;          /* the proxy's secret is not there, or is none */
    long proxy_status;           /* what the proxy answered to CONNECT; 0: nothing */
    const char *trust_error;     /* why the CA file is of no use; may be empty */
};

void connect_fault_describe(const struct origin *origin, const struct connect_report *report,
                            struct attempt_failure *ret);
