/*
 * aws_authorization: what of AWS's own signatures the gateway reads in a request: whose key id it
 * was signed with, and whether it is in the URL. The signature itself means nothing here: who
 * knows the key is the tenant, and what goes upstream is signed anew. Pure.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum aws_authorization {
    AWS_OTHER,  /* another scheme */
    AWS_SIGV4,  /* *ret_id is set */
    AWS_SIGV4A, /* by an asymmetric key, for several regions */
    AWS_BROKEN, /* AWS's, but its form is none: no credential, or two */
};

/* Of the value of an Authorization field. */
enum aws_authorization aws_authorization_read(struct slice value, struct slice *ret_id);

/* Has the query a signature or a credential of AWS: a presigned URL? */
bool aws_query_is_signed(struct slice query);
