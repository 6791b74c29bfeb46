/* json_plain: how far a JSON string goes on without anything to look at. */
#pragma once

#include "base/slice.h"

/* Bytes at the front that are ASCII, no controls below U+0020, no quotes and no backslashes. */
size_t json_plain_bytes(struct slice data);
