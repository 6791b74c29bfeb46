/*
 * aws_host: what a host name of AWS tells of the service and region that its requests are signed
 * for: "dynamodb.eu-central-1.amazonaws.com", "bucket.s3.us-west-2.amazonaws.com". Pure.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* Sets what the name tells; the others stay as they are. False: it is no name of AWS. The service
 * is the one that is signed for ("ses" for email.…). Both are parts of `host`, or static. */
bool aws_host_read(struct slice host, struct slice *ret_service, struct slice *ret_region);
