/*
 * deny: what a tenant may not call, although its allow rules cover it: by method, path, header
 * field, model, and what stands in a JSON body. Pure.
 *
 * All that a rule names has to fit. A rule forbids more rather than less: methods fit in any case,
 * paths in any spelling that an upstream might take for the same one (case, encoded slashes, empty
 * segments, a slash at the end, parameters behind a ';'), a field that came several times or is a
 * list fits if one of its values does, '_' in its name is '-', and numbers are compared by value.
 */
#pragma once

#include "base/http1.h"
#include "base/json_pick.h"
#include "base/slice.h"
#include "routes/allow.h"

#include <stdbool.h>

struct arena;

struct deny_header {
    struct slice name;
    struct slice pattern; /* as base/pattern.h has them */
};

struct deny_field {
    struct json_place place;
    struct slice pattern;
};

struct deny_rule {
    const char *name;       /* where it stands, as "tenants.app.deny[0]" */
    struct allow_rule call; /* its path in lower case */
    struct slice folded;    /* the path, as deny_fold() has them */
    unsigned route_index;
    const struct deny_header *headers;
    unsigned header_count;
    struct slice model; /* a pattern; empty: any */
    const struct deny_field *fields;
    unsigned field_count;
    const struct deny_rule *next; /* of the same tenant */
};

/* A path as far as an upstream may look at it: decoded, in lower case, without empty segments,
 * parameters and a slash at the end; `out` has path.len + 1 bytes. */
struct slice deny_fold(struct slice path, char *out);
/* The same with a slash at its end, if it has any there. */
struct slice deny_fold_open(struct slice path, char *out);
struct slice deny_lower(struct slice path, char *out);

/* Fills `call` and `folded` of what allow_parse() has read. */
void deny_set_call(struct arena *arena, const struct allow_rule *call, struct deny_rule *ret);

/* A request's call: its method, and the path behind the route's, normalized. */
struct deny_call {
    unsigned route_index;
    struct slice method;
    struct slice lower;  /* deny_lower() */
    struct slice folded; /* deny_fold_open() */
    const struct http1_field *fields;
    unsigned field_count;
};

/* All but model and JSON fields. */
bool deny_fits_head(const struct deny_rule *rule, const struct deny_call *call);
bool deny_reads_body(const struct deny_rule *rule);

/* Does what stands at a field's place fit its pattern? An object or an array fits "*" alone. */
enum deny_value {
    DENY_VALUE_DIFFERS,
    DENY_VALUE_FITS,
    DENY_VALUE_TOO_LONG, /* it is not known whole, so it cannot be told */
};
enum deny_value deny_value(struct slice pattern, const struct json_found *found);
