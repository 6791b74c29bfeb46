/*
 * body_rule: what a route asks of its requests' bodies, for all of its calls or for some. Pure
 * data.
 */
#pragma once

#include "base/slice.h"
#include "routes/deny.h"

#include <stdint.h>

struct schema_node;

struct body_rule {
    const char *name;      /* where it stands, as "routes.openai.validate[0]" */
    struct deny_rule call; /* for its method and path alone */
    const struct slice *content_types;
    unsigned content_type_count;      /* 0: any */
    uint64_t max_body;                /* 0: as the gateway has it */
    const struct schema_node *shape;  /* of `required` and `types`; NULL: none */
    const struct schema_node *schema; /* of a file; NULL: none */
    const struct body_rule *next;
};
