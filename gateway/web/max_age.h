/* max_age: how long an answer may be kept, as its Cache-Control says (RFC 9111, section 5.2.2). */
#pragma once

#include "base/clock.h"
#include "base/http1.h"

/* 0: it does not say, or not to keep it. At most a day. */
usec_t max_age_of(const struct http1_field *fields, unsigned count);
