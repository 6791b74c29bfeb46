/*
 * upstream_side: all of a worker that faces providers; what attempts share.
 */
#pragma once

#include "gateway/upstream/attempt.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/intake.h"
#include "gateway/upstream/pool.h"

#include <stdatomic.h>

struct connector;

struct upstream_side {
    struct loop *loop;           /* borrowed */
    struct connector *connector; /* owned */
    struct endpoint_table endpoints;
    struct pool pool;
    unsigned idle_h2;    /* connections over HTTP/2 without a stream */
    unsigned generation; /* counts upstream_side_close_idle(): older links are not kept */
    unsigned attempts;
    atomic_size_t *held_bytes; /* borrowed; NULL: it is not counted */
    struct intake_scratch scratch;
};
