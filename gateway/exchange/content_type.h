/* content_type: what an answer says that its body is. */
#pragma once

#include "base/http1.h"

#include <stdbool.h>

/* Without its parameters; empty: it says nothing. */
struct slice content_type_of(const struct http1_response *response);
/* One document of JSON, of any vocabulary. */
bool content_type_is_json(struct slice type);
