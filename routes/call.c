#include "routes/call.h"

#include "routes/allow.h"
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

bool call_may_repeat(const struct profile *profile, struct slice method, struct slice path)
{
    const struct call *call = call_find(profile, method, path);
    if (call != NULL && call->repeatable) {
        return true;
    }
    for (unsigned i = 0; i < profile->repeatable_count; i++) {
        const struct repeatable_call *it = &profile->repeatable[i];
        const struct allow_rule rule = {.method = it->method, .path = it->path};
        if (allow_matches(&rule, method, path)) {
            return true;
        }
    }
    return false;
}
