/*
 * body_facts: may a request's body be read by rules, and which model it is for.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct call;
struct exchange;
struct http1_request;
struct route;

enum { BODY_MODEL_MAX = 128 };

/* Not if it is encoded, or in a charset other than UTF-8: STATUS_INVALID, for the caller. `reader`
 * is who has to read it: "a quota". */
MUST_USE enum status body_facts_check(const struct http1_request *request, const char *reader,
                                      struct error *err);

/* The call of the route's profile; NULL: none that it knows. `rest` is behind the route's path. */
const struct call *body_facts_call(const struct exchange *exchange, const struct route *route,
                                   struct slice rest);
/* A model that the call's path names, into `out`, NUL-terminated; false: it names none. */
bool body_facts_path_model(const struct call *call, struct slice rest, char *out, size_t size);
/* The models of the held body and of the path, which may differ: at least one. */
struct body_models {
    char text[2][BODY_MODEL_MAX + 1];
    unsigned count;
};
/* STATUS_INVALID: none can be told; the error is for the caller. */
MUST_USE enum status body_facts_models(const struct exchange *exchange, const struct route *route,
                                       struct slice rest, struct body_models *ret,
                                       struct error *err);
