/*
 * limit: one quota rule of the config: what it counts, over which span, for whom, and how much.
 * Immutable, part of a snapshot. What it applies to (tenants, routes) is joined by config/link.
 *
 * A rule is known by its identity: scope, unit, span, route, model and each, but not its amount.
 * What was used is kept under the identity, so a changed amount keeps its usage over a reload.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct zone;

enum limit_unit {
    LIMIT_REQUESTS,
    LIMIT_TOKENS,
    LIMIT_COST,  /* nano-USD */
    LIMIT_BYTES, /* of request and answer bodies */
    LIMIT_CONCURRENCY,
    LIMIT_UNITS /* not a unit; keep last */
};

enum limit_span {
    LIMIT_RATE,  /* a bucket of `burst`, refilled evenly with `amount` each `period` */
    LIMIT_DAYS,  /* windows of `days` days, counted from 1970-01-01 in the zone; 1: a day */
    LIMIT_WEEK,  /* ISO: from Monday */
    LIMIT_MONTH, /* from its first day */
    LIMIT_HELD,  /* of concurrency: as long as a request runs */
};

enum limit_each {
    EACH_NOTHING,
    EACH_TENANT,
    EACH_ROUTE,
    EACH_IP,     /* the connection's peer address */
    EACH_HEADER, /* the value of a request header */
};

enum limit_action { LIMIT_DENY, LIMIT_WARN };

/* What happens where the store does not answer in time. */
enum store_failure { STORE_LOCAL, STORE_DENY, STORE_ALLOW };

/* Amounts fit a double exactly, as Redis' scripts count with: 9 million USD in nano-USD. */
#define LIMIT_AMOUNT_MAX UINT64_C(9000000000000000)

enum { LIMIT_VALUES_MAX = 10000 }; /* live values of an `each: ip` or `each: header` rule */

struct limit {
    const char *name;      /* in headers, metrics and errors; unique within its scope */
    unsigned index;        /* position in the snapshot's list of all limits */
    struct slice identity; /* "requests/60s", "cost/month", "tokens/day/route=openai/model=gpt-4o*",
                              "concurrency/each=ip": see limit_identity() */
    struct slice key;      /* where its usage is kept, or (each other than NOTHING) what that begins
                              with: see limit_key_write() */
    uint64_t key_hash;     /* table_hash() of it; 0: not made yet */
    struct slice policy;   /* as RateLimit-Policy has it: limit_policy_text() */
    struct slice quoted;   /* the name in quotes, which that begins with */
    const char *tenant;    /* whose config has it; NULL: for all tenants */
    int route_index;       /* -1: any route */
    const char *route;     /* its name; NULL: any */
    struct slice model;    /* a pattern in which * is any run of bytes; empty: any */
    enum limit_unit unit;
    enum limit_span span;
    enum limit_each each;
    struct slice header;     /* of EACH_HEADER, lower case */
    uint32_t header_hash;    /* http1_name_hash() of it */
    uint64_t amount;         /* 1..LIMIT_AMOUNT_MAX, in the unit */
    uint64_t burst;          /* of a rate: 1..amount */
    usec_t period;           /* of a rate: 1 s to 1 h */
    unsigned days;           /* of LIMIT_DAYS */
    const struct zone *zone; /* of windows; in the snapshot */
    enum limit_action action;
    unsigned warn_percent; /* 1..99; 0: no warning */
    usec_t wait;           /* how long a request may be held for room; 0: not at all */
    enum store_failure on_failure;
};

/* Some limits: those of a tenant, or those over tenants that apply to a route. */
struct limit_set {
    const struct limit *const *limits;
    unsigned count;
    bool needs_body; /* one of them does */
};

/* Does the rule need the request's body: tokens, cost, or a model pattern? */
static inline bool limit_needs_body(const struct limit *limit)
{
    return limit->unit == LIMIT_TOKENS || limit->unit == LIMIT_COST || limit->model.len > 0;
}

/* Of a calendar: neither a rate nor slots. */
static inline bool limit_span_is_window(enum limit_span span)
{
    return span != LIMIT_RATE && span != LIMIT_HELD;
}

/* Counts each value that a peer chose apart: its keys are not to be known from the config. */
static inline bool limit_is_of_values(const struct limit *limit)
{
    return limit->each == EACH_IP || limit->each == EACH_HEADER;
}

/* May what is charged differ from what was reserved, or must it be given back at the end? */
static inline bool limit_settles(const struct limit *limit)
{
    return limit->unit != LIMIT_REQUESTS;
}

/* What can be used at once at most: the burst of a rate, else the amount. */
static inline uint64_t limit_whole(const struct limit *limit)
{
    return limit->span == LIMIT_RATE ? limit->burst : limit->amount;
}

/* What is used when warn_percent of the whole is; 0: no warning. */
static inline uint64_t limit_warn_mark(const struct limit *limit)
{
    return (limit_whole(limit) * limit->warn_percent + 99) / 100;
}

/* Is one count kept for all tenants, so that it lies beside none of them in the store? */
static inline bool limit_over_tenants(const struct limit *limit)
{
    return limit->tenant == NULL && limit->each != EACH_TENANT;
}

/* "requests", "tokens", "cost", "bytes", "concurrency". */
const char *limit_unit_name(enum limit_unit unit);

/* Writes the identity of a limit, of which all members but name, index, identity, key and amounts
 * are read, as at most `size` bytes; returns its length, or 0 if it does not fit. Route and model
 * are percent-encoded where they have bytes other than [a-zA-Z0-9._*-]. A rate's span is in seconds
 * ("60s"); windows are "day", "week", "month", "7d". */
size_t limit_identity(const struct limit *limit, char *out, size_t size);

/* Does the model's name match the pattern? Compared exactly, byte by byte; linear backtracking. */
bool limit_model_matches(struct slice pattern, struct slice model);

/* The longest key: prefix, identity and value. */
enum { LIMIT_KEY_MAX = 640, LIMIT_VALUE_MAX = 64 };

/* The key prefix of a limit (limit->key): "{NAME:TENANT}:v2:q:IDENTITY" for one of a tenant,
 * "{NAME}:v2:q:IDENTITY" for one over tenants; with EACH_TENANT "IDENTITY" alone, as the tag
 * differs from tenant to tenant. `store` is store.name. Returns the length; 0: does not fit. */
size_t limit_key_prefix(const struct limit *limit, const char *store, char *out, size_t size);

/* The key for one request: limit->key as it is without `each`; with EACH_TENANT
 * "{STORE:TENANT}:v2:each:IDENTITY"; else limit->key, ":" and the value: as it is if it has at most
 * LIMIT_VALUE_MAX bytes of [a-zA-Z0-9._:-], else "#" and 32 hex digits of its SHA-256. Values are
 * the route's name, the peer's address or the header's value ("" if absent). At most
 * LIMIT_KEY_MAX bytes; returns the length. */
size_t limit_key_write(const struct limit *limit, const char *store, const char *tenant,
                       struct slice value, char out[LIMIT_KEY_MAX]);
