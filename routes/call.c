#include "routes/call.h"

#include "routes/profile.h"

/* Paths are few and fixed, so they are compared one by one; a trailing slash is another path. */
const struct call *call_find(const struct profile *profile, struct slice method, struct slice path)
{
    for (unsigned i = 0; i < profile->call_count; i++) {
        const struct call *call = &profile->calls[i];
        if (slice_equal(call->method, method) && slice_equal(call->path, path)) {
            return call;
        }
    }
    return NULL;
}
